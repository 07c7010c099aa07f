//! What readers' events teach: reads, and wishes to be forgotten, each once and at its reader's home.

use std::collections::BTreeMap;

use abovefold_engine::{Result, log::RecordRun};
use abovefold_schemas::{
    EventKind,
    learned::{HomeOrigin, LearnedRead},
    state::Origin,
};

use crate::{
    decode::{Decode, home_of},
    steps::Steps,
};
use abovefold_schemas::batch::EventColumns;

/// Takes runs of the events' topic apart.
#[derive(Debug)]
pub(super) struct Reads {
    partitions: u32,
    steps: Steps,
    decode: Decode,
    /// For each home and source, the highest original of which a copy was taken in.
    origins: BTreeMap<(u32, u32), u64>,
}

impl Reads {
    pub(super) fn new(partitions: u32, steps: Steps, origins: &[HomeOrigin]) -> Self {
        let origins = origins.iter().map(|of| ((of.home, of.origin.partition), of.origin.offset)).collect();
        Self { partitions, steps, decode: Decode::default(), origins }
    }

    pub(super) fn origins(&self) -> Vec<HomeOrigin> {
        let of = |((home, partition), offset): (&(u32, u32), &u64)| HomeOrigin {
            home: *home,
            origin: Origin { partition: *partition, offset: *offset },
        };
        self.origins.iter().map(of).collect()
    }

    /// What a run teaches, in order. Later pieces of one view are repeats within its visit, which teach nothing.
    pub(super) fn of(&mut self, run: RecordRun) -> Result<Vec<LearnedRead>> {
        let partition = run.partition;
        let decoded = self.decode.run(run);
        let batch = if self.steps.is_empty() { decoded.batch } else { self.steps.apply(&decoded.batch)? };
        let rows = EventColumns::of(&batch);
        let mut reads = Vec::with_capacity(rows.len());
        for row in (0..rows.len()).map(|row| rows.row(row)) {
            if home_of(row.user_id, self.partitions) != partition {
                continue;
            }
            if let Some(origin) = row.origin.filter(|_| !row.put_back) {
                let highest = self.origins.get(&(partition, origin.partition)).copied();
                if highest.is_some_and(|highest| highest >= origin.offset) {
                    continue;
                }
                self.origins.insert((partition, origin.partition), origin.offset);
            }
            let reader = row.user_id.to_owned();
            match (row.kind, row.article_id) {
                (EventKind::Read, Some(article)) => reads.push(LearnedRead {
                    reader,
                    article: article.0,
                    exit: row.event_time.0,
                    read_seconds: row.read_time,
                    device: u32::from(row.device_type),
                    forget: false,
                }),
                (EventKind::Forget, _) => {
                    reads.push(LearnedRead { reader, forget: true, ..LearnedRead::default() });
                }
                _ => {}
            }
        }
        Ok(reads)
    }
}
