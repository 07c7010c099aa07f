//! The operator `embed`: an epoch of events into the values that it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_engine::{
    Emitter, Feed, Feedback, Lease, Operator, Result, Runtime, Signal,
    state::{EpochWrite, Put, StateStore, Tag, Value},
};
use abovefold_models::Inference;
use abovefold_schemas::{
    ArticleId, EventKind, Kept, Marker, Offset,
    batch::EventColumns,
    keys::{ValueName, reader_key, summary_key},
};

use super::{
    cache::{PartitionCache, Stale},
    reader::{Outcome, Step, fold_event, prune},
    steps::{ReaderSteps, take_steps},
    summary::{is_repeat, note_read, remove},
    table::ArticleTable,
    trends::{count_read, count_successor},
};
use crate::{
    key::KeyedEpoch,
    metrics::{CACHED_READERS, FOLD_SECONDS, READS_FOLDED, ZERO_VECTORS},
};

/// What a worker keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct FoldSettings {
    /// Readers cached, for each partition.
    pub cached_readers: usize,
    /// Articles' counts cached, for each partition.
    pub cached_articles: usize,
}

impl Default for FoldSettings {
    /// 4,096 readers (up to 13 KB each) and 65,536 articles a partition.
    fn default() -> Self {
        Self { cached_readers: 4_096, cached_articles: 65_536 }
    }
}

/// Folds epochs. It owns the worker's write-back cache of the state of its partitions.
#[derive(Debug)]
pub struct Fold {
    namespace: String,
    store: Arc<dyn StateStore>,
    inference: Option<Inference>,
    table: ArticleTable,
    feedback: Feedback,
    settings: FoldSettings,
    runtime: Runtime,
    caches: BTreeMap<u32, PartitionCache>,
}

/// What an epoch touched, and the offset after the last event that did.
#[derive(Debug, Default)]
struct Touched {
    readers: BTreeMap<usize, Offset>,
    articles: BTreeMap<ArticleId, Offset>,
    steps: BTreeMap<usize, Vec<Step>>,
    last: Option<Offset>,
}

impl Fold {
    /// A fold into a namespace. Without `inference`, reads are folded and no embedding is computed.
    pub fn new(
        namespace: &str,
        store: Arc<dyn StateStore>,
        inference: Option<Inference>,
        table: ArticleTable,
        feedback: Feedback,
        settings: FoldSettings,
        runtime: Runtime,
    ) -> Self {
        let namespace = namespace.into();
        Self { namespace, store, inference, table, feedback, settings, runtime, caches: BTreeMap::new() }
    }

    async fn fold(&mut self, lease: Lease, epoch: KeyedEpoch) -> Result<Option<EpochWrite>> {
        let Some(mut cache) = self.caches.remove(&lease.partition).filter(|cache| cache.lease == lease)
        else {
            return Ok(None);
        };
        let started = self.runtime.now();
        self.table.catch_up().await?;
        let tag = Tag { namespace: self.namespace.clone(), partition: lease.partition };
        if let Err(Stale(reason)) = self.load(&mut cache, &tag, &epoch).await? {
            // The source may have stopped already, and then nothing more is folded.
            self.feedback.send(Signal::Reset { lease, reason }).ok();
            return Ok(None);
        }
        let mut touched = fold_rows(&mut cache, &epoch);
        self.embed(&mut cache, &epoch, &mut touched).await?;
        let write = write_of(&mut cache, &epoch, &touched);
        cache.expect(epoch.target);
        cache.shrink(self.settings.cached_readers, self.settings.cached_articles);
        metrics::gauge!(CACHED_READERS, "partition" => lease.partition.to_string())
            .set(cache.readers.len() as f64);
        metrics::histogram!(FOLD_SECONDS).record(self.runtime.now().millis_since(started) as f64 / 1e3);
        self.caches.insert(lease.partition, cache);
        Ok(Some(write))
    }

    /// Loads the epoch's readers, then its articles: those read, and those its readers read last.
    async fn load(
        &mut self,
        cache: &mut PartitionCache,
        tag: &Tag,
        epoch: &KeyedEpoch,
    ) -> Result<Result<(), Stale>> {
        let mut pause = std::time::Duration::from_millis(50);
        loop {
            match self.try_load(cache, tag, epoch).await {
                Err(error) if error.retry => {
                    tracing::warn!(%error, %tag, "state not read yet, trying again");
                    self.runtime.sleep(pause).await;
                    pause = (pause * 2).min(std::time::Duration::from_secs(2));
                }
                other => return other,
            }
        }
    }

    async fn try_load(
        &mut self,
        cache: &mut PartitionCache,
        tag: &Tag,
        epoch: &KeyedEpoch,
    ) -> Result<Result<(), Stale>> {
        if let Err(stale) = cache.load(self.store.as_ref(), tag, &epoch.readers, &[]).await? {
            return Ok(Err(stale));
        }
        let columns = EventColumns::of(&epoch.batch);
        let read = (0..columns.len()).filter_map(|row| columns.row(row).article_id);
        let read_last = epoch.readers.iter().filter_map(|reader| {
            let last = cache.readers.get(reader)?.value.reads.last()?;
            Some(ArticleId(last.article_id))
        });
        let articles: BTreeSet<ArticleId> = read.chain(read_last).collect();
        let articles: Vec<ArticleId> = articles.into_iter().collect();
        cache.load(self.store.as_ref(), tag, &[], &articles).await
    }

