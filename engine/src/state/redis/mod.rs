//! The store in Redis 7, single or Cluster.
//!
//! An epoch is whole or refused, by one primary. A partition's first one of a process, and each one in a Cluster, is one call of one script:
//! its keys are all named, so that a Cluster can place it, and it has no flags, so that a server without memory refuses it before the first
//! write. Those that follow are transactions, which cost the server half. Calls are repeated after a time-out or a lost
//! connection, which is harmless: an epoch that was written is found at its target. Only derived values and wishes have a time to
//! live, so a server that may evict other keys is refused ([`StateStore::check`]). Nothing is read from replicas.

mod address;
mod alone;
mod check;
mod epoch;
mod failure;
mod indexed;
mod keys;
mod listener;
mod parts;
mod scan;
mod transaction;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use abovefold_schemas::{Marker, Offset};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use redis::Value as Reply;

use super::{
    Changes, EpochWrite, Put, Snapshot, StateSettings, StateStore, Tag, Value, WriteOutcome,
    local::{Signals, lock},
    open::{check_namespace, masked},
};
use crate::{
    error::{EngineError, Result},
    runtime::Runtime,
};
use alone::Alone;
use indexed::Indexed;
use listener::Listener;
use parts::Parts;
use wire::Wire;

/// How often a waiter looks although nobody woke it: what is published while a connection is down is lost.
const POLL: Duration = Duration::from_millis(250);
/// How long a wish lies for those who were not listening when it was said.
const WISH_LIVES: Duration = Duration::from_secs(5);
/// How often a partition that is at work is put into the list of its namespace's partitions: the list lies in another slot, whose primary may
/// forget it for itself.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// How many values are read in one call when many are.
const READ_CHUNK: usize = 5_000;

/// The make of [`StateStore`] in Redis.
#[derive(Debug)]
pub struct RedisStore {
    wire: Wire,
    signals: Arc<Signals>,
    listener: Listener,
    /// When partitions were last put into their list.
    listed: Mutex<BTreeMap<Tag, Instant>>,
    /// What the lists of partitions have that this process writes.
    indexed: Mutex<BTreeMap<Tag, Indexed>>,
    /// Connections for transactions, which a Cluster is not sent.
    alone: Option<Alone>,
}

impl RedisStore {
    /// Connects to what a URL names (see [`super::open`]); [`StateStore::check`] then says whether it will do.
    pub async fn connect(url: &str, settings: &StateSettings) -> Result<Self> {
        let wire = Wire::connect(url, settings).await?;
        let signals = Arc::<Signals>::default();
        let listener = Listener::start(wire.clone(), Arc::clone(&signals));
        let single = wire.nodes().first().filter(|_| !wire.is_cluster());
        let alone = single.map(|server| Alone::to(server.clone(), settings));
        Ok(Self { wire, signals, listener, listed: Mutex::default(), indexed: Mutex::default(), alone })
    }

    /// Writes an epoch. `None` once it is written, else the marker that was found, empty for none.
    async fn write_whole(
        &self,
        tried: &str,
        tag: &Tag,
        epoch: &EpochWrite,
        indexed: &Indexed,
    ) -> Result<Option<Vec<u8>>> {
        if let Some(alone) = self.alone.as_ref().filter(|_| indexed.is_continued()) {
            return transaction::write(&self.wire, alone, tried, tag, epoch, indexed).await;
        }
        let call = epoch::script_call(tag, epoch, indexed);
        match self.wire.run(tried, &wire::WRITE_EPOCH, &call).await? {
            Reply::Int(1) => Ok(None),
            Reply::BulkString(found) => Ok(Some(found)),
            other => Err(self.wire.strange(tried, &other)),
        }
    }

    /// The names of mirrored values that epochs changed which ended after a version, or more names than these, and the marker at that moment.
    async fn changed_names(&self, tag: &Tag, since: Offset) -> Result<(Option<Marker>, Vec<Bytes>)> {
        let tried = format!("read what changed in {tag}");
        let (marker, mirrored, changed) = (keys::marker(tag), keys::mirrored(tag), keys::changed(tag));
        let named = [marker.as_bytes(), mirrored.as_bytes(), changed.as_bytes()];
        let parts = Parts::of(&named, &[since.0.to_string().as_bytes()]);
        let reply = self.wire.run(&tried, &wire::CHANGED_SINCE, &parts).await?;
        let mut answers = array(&self.wire, &tried, reply)?.into_iter();
        let (Some(marker), Some(all), Some(found)) = (answers.next(), answers.next(), answers.next()) else {
            return Err(self.wire.strange(&tried, &Reply::Nil));
        };
        let marker = self.marker_in(&tried, marker)?;
        let found = array(&self.wire, &tried, found)?.into_iter();
        let found = found.filter_map(|names| bytes(names).map(Bytes::from));
        if all == Reply::Int(1) {
            return Ok((marker, found.collect()));
        }
        let mut names = BTreeSet::new();
        for epoch in found {
            names.extend(parts::split(epoch).ok_or_else(|| self.not_ours(&tried))?);
        }
        Ok((marker, names.into_iter().collect()))
    }

