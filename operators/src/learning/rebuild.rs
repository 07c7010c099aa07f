//! The learner and its table, built again from the topic.

use std::collections::BTreeMap;

use abovefold_engine::{
    Result,
    log::{Log, Position},
};
use abovefold_models::learner::{Learner, LearnerOptions, Observed, Row, RowKey, Table};
use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    learned::{LearnedCheckpoint, LearnedRead},
};

use super::chain::{Chain, ChangedRow, PARTITION, Version};

/// Puts the rows of a version into a table.
pub(super) fn apply(table: &mut Table, rows: &[ChangedRow]) {
    for (key, row) in rows {
        match row {
            Some(row) => table.put(key, row),
            None => table.remove(key),
        }
    }
}

/// Takes in what a version noted.
pub(super) fn take_in(learner: &mut Learner, read: &LearnedRead, teaches: bool) {
    // It was a reader's id when it was noted.
    let Ok(reader) = ReaderId::new(read.reader.as_str()) else { return };
    if read.forget {
        return learner.forget(&reader);
    }
    let observed = Observed {
        reader: &reader,
        article: ArticleId(read.article),
        exit: Timestamp(read.exit),
        read_seconds: read.read_seconds,
        device: u8::try_from(read.device).unwrap_or(0),
    };
    if teaches { learner.observe(&observed) } else { learner.note(&observed) }
}

/// Takes versions in, one after the other.
///
/// The rows of a version that is *whole*, with those of all before it, are the learner's table to the bit. What came later is learned again from
/// the reads that the versions name: the rows published meanwhile leave out what moved by little.
#[derive(Debug)]
pub(super) struct Rebuilder {
    /// Has noted everything up to the last whole version.
    noted: Learner,
    /// As of the last whole version.
    rows: BTreeMap<RowKey, Row>,
    /// Rows and reads since.
    since: Vec<ChangedRow>,
    reads: Vec<LearnedRead>,
    versions_since: u64,
    /// As whoever follows the topic has it.
    published: Table,
    latest: Option<LearnedCheckpoint>,
}

/// A learner that can go on where the topic ends.
#[derive(Debug)]
pub(super) struct Rebuilt {
    pub(super) learner: Learner,
    /// As whoever follows the topic has it.
    pub(super) published: Table,
    pub(super) latest: Option<LearnedCheckpoint>,
    /// Versions since the last whole one.
    pub(super) versions_since: u64,
}

impl Rebuilder {
    pub(super) fn new(options: LearnerOptions) -> Self {
        Self {
            noted: Learner::new(options),
            rows: BTreeMap::new(),
            since: Vec::new(),
            reads: Vec::new(),
            versions_since: 0,
            published: Table::new(options.seed),
            latest: None,
        }
    }

    pub(super) fn take(&mut self, version: Version) {
        let Version { checkpoint, rows } = version;
        apply(&mut self.published, &rows);
        self.since.extend(rows);
        self.reads.extend(checkpoint.reads.iter().cloned());
        self.versions_since += 1;
        if checkpoint.whole {
            for (key, row) in self.since.drain(..) {
                match (key, row) {
                    (key, Some(row)) => drop(self.rows.insert(key, row)),
                    (RowKey::From(article) | RowKey::To(article), None) => {
                        self.rows.remove(&RowKey::From(article));
                        self.rows.remove(&RowKey::To(article));
                    }
                    (key, None) => drop(self.rows.remove(&key)),
                }
            }
            for read in self.reads.drain(..) {
                take_in(&mut self.noted, &read, false);
            }
            self.versions_since = 0;
        }
        self.latest = Some(checkpoint);
    }

    /// The learner as it was when the last version was written.
    pub(super) fn finish(self) -> Rebuilt {
        let mut learner = self.noted;
        for (key, row) in &self.rows {
            learner.put(key, row);
        }
        // Nothing moved since the last whole version but by what follows.
        learner.take_moved();
        for read in &self.reads {
            take_in(&mut learner, read, true);
        }
        Rebuilt {
            learner,
            published: self.published,
            latest: self.latest,
            versions_since: self.versions_since,
        }
    }
}

/// Reads the topic to the end that it has now; `look` gets each version that counts, and says whether to go on.
pub(super) async fn read_all(
    log: &dyn Log,
    topic: &str,
    mut look: impl FnMut(Version) -> bool + Send,
) -> Result<Chain> {
    let mut chain = Chain::default();
    let bounds = log.bounds(topic).await?;
    let Some(bounds) = bounds.get(PARTITION as usize).copied().filter(|bounds| bounds.begin < bounds.end)
    else {
        return Ok(chain);
    };
    let from = Position { partition: PARTITION, offset: bounds.begin };
    let mut reader = log.read(topic, vec![from]).await?;
    loop {
        let run = reader.next().await?;
        for record in run.records.iter().filter(|record| record.offset < bounds.end) {
            if let Some(version) = chain.take(record)
                && !look(version)
            {
                return Ok(chain);
            }
        }
        if run.next >= bounds.end {
            return Ok(chain);
        }
    }
}