    /// Takes the GRU's steps and puts the new hidden states in place.
    async fn embed(
        &mut self,
        cache: &mut PartitionCache,
        epoch: &KeyedEpoch,
        touched: &mut Touched,
    ) -> Result<()> {
        let Some(inference) = &self.inference else { return Ok(()) };
        let mut states: BTreeMap<usize, _> = BTreeMap::new();
        for (place, steps) in std::mem::take(&mut touched.steps) {
            let reader = &epoch.readers[place];
            if let Some(cached) = cache.readers.get_mut(reader) {
                states.insert(place, (std::mem::take(&mut cached.value), steps));
            }
        }
        let mut readers: Vec<ReaderSteps<'_>> = states
            .values_mut()
            .map(|(state, steps)| {
                prune(steps);
                let steps = std::mem::take(steps).into_iter().map(|step| {
                    let vector = self.table.as_of(step.article, step.as_of);
                    metrics::counter!(ZERO_VECTORS).increment(u64::from(vector.is_none()));
                    (step, vector)
                });
                ReaderSteps { steps: steps.collect(), state }
            })
            .collect();
        take_steps(inference, &mut readers).await?;
        for (place, (state, _)) in states {
            if let Some(cached) = cache.readers.get_mut(&epoch.readers[place]) {
                cached.value = state;
            }
        }
        Ok(())
    }
}

/// Folds the rows in the order of the log; the GRU's steps are only noted.
fn fold_rows(cache: &mut PartitionCache, epoch: &KeyedEpoch) -> Touched {
    let columns = EventColumns::of(&epoch.batch);
    let mut touched = Touched::default();
    let summary = cache.summary.get_or_insert_default();
    let mut reads = 0;
    for (row_number, place) in epoch.reader_of_row.iter().copied().enumerate() {
        let row = columns.row(row_number);
        let after = row.offset.next();
        if is_repeat(summary, &row) {
            continue;
        }
        touched.last = Some(after);
        let reader = &epoch.readers[place];
        let cached =
            cache.readers.get_mut(reader).expect("the readers of an epoch are loaded before it is folded");
        let steps = touched.steps.entry(place).or_default();
        let outcome = fold_event(&mut cached.value, steps, &row);
        if outcome != Outcome::Ignored {
            touched.readers.insert(place, after);
        }
        match outcome {
            Outcome::NewRead { previous } => {
                reads += 1;
                let article = row.article_id.expect("a new read has an article");
                note_read(summary, reader, cached.value.total_reads, row.event_time);
                count_read(&mut cache.articles.entry(article).or_default().value, row.event_time);
                touched.articles.insert(article, after);
                if let Some(previous) = previous {
                    let counts = &mut cache.articles.entry(previous).or_default().value;
                    count_successor(counts, article, row.event_time);
                    touched.articles.insert(previous, after);
                }
            }
            Outcome::Forgotten => {
                remove(summary, reader);
            }
            Outcome::Ignored | Outcome::Changed => {}
        }
        debug_assert!(row.kind == EventKind::Read || touched.readers.contains_key(&place));
    }
    metrics::counter!(READS_FOLDED).increment(reads);
    touched
}

/// The values that an epoch changed, as bytes.
fn write_of(cache: &mut PartitionCache, epoch: &KeyedEpoch, touched: &Touched) -> EpochWrite {
    let target: Marker = epoch.target;
    let mut puts = Vec::with_capacity(touched.readers.len() + touched.articles.len() + 1);
    let mut invalidated = Vec::with_capacity(touched.readers.len());
    for (place, version) in &touched.readers {
        let reader = &epoch.readers[*place];
        let Some(cached) = cache.readers.get_mut(reader) else { continue };
        cached.written_until = target.next;
        let forgotten = cached.value == Default::default();
        let value = (!forgotten).then(|| Value { version: *version, bytes: cached.value.to_kept().into() });
        puts.push(Put { key: reader_key(reader), value, mirrored: false });
        invalidated.push(reader_key(reader));
    }
    for (article, version) in &touched.articles {
        let Some(cached) = cache.articles.get_mut(article) else { continue };
        cached.written_until = target.next;
        let value = Value { version: *version, bytes: cached.value.to_kept().into() };
        puts.push(Put { key: ValueName::Article(*article).to_key(), value: Some(value), mirrored: true });
    }
    if let (Some(version), Some(summary)) = (touched.last, &cache.summary) {
        let value = Value { version, bytes: summary.to_kept().into() };
        puts.push(Put { key: summary_key(), value: Some(value), mirrored: true });
    }
    EpochWrite { expected: epoch.expected, target, puts, invalidated }
}

impl Operator for Fold {
    type In = Feed<KeyedEpoch>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        "embed"
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        match input {
            Feed::Data { lease, data } => match self.fold(lease, data).await? {
                Some(write) => out.emit(Feed::Data { lease, data: write }).await,
                None => Ok(()),
            },
            Feed::Begin { lease, marker } => {
                self.caches.insert(lease.partition, PartitionCache::new(lease, marker));
                out.emit(Feed::Begin { lease, marker }).await
            }
            Feed::End { lease } => {
                self.caches.remove(&lease.partition);
                out.emit(Feed::End { lease }).await
            }
            Feed::Acked { .. } | Feed::Hurry { .. } => Ok(()),
        }
    }
}
