//! Going through all values of a partition.
//!
//! Redis lists keys by server, not by slot, so a partition keeps the names of its values in a set of its own: one more write per
//! value, and once more the memory of its name. The set may be walked while it changes; a name may then come twice, so the names
//! that were seen are remembered for the time of the walk.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use redis::Value as Reply;

use super::{EngineError, Tag, Value, array, bytes, check_namespace, keys, wire::Wire};
use crate::error::Result;

/// How many names are asked for in one call.
const CHUNK: usize = 1_000;

/// How far a walk has come.
struct Walk {
    cursor: Vec<u8>,
    begun: bool,
}

impl Walk {
    fn start() -> Self {
        Self { cursor: b"0".to_vec(), begun: false }
    }

    /// The next names; `None` after the last.
    async fn next(&mut self, wire: &Wire, tag: &Tag) -> Result<Option<Vec<Vec<u8>>>> {
        if self.begun && self.cursor == b"0" {
            return Ok(None);
        }
        let tried = format!("list the values of {tag}");
        let mut command = redis::cmd("SSCAN");
        command.arg(keys::index(tag)).arg(&self.cursor).arg("COUNT").arg(CHUNK);
        let mut parts = array(wire, &tried, wire.call(&tried, &command).await?)?.into_iter();
        let (Some(Reply::BulkString(cursor)), Some(names)) = (parts.next(), parts.next()) else {
            return Err(wire.strange(&tried, &Reply::Nil));
        };
        (self.cursor, self.begun) = (cursor, true);
        Ok(Some(array(wire, &tried, names)?.into_iter().filter_map(bytes).collect()))
    }
}

/// All keys and values.
pub(super) fn scan(wire: Wire, tag: Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
    if let Err(error) = check_namespace(&tag.namespace) {
        return futures::stream::iter([Err(error)]).boxed();
    }
    let start = (wire, tag, Walk::start(), BTreeSet::new());
    futures::stream::try_unfold(start, |(wire, tag, mut walk, mut seen)| async move {
        let Some(mut names) = walk.next(&wire, &tag).await? else { return Ok(None) };
        names.retain(|name| seen.insert(name.clone()));
        let found = values(&wire, &tag, names).await?;
        Ok::<_, EngineError>(Some((
            futures::stream::iter(found.into_iter().map(Ok)),
            (wire, tag, walk, seen),
        )))
    })
    .try_flatten()
    .boxed()
}

/// The values of some names; without those that were removed since.
async fn values(wire: &Wire, tag: &Tag, names: Vec<Vec<u8>>) -> Result<Vec<(Bytes, Value)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let tried = format!("read values of {tag}");
    let mut command = redis::cmd("MGET");
    for name in &names {
        command.arg(keys::value(tag, name));
    }
    let rows = array(wire, &tried, wire.call(&tried, &command).await?)?;
    let pairs = names.into_iter().zip(rows.into_iter().map(bytes));
    pairs
        .filter_map(|(name, row)| {
            let value =
                keys::parse_row(row?).ok_or_else(|| EngineError::ours(&tried, "a value without a version"));
            Some(value.map(|value| (Bytes::from(name), value)))
        })
        .collect()
}

/// Removes a partition: first its marker, so that an epoch and a derived value that come late are refused, then all that is named by the
/// two lists, at last the lists.
pub(super) async fn drop_partition(wire: &Wire, tag: &Tag) -> Result<()> {
    let tried = format!("drop {tag}");
    wire.call(&tried, redis::cmd("DEL").arg(keys::marker(tag)).arg(keys::hurry(tag))).await?;
    let mut walk = Walk::start();
    while let Some(names) = walk.next(wire, tag).await? {
        let named = names.into_iter().flat_map(|name| [keys::value(tag, &name), keys::derived(tag, &name)]);
        unlink(wire, &tried, named.collect()).await?;
    }
    for first in (0..).step_by(CHUNK) {
        let mut command = redis::cmd("ZRANGE");
        command.arg(keys::cold(tag)).arg(first).arg(first + CHUNK - 1);
        let names = array(wire, &tried, wire.call(&tried, &command).await?)?;
        if names.is_empty() {
            break;
        }
        let named = names.into_iter().filter_map(bytes).map(|name| keys::derived(tag, &name));
        unlink(wire, &tried, named.collect()).await?;
    }
    let lists = [keys::index(tag), keys::mirrored(tag), keys::changed(tag), keys::cold(tag)];
    unlink(wire, &tried, lists.map(String::into_bytes).to_vec()).await
}

async fn unlink(wire: &Wire, tried: &str, names: Vec<Vec<u8>>) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    wire.call(tried, redis::cmd("UNLINK").arg(names)).await.map(drop)
}
