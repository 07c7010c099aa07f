//! A worker's memory of one partition: a write-back cache of its state, valid only while its markers hold.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, DefaultHasher},
};

use abovefold_engine::{EngineError, Lease, Result, state::StateStore, state::Tag, state::Value};
use abovefold_schemas::{
    ArticleId, Kept, Marker, Offset, ReaderId,
    keys::ValueName,
    state::{PartitionSummary, ReaderState},
};
use bytes::Bytes;

use super::{active::ActiveReaders, trends::Counted};

/// A map whose hashes are the same in every run.
pub type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// A value, and the end of the last epoch that changed it: it may leave the cache once the store has that epoch.
#[derive(Clone, Debug, Default)]
pub struct Cached<T> {
    /// What it is.
    pub value: T,
    /// The target of the last epoch that changed it.
    pub written_until: Offset,
}

/// Another worker wrote this partition: what is cached of it is void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale(pub String);

/// The cached state of one partition.
#[derive(Debug)]
pub struct PartitionCache {
    /// The lease that it was made for.
    pub lease: Lease,
    /// Readers; those unknown to the store have the default state.
    pub readers: FixedMap<ReaderId, Cached<ReaderState>>,
    /// Articles' counts in this partition, with what was read next.
    pub articles: FixedMap<ArticleId, Cached<Counted>>,
    /// The partition's summary, once it is loaded; without its readers seen last, which are in `active`.
    pub summary: Option<PartitionSummary>,
    /// The readers seen last.
    pub active: ActiveReaders,
    /// Markers that the store may have now: the one at the begin, and the target of every epoch since that it had not passed when we last looked.
    markers: BTreeSet<MarkerByOffset>,
    stored: Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MarkerByOffset(Marker);

impl PartialOrd for MarkerByOffset {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MarkerByOffset {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.next.cmp(&other.0.next)
    }
}

impl PartitionCache {
    /// An empty cache at a lease's begin.
    pub fn new(lease: Lease, marker: Marker) -> Self {
        Self {
            lease,
            readers: FixedMap::default(),
            articles: FixedMap::default(),
            summary: None,
            active: ActiveReaders::default(),
            markers: BTreeSet::from([MarkerByOffset(marker)]),
            stored: marker.next,
        }
    }

    /// Notes the target of an epoch that was handed on.
    pub fn expect(&mut self, target: Marker) {
        self.markers.insert(MarkerByOffset(target));
    }

