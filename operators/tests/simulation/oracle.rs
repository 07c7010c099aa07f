//! What the state has to be: a plain loop over the log, one record after the other, with no cache, no batch and no epoch.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use abovefold_engine::{
    log::{MemoryLog, Record},
    state::Value,
};
use abovefold_models::{Behaviour, HIDDEN, WIDTH};
use abovefold_operators::{
    decode::{decode, home_of, look},
    fold::{
        active::ActiveReaders,
        reader::{Outcome, Step, fold_event},
        steps::{from_bytes, to_bytes},
        summary::{Begin, Taken, note_dead, note_read, take},
        trends::{Counted, ReadFacts, count_read},
    },
};
use abovefold_schemas::{
    ArticleId, ArticleVersion, Kept, Offset, ReaderId, Timestamp,
    batch::{EventBatchBuilder, EventColumns},
    keys::{ValueName, reader_key, summary_key},
    records::{ORIGIN_HEADER, PUT_BACK_HEADER},
    state::{PartitionSummary, ReaderState},
};
use bytes::Bytes;

use crate::{
    model::step,
    world::{ARTICLES, EVENTS, PARTITIONS},
};

/// A number for a value under a key; the digest of a state is their exclusive or.
pub fn digest_of(key: &[u8], value: &Value) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((key, value.version.0, &value.bytes))
}

/// The folds of all partitions, as far as they were asked for.
pub struct Oracle {
    log: MemoryLog,
    pub base_articles: Vec<u64>,
    partitions: Vec<Partition>,
    articles: Articles,
}

#[derive(Default)]
struct Partition {
    next: u64,
    readers: BTreeMap<String, ReaderState>,
    counts: BTreeMap<ArticleId, Counted>,
    summary: PartitionSummary,
    active: ActiveReaders,
    kept: BTreeMap<Bytes, u64>,
    digest: u64,
    /// The digest after each offset, from 0 on.
    digests: BTreeMap<u64, u64>,
    /// The last stray to each home after each offset, for the intake.
    chain: BTreeMap<u32, u64>,
    chains: BTreeMap<u64, BTreeMap<u32, u64>>,
}

/// Since when it counts (nothing: from the start), and its vector.
type Version = (Option<Timestamp>, Vec<f32>);

#[derive(Default)]
struct Articles {
    next: Vec<u64>,
    versions: BTreeMap<ArticleId, Vec<Version>>,
}

impl Oracle {
    pub fn new(log: MemoryLog) -> Self {
        let partitions = (0..PARTITIONS).map(|_| Partition::default()).collect();
        Self { log, base_articles: vec![0; PARTITIONS as usize], partitions, articles: Articles::default() }
    }

    /// The digest of a partition's state at an offset.
    pub fn digest(&mut self, partition: u32, next: Offset) -> u64 {
        self.advance(partition, next);
        let found = &self.partitions[partition as usize];
        found.digests.range(..=next.0).next_back().map_or(0, |(_, digest)| *digest)
    }

    /// The intake's chain of a partition at an offset.
    pub fn chain(&mut self, partition: u32, next: Offset) -> BTreeMap<u32, u64> {
        self.advance(partition, next);
        let found = &self.partitions[partition as usize];
        found.chains.range(..=next.0).next_back().map(|(_, chain)| chain.clone()).unwrap_or_default()
    }

    /// The keys whose values differ from what they have to be, where the fold stands at that offset.
    pub fn differing(&self, partition: u32, next: Offset, values: &BTreeMap<Bytes, Value>) -> Vec<String> {
        let expected = &self.partitions[partition as usize];
        if expected.next != next.0 {
            return vec!["(an earlier offset)".into()];
        }
        let keys = values.keys().chain(expected.kept.keys());
        let keys: std::collections::BTreeSet<&Bytes> = keys.collect();
        let differs = |key: &&&Bytes| {
            values.get(**key).map(|value| digest_of(key, value)) != expected.kept.get(**key).copied()
        };
        keys.iter().filter(differs).map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    /// Reads folded in a partition, as far as it was advanced.
    pub fn reads(&self, partition: u32) -> u64 {
        self.partitions[partition as usize].summary.reads
    }

    fn advance(&mut self, partition: u32, next: Offset) {
        let from = self.partitions[partition as usize].next;
        if from >= next.0 {
            return;
        }
        self.articles.catch_up(&self.log, &self.base_articles);
        let records = self.log.records(EVENTS, partition, Offset(from), next);
        let state = &mut self.partitions[partition as usize];
        for record in records {
            state.fold(partition, &record, &self.articles);
            state.digests.insert(record.offset.0 + 1, state.digest);
            state.chains.insert(record.offset.0 + 1, state.chain.clone());
        }
        state.next = next.0;
    }
}

impl Articles {
    fn catch_up(&mut self, log: &MemoryLog, base: &[u64]) {
        self.next.resize(PARTITIONS as usize, 0);
        for partition in 0..PARTITIONS {
            let from = Offset(self.next[partition as usize]);
            for record in log.records(ARTICLES, partition, from, Offset(u64::MAX)) {
                self.next[partition as usize] = record.offset.0 + 1;
                let version = ArticleVersion::from_kept(&record.value).unwrap();
                let since = (record.offset.0 >= base[partition as usize]).then_some(record.time);
                let versions = self.versions.entry(ArticleId(version.article_id)).or_default();
                versions.push((since, version.vector));
            }
        }
    }

