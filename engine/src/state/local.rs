//! What the makes of the store keep in a process's memory: who waits for what, and derived values.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use abovefold_schemas::{Marker, Offset};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::Tag;
use crate::{error::Result, runtime::Runtime};

/// Locks, whatever a thread that panicked did: what is guarded here is whole after each statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who is to be woken when a marker moves or a wish arrives.
#[derive(Debug, Default)]
pub(super) struct Signals {
    markers: Mutex<BTreeMap<Tag, watch::Sender<Option<Marker>>>>,
    wishes: Mutex<BTreeMap<String, broadcast::Sender<(u32, Offset)>>>,
}

impl Signals {
    /// Wakes those who wait for a marker; forgets the tag where nobody does.
    pub fn announce(&self, tag: &Tag, marker: Option<Marker>) {
        let mut markers = lock(&self.markers);
        if let Some(sender) = markers.get(tag)
            && sender.send(marker).is_err()
        {
            markers.remove(tag);
        }
    }

    fn watch(&self, tag: &Tag) -> watch::Receiver<Option<Marker>> {
        let mut markers = lock(&self.markers);
        markers.entry(tag.clone()).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    /// Waits until a marker is at `next`. `read` asks the store: at first, and then whenever `poll` has passed in silence.
    pub async fn wait<F: Future<Output = Result<Option<Marker>>>>(
        &self,
        runtime: &Runtime,
        tag: &Tag,
        next: Offset,
        poll: Duration,
        read: impl Fn() -> F,
    ) -> Result<Marker> {
        let reached = |marker: Option<Marker>| marker.filter(|marker| marker.next >= next);
        // Listening begins before the first look: a marker that moves in between is announced.
        let mut announced = self.watch(tag);
        if let Some(marker) = reached(read().await?) {
            return Ok(marker);
        }
        loop {
            let seen = match runtime.timeout(poll, announced.changed()).await {
                Some(Ok(())) => *announced.borrow_and_update(),
                // The sender is kept as long as somebody listens; should it go nevertheless, ask the store.
                Some(Err(_)) => {
                    announced = self.watch(tag);
                    read().await?
                }
                // A store that is away for a moment is no reason to give up: the caller bounds the wait.
                None => match read().await {
                    Err(error) if error.retry => None,
                    answer => answer?,
                },
            };
            if let Some(marker) = reached(seen) {
                return Ok(marker);
            }
        }
    }

    /// Passes a wish on to whoever listens in its namespace.
    pub fn wish(&self, namespace: &str, partition: u32, next: Offset) {
        let mut wishes = lock(&self.wishes);
        if let Some(sender) = wishes.get(namespace)
            && sender.send((partition, next)).is_err()
        {
            wishes.remove(namespace);
        }
    }

    /// The wishes of a namespace from now on. One that cannot keep up misses the oldest: a wish is no promise.
    pub fn wishes(&self, namespace: &str) -> BoxStream<'static, (u32, Offset)> {
        let mut wishes = lock(&self.wishes);
        let sender = wishes.entry(namespace.to_owned()).or_insert_with(|| broadcast::Sender::new(1024));
        futures::stream::unfold(sender.subscribe(), |mut receiver| async {
            loop {
                match receiver.recv().await {
                    Ok(wish) => return Some((wish, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }
}

/// Derived values with their ends, under keys that name namespace, partition and key. They are a cache, so memory will do.
#[derive(Debug, Default)]
pub(super) struct Derived {
    entries: BTreeMap<Vec<u8>, (Bytes, Instant)>,
    /// Keys of epochs that are being committed: nothing is kept for them until it is known what their values are.
    in_flight: BTreeSet<Vec<u8>>,
    sweep_at: usize,
}

impl Derived {
    const SWEEP_AT_LEAST: usize = 1024;

    /// The value of a key that has not yet expired.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        let (bytes, end) = self.entries.get(key)?;
        (Instant::now() < *end).then(|| bytes.clone())
    }

    /// Keeps a value; returns whether it did, which it does not while an epoch that drops it is in flight.
    pub fn put(&mut self, key: Vec<u8>, bytes: Bytes, time_to_live: Duration) -> bool {
        if self.in_flight.contains(&key) {
            return false;
        }
        let now = Instant::now();
        if self.entries.len() >= self.sweep_at.max(Self::SWEEP_AT_LEAST) {
            self.entries.retain(|_, (_, end)| now < *end);
            self.sweep_at = self.entries.len() * 2;
        }
        self.entries.insert(key, (bytes, now + time_to_live));
        true
    }

    /// Drops a value.
    pub fn remove(&mut self, key: &[u8]) {
        self.entries.remove(key);
    }

    /// Drops values, and keeps none under their keys until [`Derived::landed`].
    pub fn departing(&mut self, keys: impl IntoIterator<Item = Vec<u8>>) {
        for key in keys {
            self.entries.remove(&key);
            self.in_flight.insert(key);
        }
    }

    /// The epochs that were in flight are committed, or failed.
    pub fn landed(&mut self) {
        self.in_flight.clear();
    }

    /// Drops all values whose key begins so.
    pub fn remove_all(&mut self, start: &[u8]) {
        self.entries.retain(|key, _| !key.starts_with(start));
    }
}
