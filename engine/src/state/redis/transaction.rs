//! Epochs of a single Redis as transactions.
//!
//! Redis hashes and copies each key and value that a script is given; of a transaction it copies them once, which costs it half. The marker is
//! watched from before it is compared, so that EXEC does nothing where another writer came between. A repeat is harmless for the same reason:
//! what an earlier connection still has on its way either finds the marker moved, or moves it, and is found done.

use abovefold_schemas::Marker;
use redis::{Pipeline, RedisError, Value as Reply, aio::MultiplexedConnection};

use super::{EpochWrite, Tag, alone::Alone, epoch, indexed::Indexed, keys, wire::Wire};
use crate::error::Result;

/// What became of an epoch: nothing where it is written, else the marker that was found, empty for none.
type Refused = Option<Vec<u8>>;

/// Writes an epoch that follows one which this process wrote.
pub(super) async fn write(
    wire: &Wire,
    alone: &Alone,
    tried: &str,
    tag: &Tag,
    epoch: &EpochWrite,
    indexed: &Indexed,
) -> Result<Refused> {
    let commands = epoch::transaction(tag, epoch, indexed);
    let attempt = || async {
        let mut connection = alone.take().await?;
        let outcome = attempt(&mut connection, tag, epoch, &commands).await;
        match outcome {
            Ok(_) => alone.keep(connection),
            Err(_) => alone.forget(),
        }
        outcome
    };
    loop {
        // Whoever moved the marker between its comparison and the end is found by the next look.
        if let Some(outcome) = wire.again(tried, attempt).await? {
            return Ok(outcome);
        }
    }
}

/// Compares the marker and writes the epoch. `None` where somebody came between the two, and nothing was written.
async fn attempt(
    connection: &mut MultiplexedConnection,
    tag: &Tag,
    epoch: &EpochWrite,
    commands: &Pipeline,
) -> Result<Option<Refused>, RedisError> {
    let found = watched_marker(connection, tag).await?;
    if let Some(outcome) = judge(found, &epoch.expected, &epoch.target) {
        redis::cmd("UNWATCH").exec_async(connection).await?;
        return Ok(Some(outcome));
    }
    let replies: Vec<Reply> = commands.query_async(connection).await?;
    // The first error says why nothing was done; that of EXEC only that.
    match Reply::Array(replies).extract_error()? {
        Reply::Array(replies) if replies.last().is_some_and(|last| *last != Reply::Nil) => Ok(Some(None)),
        _ => Ok(None),
    }
}

/// The marker, empty for none, which is watched from now on.
async fn watched_marker(connection: &mut MultiplexedConnection, tag: &Tag) -> Result<Vec<u8>, RedisError> {
    let marker = keys::marker(tag);
    let mut look = redis::pipe();
    look.cmd("WATCH").arg(&marker).ignore();
    look.cmd("GET").arg(&marker);
    let (found,): (Option<Vec<u8>>,) = look.query_async(connection).await?;
    Ok(found.unwrap_or_default())
}

/// What the marker says of an epoch; `None` where it is still to be written.
fn judge(found: Vec<u8>, expected: &Marker, target: &Marker) -> Option<Refused> {
    if found[..] == target.to_bytes() {
        return Some(None);
    }
    (found[..] != expected.to_bytes()).then_some(Some(found))
}
