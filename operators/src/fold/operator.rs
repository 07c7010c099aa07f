//! The operator `embed`: an epoch of events into the values that it changes.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{
    Backoff, Emitter, Feed, Feedback, Lease, Operator, Result, Runtime, Signal,
    retry::note,
    state::{EpochWrite, Put, StateStore, Tag, Value},
};
use abovefold_schemas::{
    ArticleId, EventKind, Kept, Marker, Offset,
    batch::EventColumns,
    keys::{ValueName, reader_key, summary_key},
};

use super::{
    cache::{PartitionCache, Stale},
    reader::{Outcome, Step, fold_event, prune},
    steps::{ReaderSteps, SessionModel, take_steps},
    summary::{Begin, Taken, note_dead, note_read, take},
    table::ArticleTable,
    trends::{ReadFacts, count_read},
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

/// What a fold stands on.
#[derive(Clone, Debug)]
pub struct FoldContext {
    /// The namespace that it folds into.
    pub namespace: String,
    /// The namespace's first offsets, one a partition.
    pub first_offsets: Vec<Offset>,
    /// Where the state lies.
    pub store: Arc<dyn StateStore>,
    /// What steps hidden states; without it reads are folded and no embedding is computed.
    pub model: Option<Arc<dyn SessionModel>>,
    /// Article vectors as of any moment; not read where there is no model.
    pub table: ArticleTable,
    /// The way back to the source.
    pub feedback: Feedback,
    /// What is kept in memory.
    pub settings: FoldSettings,
    /// Clock.
    pub runtime: Runtime,
}

/// Folds epochs. It owns the worker's write-back cache of the state of its partitions, of one where each has a fold of its own.
#[derive(Debug)]
pub struct Fold {
    context: FoldContext,
    caches: BTreeMap<u32, PartitionCache>,
}

/// What an epoch touched, and the offset after the last event that did.
#[derive(Debug, Default)]
struct Touched {
    /// For each reader of the epoch, if it did.
    readers: Vec<Option<Offset>>,
    articles: BTreeMap<ArticleId, Offset>,
    also_read: BTreeMap<ArticleId, Offset>,
    steps: BTreeMap<usize, Vec<Step>>,
    last: Option<Offset>,
}

impl Fold {
    /// Its name as a step.
    pub const NAME: &'static str = "embed";

    /// A fold with nothing in its memory yet.
    pub fn new(context: FoldContext) -> Self {
        Self { context, caches: BTreeMap::new() }
    }

    /// Folds an epoch; nothing where its lease is void. Whatever goes wrong for good stops the partition, and the source is told.
    async fn fold(&mut self, lease: Lease, epoch: KeyedEpoch) -> Option<EpochWrite> {
        let mut cache = self.caches.remove(&lease.partition).filter(|cache| cache.lease == lease)?;
        let started = self.context.runtime.now();
        let signal = match self.try_fold(&mut cache, &epoch).await {
            Ok(Ok(write)) => {
                cache.expect(epoch.target);
                cache.shrink(self.context.settings.cached_readers, self.context.settings.cached_articles);
                let seconds = self.context.runtime.now().millis_since(started) as f64 / 1e3;
                metrics::gauge!(CACHED_READERS, "partition" => lease.partition.to_string())
                    .set(cache.readers.len() as f64);
                metrics::histogram!(FOLD_SECONDS).record(seconds);
                self.caches.insert(lease.partition, cache);
                return Some(write);
            }
            Ok(Err(Stale(reason))) => Signal::Reset { lease, reason },
            Err(error) => Signal::Failed { lease, error },
        };
        // The source may have stopped already, and then nothing more is folded.
        self.context.feedback.send(signal).ok();
        None
    }

    async fn try_fold(
        &mut self,
        cache: &mut PartitionCache,
        epoch: &KeyedEpoch,
    ) -> Result<Result<EpochWrite, Stale>> {
        let partition = cache.lease.partition;
        let FoldContext { table, store, runtime, namespace, first_offsets, .. } = &self.context;
        let has_model = self.context.model.is_some();
        if has_model {
            let mut backoff = Backoff::of_an_edge(runtime);
            while let Err(error) = table.catch_up().await {
                if !error.retry {
                    return Err(error);
                }
                note("log", &error);
                backoff.pause().await;
            }
        }
        let tag = Tag { namespace: namespace.clone(), partition };
        let mut backoff = Backoff::of_an_edge(runtime);
        loop {
            match load(cache, store.as_ref(), &tag, epoch).await {
                Ok(Ok(())) => break,
                Ok(Err(stale)) => return Ok(Err(stale)),
                Err(error) if error.retry => {
                    note("state", &error);
                    backoff.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
        let first = first_offsets.get(partition as usize).copied().unwrap_or_default();
        let mut touched = fold_rows(cache, epoch, Begin { partition, first }, has_model);
        self.embed(cache, epoch, &mut touched).await?;
        Ok(Ok(write_of(cache, epoch, &touched)))
    }

    /// Takes the GRU's steps and puts the new hidden states in place.
    async fn embed(
        &mut self,
        cache: &mut PartitionCache,
        epoch: &KeyedEpoch,
        touched: &mut Touched,
    ) -> Result<()> {
        let Some(model) = &self.context.model else { return Ok(()) };
        let mut states: BTreeMap<usize, _> = BTreeMap::new();
        for (place, steps) in std::mem::take(&mut touched.steps) {
            let reader = &epoch.readers[place];
            if let Some(cached) = cache.readers.get_mut(reader) {
                states.insert(place, (std::mem::take(&mut cached.value), steps));
            }
        }
        let versions = self.context.table.versions().await;
        let mut readers: Vec<ReaderSteps<'_>> = states
            .values_mut()
            .map(|(state, steps)| {
                prune(steps);
                let steps = std::mem::take(steps).into_iter().map(|step| {
                    let vector = versions.as_of(step.article, step.as_of);
                    metrics::counter!(ZERO_VECTORS).increment(u64::from(vector.is_none()));
                    (step, vector)
                });
                ReaderSteps { steps: steps.collect(), state }
            })
            .collect();
        drop(versions);
        take_steps(model.as_ref(), &mut readers).await?;
        for (place, (state, _)) in states {
            if let Some(cached) = cache.readers.get_mut(&epoch.readers[place]) {
                cached.value = state;
            }
        }
        Ok(())
    }
}

/// Loads the epoch's readers, then its articles: those read, and those its readers read last.
async fn load(
    cache: &mut PartitionCache,
    store: &dyn StateStore,
    tag: &Tag,
    epoch: &KeyedEpoch,
) -> Result<Result<(), Stale>> {
    if let Err(stale) = cache.load(store, tag, &epoch.readers, &[]).await? {
        return Ok(Err(stale));
    }
    let columns = EventColumns::of(&epoch.batch);
    let read = (0..columns.len()).filter_map(|row| columns.article_id(row));
    let read_last = epoch.readers.iter().filter_map(|reader| {
        let last = cache.readers.get(reader)?.value.reads.last()?;
        Some(ArticleId(last.article_id))
    });
    let mut articles: Vec<ArticleId> = read.chain(read_last).collect();
    articles.sort_unstable();
    articles.dedup();
    cache.load(store, tag, &[], &articles).await
}

/// Folds the rows in the order of the log; the GRU's steps are only noted.
fn fold_rows(cache: &mut PartitionCache, epoch: &KeyedEpoch, begin: Begin, has_model: bool) -> Touched {
    let columns = EventColumns::of(&epoch.batch);
    let mut touched = Touched { readers: vec![None; epoch.readers.len()], ..Touched::default() };
    let mut not_taken = Vec::new();
    let summary = cache.summary.get_or_insert_default();
    let mut reads = 0;
    let mut dead = epoch.dead.iter().copied().peekable();
    for (row_number, place) in epoch.reader_of_row.iter().copied().enumerate() {
        let row = columns.row(row_number);
        let after = row.offset.next();
        while let Some(offset) = dead.next_if(|offset| *offset < row.offset) {
            note_dead(summary, offset);
            touched.last = Some(offset.next());
        }
        let taken = take(summary, &row, begin);
        if taken != Taken::Ignored {
            touched.last = Some(after);
        }
        if taken != Taken::Counts {
            continue;
        }
        let reader = &epoch.readers[place];
        let cached =
            cache.readers.get_mut(reader).expect("the readers of an epoch are loaded before it is folded");
        not_taken.clear();
        let steps = if has_model { touched.steps.entry(place).or_default() } else { &mut not_taken };
        let outcome = fold_event(&mut cached.value, steps, &row);
        if outcome != Outcome::Ignored {
            touched.readers[place] = Some(after);
        }
        match outcome {
            Outcome::NewRead { previous } => {
                reads += 1;
                let article = row.article_id.expect("a new read has an article");
                note_read(summary, row.event_time);
                cache.active.note(reader, cached.value.total_reads, row.event_time);
                let facts = ReadFacts { followed: previous.is_some(), read_time: row.read_time };
                let counted = &mut cache.articles.entry(article).or_default().value;
                count_read(&mut counted.counts, row.event_time, facts);
                touched.articles.insert(article, after);
                if let Some(previous) = previous {
                    let counted = &mut cache.articles.entry(previous).or_default().value;
                    if counted.follow(article, row.event_time) {
                        touched.also_read.insert(previous, after);
                    }
                    touched.articles.insert(previous, after);
                }
            }
            Outcome::Forgotten => {
                cache.active.remove(reader);
            }
            Outcome::Ignored | Outcome::Changed => {}
        }
        debug_assert!(row.kind == EventKind::Read || touched.readers[place].is_some());
    }
    for offset in dead {
        note_dead(summary, offset);
        touched.last = Some(offset.next());
    }
    metrics::counter!(READS_FOLDED).increment(reads);
    touched
}

/// The values that an epoch changed, as bytes.
fn write_of(cache: &mut PartitionCache, epoch: &KeyedEpoch, touched: &Touched) -> EpochWrite {
    let target: Marker = epoch.target;
    let changed = touched.readers.len() + touched.articles.len() + touched.also_read.len() + 1;
    let mut puts = Vec::with_capacity(changed);
    let mut invalidated = Vec::with_capacity(touched.readers.len());
    for (reader, version) in epoch.readers.iter().zip(&touched.readers) {
        let (Some(version), Some(cached)) = (*version, cache.readers.get_mut(reader)) else { continue };
        cached.written_until = target.next;
        let forgotten = cached.value == Default::default();
        let value = (!forgotten).then(|| Value { version, bytes: cached.value.to_kept().into() });
        let key = reader_key(reader);
        invalidated.push(key.clone());
        puts.push(Put { key, value, mirrored: false });
    }
    for (article, version) in &touched.articles {
        let Some(cached) = cache.articles.get_mut(article) else { continue };
        cached.written_until = target.next;
        let value = Value { version: *version, bytes: cached.value.counts.to_kept().into() };
        puts.push(Put { key: ValueName::Article(*article).to_key(), value: Some(value), mirrored: true });
    }
    // Whose also-read counts changed is among these articles, and marked as written already.
    for (article, version) in &touched.also_read {
        let Some(cached) = cache.articles.get(article) else { continue };
        let value = Value { version: *version, bytes: cached.value.also_read.to_kept().into() };
        puts.push(Put { key: ValueName::AlsoRead(*article).to_key(), value: Some(value), mirrored: true });
    }
    if let (Some(version), Some(summary)) = (touched.last, &mut cache.summary) {
        summary.active = cache.active.to_list();
        let value = Value { version, bytes: summary.to_kept().into() };
        summary.active.clear();
        puts.push(Put { key: summary_key(), value: Some(value), mirrored: true });
    }
    EpochWrite { expected: epoch.expected, target, puts, invalidated }
}

impl Operator for Fold {
    type In = Feed<KeyedEpoch>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(|epoch| epoch.batch.num_rows())
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        match input {
            Feed::Data { lease, data } => match self.fold(lease, data).await {
                Some(write) => out.emit(Feed::Data { lease, data: write }).await,
                None => Ok(()),
            },
            Feed::Begin { lease, marker } => {
                self.caches.insert(lease.partition, PartitionCache::new(lease, marker));
                out.emit(Feed::Begin { lease, marker }).await?;
                if self.context.model.is_some() {
                    // So that the first events need not wait until all articles are read. What fails is tried again, and told, with the first epoch.
                    self.context.table.catch_up().await.ok();
                }
                Ok(())
            }
            Feed::End { lease } => {
                self.caches.remove(&lease.partition);
                out.emit(Feed::End { lease }).await
            }
            Feed::Acked { .. } | Feed::Hurry { .. } => Ok(()),
        }
    }
}
