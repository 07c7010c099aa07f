//! A store in memory, for tests, simulations and benchmarks: it forgets all when it is dropped.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use abovefold_schemas::{Marker, Offset};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};

use super::{
    Changes, EpochWrite, Snapshot, StateStore, Tag, Value, WriteOutcome,
    local::{Derived, Signals, lock},
    open::check_namespace,
};
use crate::{error::Result, runtime::Runtime};

/// How often a waiter looks although nobody woke it; here nothing can be missed.
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Partition {
    marker: Option<Marker>,
    values: BTreeMap<Bytes, Value>,
    /// The last change of each mirrored key, removals too.
    mirrored: BTreeMap<Bytes, Offset>,
    derived: Derived,
}

/// The make of [`StateStore`] that lives in a process's memory.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    runtime: Runtime,
    partitions: Arc<Mutex<BTreeMap<Tag, Partition>>>,
    signals: Arc<Signals>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

/// What a store held at a moment, to be put back later as a store that lost its tail does.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    partitions: BTreeMap<Tag, SavedPartition>,
}

#[derive(Clone, Debug)]
struct SavedPartition {
    marker: Option<Marker>,
    values: BTreeMap<Bytes, Value>,
    mirrored: BTreeMap<Bytes, Offset>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::within(Runtime::real())
    }

    /// An empty store whose waiters wait by this runtime's clock.
    pub fn within(runtime: Runtime) -> Self {
        Self { runtime, partitions: Arc::default(), signals: Arc::default() }
    }

    /// All that is kept now, without derived values.
    pub fn save(&self) -> Saved {
        let partitions = lock(&self.partitions);
        let saved = partitions.iter().map(|(tag, partition)| {
            let Partition { marker, values, mirrored, .. } = partition;
            let saved =
                SavedPartition { marker: *marker, values: values.clone(), mirrored: mirrored.clone() };
            (tag.clone(), saved)
        });
        Saved { partitions: saved.collect() }
    }

    /// Goes back to what was saved, as a server does that is restarted from an older file. Derived values are gone.
    pub fn restore(&self, saved: &Saved) {
        let restored = saved.partitions.iter().map(|(tag, saved)| {
            let SavedPartition { marker, values, mirrored } = saved.clone();
            (tag.clone(), Partition { marker, values, mirrored, derived: Derived::default() })
        });
        *lock(&self.partitions) = restored.collect();
    }

    /// Marker and values of a partition.
    pub fn held(&self, tag: &Tag) -> (Option<Marker>, BTreeMap<Bytes, Value>) {
        let partitions = lock(&self.partitions);
        partitions.get(tag).map(|found| (found.marker, found.values.clone())).unwrap_or_default()
    }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn read(&self, tag: &Tag, keys: &[Bytes], derived: &[Bytes]) -> Result<Snapshot> {
        check_namespace(&tag.namespace)?;
        let partitions = lock(&self.partitions);
        let partition = partitions.get(tag);
        Ok(Snapshot {
            marker: partition.and_then(|partition| partition.marker),
            values: keys.iter().map(|key| partition?.values.get(key).cloned()).collect(),
            derived: derived.iter().map(|key| partition?.derived.get(key)).collect(),
        })
    }

    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        check_namespace(&tag.namespace)?;
        let there = *lock(&self.partitions).entry(tag.clone()).or_default().marker.get_or_insert(marker);
        self.signals.announce(tag, Some(there));
        Ok(there)
    }

    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome> {
        check_namespace(&tag.namespace)?;
        let mut partitions = lock(&self.partitions);
        let partition = partitions.entry(tag.clone()).or_default();
        if partition.marker == Some(epoch.target) {
            return Ok(WriteOutcome::Applied);
        }
        if partition.marker != Some(epoch.expected) {
            return Ok(WriteOutcome::Conflict(partition.marker));
        }
        for put in &epoch.puts {
            match &put.value {
                Some(value) => partition.values.insert(put.key.clone(), value.clone()),
                None => partition.values.remove(&put.key),
            };
            if put.mirrored {
                partition.mirrored.insert(put.key.clone(), epoch.changed_at(put));
            }
        }
        for key in &epoch.invalidated {
            partition.derived.remove(key);
        }
        partition.marker = Some(epoch.target);
        drop(partitions);
        self.signals.announce(tag, Some(epoch.target));
        Ok(WriteOutcome::Applied)
    }

    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker> {
        let read = || async { Ok(self.read(tag, &[], &[]).await?.marker) };
        self.signals.wait(&self.runtime, tag, next, POLL, read).await
    }

    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()> {
        check_namespace(&tag.namespace)?;
        self.signals.wish(&tag.namespace, tag.partition, next);
        Ok(())
    }

    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>> {
        check_namespace(namespace)?;
        Ok(self.signals.wishes(namespace))
    }

    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes> {
        check_namespace(&tag.namespace)?;
        let partitions = lock(&self.partitions);
        let Some(partition) = partitions.get(tag) else { return Ok(Changes::default()) };
        let changed = partition.mirrored.iter().filter(|(_, at)| **at > since);
        let values = changed.map(|(key, _)| (key.clone(), partition.values.get(key).cloned())).collect();
        Ok(Changes { marker: partition.marker, values })
    }

    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
        if let Err(error) = check_namespace(&tag.namespace) {
            return futures::stream::iter([Err(error)]).boxed();
        }
        let partitions = lock(&self.partitions);
        let values = partitions.get(tag).map(|partition| partition.values.clone()).unwrap_or_default();
        futures::stream::iter(values.into_iter().map(Ok)).boxed()
    }

    async fn put_derived(
        &self,
        tag: &Tag,
        key: &Bytes,
        version: Offset,
        derived: Bytes,
        time_to_live: Duration,
    ) -> Result<bool> {
        check_namespace(&tag.namespace)?;
        let mut partitions = lock(&self.partitions);
        let Some(partition) = partitions.get_mut(tag).filter(|partition| partition.marker.is_some()) else {
            return Ok(false);
        };
        let current = partition.values.get(key).map_or(Offset(0), |value| value.version);
        Ok(current == version && partition.derived.put(key.to_vec(), derived, time_to_live))
    }

    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>> {
        check_namespace(namespace)?;
        let partitions = lock(&self.partitions);
        let with_marker = partitions.iter().filter(|(_, partition)| partition.marker.is_some());
        Ok(with_marker.filter(|(tag, _)| tag.namespace == namespace).map(|(tag, _)| tag.partition).collect())
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<()> {
        check_namespace(namespace)?;
        lock(&self.partitions).retain(|tag, _| tag.namespace != namespace);
        Ok(())
    }

    async fn check(&self) -> Result<String> {
        Ok("in memory, forgotten at the end".to_owned())
    }
}