    fn as_of(&self, article: ArticleId, time: Timestamp) -> Vec<f32> {
        let versions = self.versions.get(&article).into_iter().flatten();
        let counting = versions.rev().find(|(since, _)| since.is_none_or(|since| since < time));
        counting.map_or_else(|| vec![0.0; WIDTH], |(_, vector)| vector.clone())
    }
}

impl Partition {
    fn fold(&mut self, partition: u32, record: &Record, articles: &Articles) {
        let version = record.offset.next();
        let Ok((event, place)) = decode(record) else {
            note_dead(&mut self.summary, record.offset);
            return self.keep_summary(version);
        };
        let home = home_of(event.user_id.as_str(), PARTITIONS);
        if home != partition {
            if record.header(ORIGIN_HEADER).is_none() && record.header(PUT_BACK_HEADER).is_none() {
                self.chain.insert(home, record.offset.0);
            }
            return;
        }
        // One row at a time, through the same columns as a batch.
        let mut builder = EventBatchBuilder::default();
        builder.push(look(record).unwrap().0, &place);
        let batch = builder.finish();
        let row = EventColumns::of(&batch).row(0);
        match take(&mut self.summary, &row, Begin { partition, first: Offset(0) }) {
            Taken::Counts => {}
            Taken::Noted => return self.keep_summary(version),
            Taken::Ignored => return,
        }
        let mut reader = self.readers.remove(event.user_id.as_str()).unwrap_or_default();
        let mut steps: Vec<Step> = Vec::new();
        let outcome = fold_event(&mut reader, &mut steps, &row);
        let stepped = !steps.is_empty();
        for taken in steps {
            if taken.new_read {
                reader.hidden_before = std::mem::take(&mut reader.hidden);
            }
            let before = from_bytes(&reader.hidden_before);
            assert_eq!(before.len(), HIDDEN);
            let behaviour = Behaviour {
                read_seconds: taken.read_time,
                scroll_percent: taken.scroll_pct,
                position: taken.position,
            };
            reader.hidden = to_bytes(&step(&before, &articles.as_of(taken.article, taken.as_of), behaviour));
        }
        if stepped && reader.reads.last().is_none_or(|read| read.view_id.is_none()) {
            reader.hidden_before = Vec::new();
        }
        match &outcome {
            Outcome::NewRead { previous } => {
                let article = row.article_id.unwrap();
                note_read(&mut self.summary, row.event_time);
                self.active.note(&event.user_id, reader.total_reads, row.event_time);
                let facts = ReadFacts { followed: previous.is_some(), read_time: row.read_time };
                count_read(&mut self.counts.entry(article).or_default().counts, row.event_time, facts);
                self.keep_counts(article, version);
                if let Some(previous) = previous {
                    let counted = self.counts.entry(*previous).or_default();
                    if counted.follow(article, row.event_time) {
                        let bytes = counted.also_read.to_kept().into();
                        self.keep(ValueName::AlsoRead(*previous).to_key(), Some(Value { version, bytes }));
                    }
                    self.keep_counts(*previous, version);
                }
            }
            Outcome::Forgotten => {
                self.active.remove(&event.user_id);
            }
            Outcome::Ignored | Outcome::Changed => {}
        }
        self.keep_summary(version);
        if outcome != Outcome::Ignored {
            self.keep_reader(&event.user_id, &reader, version);
        }
        self.readers.insert(event.user_id.as_str().to_owned(), reader);
    }

    fn keep(&mut self, key: Bytes, value: Option<Value>) {
        if let Some(before) = self.kept.remove(&key) {
            self.digest ^= before;
        }
        if let Some(value) = value {
            let digest = digest_of(&key, &value);
            self.digest ^= digest;
            self.kept.insert(key, digest);
        }
    }

    fn keep_reader(&mut self, reader: &ReaderId, state: &ReaderState, version: Offset) {
        let value =
            (*state != ReaderState::default()).then(|| Value { version, bytes: state.to_kept().into() });
        self.keep(reader_key(reader), value);
    }

    fn keep_counts(&mut self, article: ArticleId, version: Offset) {
        let bytes = self.counts[&article].counts.to_kept().into();
        self.keep(ValueName::Article(article).to_key(), Some(Value { version, bytes }));
    }

    fn keep_summary(&mut self, version: Offset) {
        self.summary.active = self.active.to_list();
        let bytes = self.summary.to_kept().into();
        self.keep(summary_key(), Some(Value { version, bytes }));
    }
}
