//! The learner that leads: it reads all partitions of the events, learns, and publishes versions.

use std::{collections::BTreeSet, sync::Arc};

use abovefold_engine::{
    EngineError, Result, Runtime,
    log::{Bounds, Log, LogReader, Position, RecordRun},
};
use abovefold_models::learner::{Learner, RowKey, Table};
use abovefold_schemas::{
    Offset,
    learned::{LearnedCheckpoint, LearnedRead},
};

use super::{
    LearnerSettings,
    chain::{Chain, ChangedRow, PARTITION, records},
    reads::Reads,
    rebuild::{Rebuilder, Rebuilt, apply, read_all, take_in},
};
use crate::{
    metrics::{LEARNED_READS, LEARNED_ROWS, LEARNED_VERSIONS, LEARNER_REFUSED},
    steps::Steps,
};

/// Reads after which others get their turn: each is some 20 us.
const AT_ONCE: usize = 20;
/// Reads of one version at most, so that its checkpoint stays small.
const READS_OF_A_VERSION: usize = 5_000;
/// Records that are appended in one call.
const TOGETHER: usize = 2_000;

/// Where a learner learns from and publishes to.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) log: Arc<dyn Log>,
    pub(super) events: String,
    pub(super) learned: String,
    pub(super) partitions: u32,
    pub(super) steps: Steps,
    pub(super) settings: LearnerSettings,
    pub(super) runtime: Runtime,
}

/// Whether a version counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// It does, or there was nothing to publish.
    Counts,
    /// Somebody else published one before.
    Overtaken,
}

/// A learner at work.
pub(super) struct Leader {
    places: Places,
    /// Who it is in the topic.
    writer: String,
    learner: Learner,
    reads: Reads,
    /// The first offset that was not learned from, for each partition.
    positions: Vec<Offset>,
    /// Where the events are read; it waits at their end.
    events: Box<dyn LogReader>,
    /// The topic `learned` as all others see it, up to the last version.
    chain: Chain,
    own: Option<Box<dyn LogReader>>,
    published: Table,
    versions_since_whole: u64,
    /// What was taken in since the last version.
    taken: Vec<LearnedRead>,
    moved_on: bool,
    /// Rows that moved since the last version: only these may have gone further than is published.
    moved: BTreeSet<RowKey>,
    /// Rows that moved since the last whole version, and rows that went since the last version.
    dirty: BTreeSet<RowKey>,
    removed: BTreeSet<RowKey>,
    refused: u64,
}

impl Leader {
    /// Builds the learner again from the topic `learned`, and goes on where it ends.
    pub(super) async fn start(places: &Places) -> Result<Self> {
        let Places { log, events, learned, partitions, steps, settings, runtime } = places;
        let mut rebuilder = Rebuilder::new(settings.options());
        let chain = read_all(log.as_ref(), learned, |version| {
            rebuilder.take(version);
            true
        });
        let chain = chain.await?;
        let Rebuilt { mut learner, published, latest, versions_since } = rebuilder.finish();
        let latest = latest.unwrap_or_default();
        let bounds = log.bounds(events).await?;
        let positions: Vec<Offset> =
            (0..).zip(&bounds).map(|(partition, bounds)| begin(events, partition, &latest, bounds)).collect();
        let from = (0..).zip(&positions).map(|(partition, offset)| Position { partition, offset: *offset });
        let from: Vec<Position> = from.collect();
        let reader = log.read(events, from).await?;
        let (dirty, _) = learner.take_moved();
        tracing::info!(
            version = chain.version,
            articles = learner.table().articles(),
            readers = learner.table().readers(),
            "this process learns from what readers read"
        );
        Ok(Self {
            writer: runtime.token(),
            reads: Reads::new(*partitions, steps.clone(), &latest.origins),
            positions,
            events: reader,
            chain,
            own: None,
            published,
            versions_since_whole: versions_since,
            taken: Vec::new(),
            moved_on: false,
            moved: dirty.iter().cloned().collect(),
            dirty: dirty.into_iter().collect(),
            removed: BTreeSet::new(),
            refused: learner.refused(),
            learner,
            places: places.clone(),
        })
    }