    /// Puts a partition that has a marker into its namespace's list, now and then.
    async fn list(&self, tag: &Tag) {
        {
            let mut listed = lock(&self.listed);
            if listed.get(tag).is_some_and(|before| before.elapsed() < LIST_EVERY) {
                return;
            }
            listed.insert(tag.clone(), Instant::now());
        }
        if let Err(error) = self.add_to_list(tag).await {
            tracing::debug!(%error, %tag, "not listed; the next call tries again");
            lock(&self.listed).remove(tag);
        }
    }

    async fn add_to_list(&self, tag: &Tag) -> Result<()> {
        let tried = format!("list {tag}");
        let registry = keys::partitions(&tag.namespace);
        self.wire.call(&tried, redis::cmd("SADD").arg(registry).arg(tag.partition)).await.map(drop)
    }

    fn marker_in(&self, tried: &str, reply: Reply) -> Result<Option<Marker>> {
        let Some(found) = bytes(reply) else { return Ok(None) };
        Marker::from_bytes(&found).map(Some).ok_or_else(|| self.not_ours(tried))
    }

    /// The server holds something under our keys that this program did not write.
    fn not_ours(&self, tried: &str) -> EngineError {
        let reason = "what is there was not written by this program: name another database or namespace";
        EngineError::user(format!("{tried} at {}", self.wire.shown()), reason)
    }
}

