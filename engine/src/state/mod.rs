//! The state store: values and marker of a partition, which move as one.
//!
//! All that belongs to partition `p` of namespace `ns` lies under the tag `{ns:p}`: one slot of a Redis Cluster, one key range
//! of the embedded store. Two makes: [`embedded`] (redb, one process) and [`redis`]. One conformance suite
//! (`engine/tests/state_conformance.rs`) runs against both.

pub mod embedded;
mod local;
pub mod memory;
mod open;
pub mod redis;

use std::{fmt, time::Duration};

use abovefold_schemas::{Marker, Offset};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

pub use self::redis::RedisStore;
use crate::error::Result;
pub use embedded::EmbeddedStore;
pub use memory::MemoryStore;
pub use open::{StateSettings, check_namespace, masked, open};

/// One partition of a namespace: the unit of order, ownership, atomicity and placement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The namespace, made of `a-z`, `0-9`, `-` and `_`.
    pub namespace: String,
    /// The partition of the log.
    pub partition: u32,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}:{}}}", self.namespace, self.partition)
    }
}

/// A value and the offset after the last record that changed it (a pure function of the log, so not the epoch's end).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The next offset after the last record that was folded into this value.
    pub version: Offset,
    /// What the fold made; its first byte is a format version.
    pub bytes: Bytes,
}

/// One change of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The key within the partition.
    pub key: Bytes,
    /// The new value; `None` removes it.
    pub value: Option<Value>,
    /// Whether [`StateStore::changed_since`] reports it (shared counts are mirrored by readers; a reader's state is not).
    pub mirrored: bool,
}

/// What one epoch writes, all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochWrite {
    /// The marker that the store must have for the epoch to apply.
    pub expected: Marker,
    /// The marker after it.
    pub target: Marker,
    /// Values that change; no key twice.
    pub puts: Vec<Put>,
    /// Keys whose derived value (see [`StateStore::put_derived`]) is dropped.
    pub invalidated: Vec<Bytes>,
}

impl EpochWrite {
    /// The version under which [`StateStore::changed_since`] reports a put: its value's own, or the epoch's end where it is a removal.
    pub fn changed_at(&self, put: &Put) -> Offset {
        put.value.as_ref().map_or(self.target.next, |value| value.version)
    }
}

/// What became of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was written, now or by an earlier call that was repeated (the marker was found at its target).
    Applied,
    /// Nothing was written: the store has another marker than expected (`None`: none at all).
    Conflict(Option<Marker>),
}

/// Values of a partition and the marker that they belong to, read as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The partition's marker; `None` where nothing was ever written.
    pub marker: Option<Marker>,
    /// A value, or nothing, for each key that was asked for, in that order.
    pub values: Vec<Option<Value>>,
    /// The derived value of each key of `derived`, in that order.
    pub derived: Vec<Option<Bytes>>,
}

/// Mirrored values that changed, and the marker up to which this is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The partition's marker at the time of the read.
    pub marker: Option<Marker>,
    /// Key and value (`None`: removed).
    pub values: Vec<(Bytes, Option<Value>)>,
}

/// The state store. Calls on one tag see each other's writes; every call goes to the primary.
#[async_trait]
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Reads the marker, values, and derived values of a partition in one go (one round trip, one consistent view).
    async fn read(&self, tag: &Tag, keys: &[Bytes], derived: &[Bytes]) -> Result<Snapshot>;

    /// Sets the marker of a partition that has none, as a namespace's first start does.
    /// Returns the marker that is there now.
    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker>;

    /// Writes an epoch in one atomic call: compares the marker with the expected one, writes the values, drops the derived values,
    /// moves the marker, and wakes those who wait for it; or changes nothing. Harmless when repeated.
    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome>;

    /// Waits until the partition's marker is at `next` or later, and returns it. Woken, not polling (a slow poll backs it up).
    /// The caller bounds the wait. Cancel-safe.
    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker>;

    /// Asks the worker that holds the partition to cut its window, because somebody waits for `next`.
    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()>;

    /// The wishes of [`StateStore::hurry`] in a namespace, as partition and offset, from now on.
    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>>;

    /// The mirrored values whose version is greater than `since` (all of them for offset 0), in no particular order.
    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes>;

    /// All keys and values of a partition (no derived ones), in chunks, in no particular order; not a consistent view while epochs are written.
    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>>;

    /// Keeps a value derived from the value of `key` (such as cached candidates) for `time_to_live`, if the version of that
    /// value is still `version` (offset 0: if there is still no value). Returns whether it was kept, which it is not in a partition that
    /// has no marker. Atomic.
    async fn put_derived(
        &self,
        tag: &Tag,
        key: &Bytes,
        version: Offset,
        derived: Bytes,
        time_to_live: Duration,
    ) -> Result<bool>;

    /// The tags of a namespace that have a marker.
    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>>;

    /// Removes a namespace with everything in it.
    async fn drop_namespace(&self, namespace: &str) -> Result<()>;

    /// Tries the connection and says in words what is there (`Redis 7.0.15, noeviction`), or refuses settings that would break the promise.
    async fn check(&self) -> Result<String>;
}