    /// Loads what is missing of these readers and articles, and the summary, in one read.
    ///
    /// # Errors
    /// [`Stale`] inside when the store has a marker that we did not write; an error when it cannot be read.
    pub async fn load(
        &mut self,
        store: &dyn StateStore,
        tag: &Tag,
        readers: &[ReaderId],
        articles: &[ArticleId],
    ) -> Result<Result<(), Stale>> {
        let mut names: Vec<ValueName> = Vec::new();
        names.extend(
            readers.iter().filter(|r| !self.readers.contains_key(*r)).cloned().map(ValueName::Reader),
        );
        let missing = articles.iter().filter(|article| !self.articles.contains_key(*article)).copied();
        names.extend(missing.flat_map(|article| [ValueName::Article(article), ValueName::AlsoRead(article)]));
        names.extend(self.summary.is_none().then_some(ValueName::Summary));
        if names.is_empty() {
            return Ok(Ok(()));
        }
        let keys: Vec<Bytes> = names.iter().map(ValueName::to_key).collect();
        let snapshot = store.read(tag, &keys, &[]).await?;
        let known = snapshot.marker.and_then(|found| self.markers.get(&MarkerByOffset(found)).copied());
        let Some(MarkerByOffset(found)) = known.filter(|known| Some(known.0) == snapshot.marker) else {
            return Ok(Err(Stale(format!("{tag} has a marker that this worker did not write"))));
        };
        self.stored = found.next;
        self.markers.retain(|marker| marker.0.next >= found.next);
        for (name, value) in names.into_iter().zip(snapshot.values) {
            match name {
                ValueName::Reader(reader) => {
                    self.readers
                        .insert(reader, Cached { value: parse(tag, value)?, written_until: Offset(0) });
                }
                ValueName::Article(article) => {
                    self.articles.entry(article).or_default().value.counts = parse(tag, value)?;
                }
                ValueName::AlsoRead(article) => {
                    self.articles.entry(article).or_default().value.also_read = parse(tag, value)?;
                }
                ValueName::Summary => {
                    let mut summary: PartitionSummary = parse(tag, value)?;
                    self.active = std::mem::take(&mut summary.active).into();
                    self.summary = Some(summary);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Forgets readers and articles where they are more than these numbers, those first that were changed longest ago, but none whose last
    /// epoch the store may not have yet.
    pub fn shrink(&mut self, max_readers: usize, max_articles: usize) {
        shrink(&mut self.readers, max_readers, self.stored);
        shrink(&mut self.articles, max_articles, self.stored);
    }
}

/// A quarter more than has to go goes at once, so that this is done seldom.
fn shrink<K, V>(cached: &mut FixedMap<K, Cached<V>>, most: usize, stored: Offset) {
    if cached.len() <= most {
        return;
    }
    let goes = cached.len() - (most - most / 4);
    let mut ends: Vec<Offset> = cached.values().map(|one| one.written_until).collect();
    let (_, last_to_go, _) = ends.select_nth_unstable(goes - 1);
    let until = stored.min(*last_to_go);
    cached.retain(|_, one| one.written_until > until);
}

fn parse<T: Kept>(tag: &Tag, value: Option<Value>) -> Result<T> {
    match value {
        None => Ok(T::default()),
        Some(value) => T::from_kept(&value.bytes).map_err(|error| {
            EngineError::user(
                format!("read state of {tag}"),
                format!(
                    "{error}; start the version that wrote it, or rebuild the state from the log by `abovefold replay --namespace NEW` and \
                     promote that"
                ),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use abovefold_engine::state::{EpochWrite, MemoryStore};

    use super::*;

    #[test]
    fn what_was_changed_longest_ago_leaves_first_and_nothing_that_is_not_stored() {
        let mut cached: FixedMap<u64, Cached<()>> = FixedMap::default();
        let add = |cached: &mut FixedMap<_, _>, ends: std::ops::Range<u64>| {
            cached.extend(ends.map(|end| (end, Cached { value: (), written_until: Offset(end) })));
        };
        let left = |cached: &FixedMap<u64, Cached<()>>| {
            let mut left: Vec<u64> = cached.keys().copied().collect();
            left.sort_unstable();
            left
        };
        add(&mut cached, 0..8);
        shrink(&mut cached, 8, Offset(100));
        assert_eq!(cached.len(), 8);
        add(&mut cached, 8..9);
        shrink(&mut cached, 8, Offset(100));
        assert_eq!(left(&cached), [3, 4, 5, 6, 7, 8]);
        add(&mut cached, 9..20);
        shrink(&mut cached, 8, Offset(5));
        assert_eq!(left(&cached), (6..20).collect::<Vec<_>>(), "the store may not have the others");
        shrink(&mut cached, 0, Offset(100));
        assert!(cached.is_empty());
    }

    /// The store fell back, and what is asked for now may be older than what is held: nothing of both may meet in one epoch.
    #[tokio::test]
    async fn values_of_a_marker_that_this_worker_did_not_write_are_not_taken_in() {
        let (store, tag) = (MemoryStore::new(), Tag { namespace: "main".into(), partition: 0 });
        let at = |next| Marker::start(Offset(next));
        store.initialise(&tag, at(0)).await.unwrap();
        let mut cache = PartitionCache::new(Lease { partition: 0, generation: 1 }, at(0));
        let (ann, bea) = (ReaderId::new("ann").unwrap(), ReaderId::new("bea").unwrap());
        assert_eq!(cache.load(&store, &tag, std::slice::from_ref(&ann), &[]).await, Ok(Ok(())));
        cache.expect(at(5));
        let write =
            |expected, target| EpochWrite { expected, target, puts: Vec::new(), invalidated: Vec::new() };
        store.write_epoch(&tag, &write(at(0), at(3))).await.unwrap();
        let stale = cache.load(&store, &tag, std::slice::from_ref(&bea), &[]).await.unwrap();
        assert!(stale.is_err(), "marker 3 is somebody else's");
        assert!(!cache.readers.contains_key(&bea));
        store.write_epoch(&tag, &write(at(3), at(5))).await.unwrap();
        assert_eq!(cache.load(&store, &tag, &[bea], &[]).await, Ok(Ok(())));
    }
}