#[async_trait]
impl StateStore for RedisStore {
    async fn read(&self, tag: &Tag, names: &[Bytes], derived: &[Bytes]) -> Result<Snapshot> {
        check_namespace(&tag.namespace)?;
        let tried = format!("read {tag}");
        // One MGET is one command, hence one view: all its keys are in one slot.
        let mut command = redis::cmd("MGET");
        command.arg(keys::marker(tag));
        for name in names {
            command.arg(keys::value(tag, name));
        }
        for name in derived {
            command.arg(keys::derived(tag, name));
        }
        let found = array(&self.wire, &tried, self.wire.call(&tried, &command).await?)?;
        if found.len() != 1 + names.len() + derived.len() {
            return Err(self.wire.strange(&tried, &Reply::Array(found)));
        }
        let mut found = found.into_iter();
        let marker = self.marker_in(&tried, found.next().unwrap_or_default())?;
        let rows = found.by_ref().take(names.len()).map(bytes);
        let parse = |row| keys::parse_row(row).ok_or_else(|| self.not_ours(&tried));
        let values = rows.map(|row| row.map(parse).transpose()).collect::<Result<_>>()?;
        if names.is_empty() && derived.is_empty() && marker.is_some() {
            // A look at the marker alone is what the partition's worker takes while it is idle.
            self.list(tag).await;
        }
        Ok(Snapshot { marker, values, derived: found.map(|item| bytes(item).map(Bytes::from)).collect() })
    }

    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        check_namespace(&tag.namespace)?;
        let tried = format!("set the first marker of {tag}");
        // The list of partitions lies in another slot; written first, it may name one without a marker, never lack one with.
        self.add_to_list(tag).await?;
        let mut command = redis::cmd("SET");
        command.arg(keys::marker(tag)).arg(&marker.to_bytes()[..]).arg("NX").arg("GET");
        let before = self.wire.call(&tried, &command).await?;
        Ok(self.marker_in(&tried, before)?.unwrap_or(marker))
    }

    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome> {
        check_namespace(&tag.namespace)?;
        let tried = format!("write an epoch of {tag}");
        let indexed = Indexed::expected_by(lock(&self.indexed).remove(tag), epoch);
        match self.write_whole(&tried, tag, epoch, &indexed).await? {
            None => {
                lock(&self.indexed).insert(tag.clone(), indexed.after(epoch));
                self.list(tag).await;
                Ok(WriteOutcome::Applied)
            }
            Some(found) if found.is_empty() => Ok(WriteOutcome::Conflict(None)),
            Some(found) => Ok(WriteOutcome::Conflict(self.marker_in(&tried, Reply::BulkString(found))?)),
        }
    }

    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker> {
        check_namespace(&tag.namespace)?;
        self.listener.subscribe(&tag.namespace).await;
        let read = || async { Ok(self.read(tag, &[], &[]).await?.marker) };
        self.signals.wait(&Runtime::real(), tag, next, POLL, read).await
    }

    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()> {
        check_namespace(&tag.namespace)?;
        let (next, lives) = (next.0.to_string(), WISH_LIVES.as_millis().to_string());
        let (hurry, marker) = (keys::hurry(tag), keys::marker(tag));
        let named = [hurry.as_bytes(), marker.as_bytes()];
        let parts = Parts::of(&named, &[next.as_bytes(), lives.as_bytes()]);
        self.wire.run(&format!("hurry {tag}"), &wire::HURRY, &parts).await.map(drop)
    }

    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>> {
        check_namespace(namespace)?;
        let from_now = self.signals.wishes(namespace);
        self.listener.subscribe(namespace).await;
        let before = wishes(&self.wire, namespace).await?;
        Ok(futures::stream::iter(before).chain(from_now).boxed())
    }

    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes> {
        check_namespace(&tag.namespace)?;
        let mut values = BTreeMap::new();
        let (mut marker, mut names) = self.changed_names(tag, since).await?;
        // Values are read in calls of their own, since a script may not read keys that it was not given. They belong to one moment if
        // the marker has not moved meanwhile; else what changed in between is read again, which is less each time.
        loop {
            for chunk in names.chunks(READ_CHUNK) {
                let read = self.read(tag, chunk, &[]).await?;
                values.extend(chunk.iter().cloned().zip(read.values));
            }
            let (now, changed) = self.changed_names(tag, marker.map_or(since, |marker| marker.next)).await?;
            if now == marker {
                let is_later =
                    |value: &Option<Value>| value.as_ref().is_none_or(|value| value.version > since);
                values.retain(|_, value| is_later(value));
                return Ok(Changes { marker, values: values.into_iter().collect() });
            }
            (marker, names) = (now, changed);
        }
    }

    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
        scan::scan(self.wire.clone(), tag.clone())
    }

    async fn put_derived(
        &self,
        tag: &Tag,
        name: &Bytes,
        version: Offset,
        derived: Bytes,
        time_to_live: Duration,
    ) -> Result<bool> {
        check_namespace(&tag.namespace)?;
        let tried = format!("keep a derived value in {tag}");
        let expected = if version == Offset(0) { Vec::new() } else { version.0.to_be_bytes().to_vec() };
        let milliseconds = time_to_live.as_millis().max(1).to_string();
        let (marker, cold) = (keys::marker(tag), keys::cold(tag));
        let (value, kept) = (keys::value(tag, name), keys::derived(tag, name));
        let named = [marker.as_bytes(), &value, &kept, cold.as_bytes()];
        let parts = Parts::of(&named, &[&expected, &derived, milliseconds.as_bytes(), name]);
        Ok(self.wire.run(&tried, &wire::PUT_DERIVED, &parts).await? == Reply::Int(1))
    }

    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>> {
        check_namespace(namespace)?;
        let mut found = Vec::new();
        for partition in registered(&self.wire, namespace).await? {
            let tag = Tag { namespace: namespace.to_owned(), partition };
            if self.read(&tag, &[], &[]).await?.marker.is_some() {
                found.push(partition);
            }
        }
        Ok(found)
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<()> {
        check_namespace(namespace)?;
        for partition in registered(&self.wire, namespace).await? {
            scan::drop_partition(&self.wire, &Tag { namespace: namespace.to_owned(), partition }).await?;
        }
        let tried = format!("drop the namespace {namespace}");
        self.wire.call(&tried, redis::cmd("DEL").arg(keys::partitions(namespace))).await.map(drop)
    }

    async fn check(&self) -> Result<String> {
        check::check(&self.wire).await
    }
}

/// The partitions that the list names, in order.
async fn registered(wire: &Wire, namespace: &str) -> Result<Vec<u32>> {
    let tried = format!("list the partitions of {namespace}");
    let reply = wire.call(&tried, redis::cmd("SMEMBERS").arg(keys::partitions(namespace))).await?;
    let numbers = array(wire, &tried, reply)?.into_iter().filter_map(bytes);
    let mut numbers: Vec<u32> =
        numbers.filter_map(|number| std::str::from_utf8(&number).ok()?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The wishes that lie in a namespace.
async fn wishes(wire: &Wire, namespace: &str) -> Result<Vec<(u32, Offset)>> {
    let mut found = Vec::new();
    for partition in registered(wire, namespace).await? {
        let tag = Tag { namespace: namespace.to_owned(), partition };
        let reply = wire.call("read wishes", redis::cmd("GET").arg(keys::hurry(&tag))).await?;
        let next = bytes(reply).and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        found.extend(next.map(|next| (partition, Offset(next))));
    }
    Ok(found)
}

fn array(wire: &Wire, tried: &str, reply: Reply) -> Result<Vec<Reply>> {
    match reply {
        Reply::Array(items) | Reply::Set(items) => Ok(items),
        Reply::Nil => Ok(Vec::new()),
        other => Err(wire.strange(tried, &other)),
    }
}

fn bytes(reply: Reply) -> Option<Vec<u8>> {
    match reply {
        Reply::BulkString(bytes) => Some(bytes),
        Reply::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