    /// The next records of the events; waits at their end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<RecordRun> {
        self.events.next().await
    }

    /// Learns from a run. Whether so much was taken in that it should be published now.
    pub(super) async fn learn(&mut self, run: RecordRun) -> Result<bool> {
        let (partition, next) = (run.partition as usize, run.next);
        let reads = self.reads.of(run)?;
        for some in reads.chunks(AT_ONCE) {
            some.iter().for_each(|read| take_in(&mut self.learner, read, true));
            tokio::task::yield_now().await;
        }
        metrics::counter!(LEARNED_READS).increment(reads.len() as u64);
        metrics::counter!(LEARNER_REFUSED).increment(self.learner.refused() - self.refused);
        self.refused = self.learner.refused();
        self.taken.extend(reads);
        if let Some(position) = self.positions.get_mut(partition) {
            *position = next;
        }
        self.moved_on = true;
        Ok(self.taken.len() >= READS_OF_A_VERSION)
    }

    /// Publishes what was learned since the last version, if anything was.
    pub(super) async fn publish(&mut self) -> Result<Published> {
        if !self.moved_on {
            return Ok(Published::Counts);
        }
        let (moved, removed) = self.learner.take_moved();
        self.moved.extend(moved);
        self.removed.extend(removed);
        let settings = &self.places.settings;
        let whole = self.versions_since_whole + 1 >= settings.whole_every.max(1);
        let moved = std::mem::take(&mut self.moved);
        self.dirty.extend(moved.iter().cloned());
        let rows = match whole {
            true => self.rows(&self.dirty, 0.0),
            false => self.rows(&moved, settings.publish_moved),
        };
        let checkpoint = LearnedCheckpoint {
            version: self.chain.version + 1,
            writer: self.writer.clone(),
            before: self.chain.last.map(|last| last.0),
            rows: rows.len() as u32,
            whole,
            positions: self.positions.iter().map(|position| position.0).collect(),
            origins: self.reads.origins(),
            reads: std::mem::take(&mut self.taken),
            time: self.places.runtime.now().0,
            rolled_back_to: None,
        };
        let count = rows.len() as u64;
        if !self.append(rows, &checkpoint).await? {
            return Ok(Published::Overtaken);
        }
        self.removed.clear();
        self.moved_on = false;
        self.versions_since_whole += 1;
        if whole {
            self.dirty.clear();
            self.versions_since_whole = 0;
        }
        metrics::counter!(LEARNED_VERSIONS).increment(1);
        metrics::counter!(LEARNED_ROWS).increment(count);
        Ok(Published::Counts)
    }

    /// Of some rows, those that are further than `moved` from what is published, and those that went. What went comes first: it may have come again.
    fn rows(&self, of: &BTreeSet<RowKey>, moved: f32) -> Vec<ChangedRow> {
        let mut rows: Vec<ChangedRow> = self.removed.iter().map(|key| (key.clone(), None)).collect();
        let table = self.learner.table();
        for key in of {
            let Some(row) = table.row(key) else { continue };
            let went = match key {
                RowKey::From(article) => self.removed.contains(&RowKey::To(*article)),
                key => self.removed.contains(key),
            };
            let known = self.published.row(key).filter(|_| !went);
            let is_news = match known {
                Some(known) if moved > 0.0 => known.distance(&row) > moved,
                Some(known) => known != row,
                None => true,
            };
            if is_news {
                rows.push((key.clone(), Some(row)));
            }
        }
        rows
    }

    /// Appends a version, then reads the topic up to it. Whether it counts.
    async fn append(&mut self, rows: Vec<ChangedRow>, checkpoint: &LearnedCheckpoint) -> Result<bool> {
        let Places { log, learned, .. } = &self.places;
        let own = match &mut self.own {
            Some(own) => own,
            none => {
                let bounds = log.bounds(learned).await?;
                let begin =
                    bounds.get(PARTITION as usize).map_or_else(Default::default, |bounds| bounds.begin);
                let offset = self.chain.last.map_or(begin, Offset::next);
                none.insert(log.read(learned, vec![Position { partition: PARTITION, offset }]).await?)
            }
        };
        let mut last = None;
        let records = records(rows, checkpoint);
        for some in records.chunks(TOGETHER) {
            last = log.append(learned, some.to_vec()).await?.pop();
        }
        let Some(last) = last else {
            return Err(EngineError::ours("publish what was learned", "the log gave no position"));
        };
        loop {
            let run = own.next().await?;
            for record in &run.records {
                let Some(version) = self.chain.take(record) else { continue };
                if version.checkpoint.writer != self.writer {
                    return Ok(false);
                }
                apply(&mut self.published, &version.rows);
            }
            if run.next > last.offset {
                return Ok(self.chain.last == Some(last.offset));
            }
        }
    }

    /// The table as it is now.
    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        self.learner.table()
    }
}

/// Where a partition is read on. A log that was cut or made anew is learned from where it begins.
fn begin(topic: &str, partition: usize, latest: &LearnedCheckpoint, bounds: &Bounds) -> Offset {
    let Some(position) = latest.positions.get(partition).copied().map(Offset) else { return bounds.begin };
    if position < bounds.begin || position > bounds.end {
        tracing::warn!(
            topic,
            partition,
            %position,
            begin = %bounds.begin,
            end = %bounds.end,
            "the log no longer has what comes next; it is learned from where it begins"
        );
        return bounds.begin;
    }
    position
}
