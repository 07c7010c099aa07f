//! A partition in memory, and where it is read.

use std::collections::{BTreeMap, VecDeque};

use abovefold_schemas::{Offset, Timestamp};

use super::super::{Bounds, NewRecord, Record, RecordRun};
use crate::error::{EngineError, Result};

/// Records in the order of their offsets, which may have gaps.
#[derive(Default)]
pub(super) struct Partition {
    begin: u64,
    pub(super) end: u64,
    records: VecDeque<Record>,
    last_time: i64,
}

impl Partition {
    pub(super) fn append(&mut self, record: NewRecord, now: Timestamp) -> Offset {
        let offset = Offset(self.end);
        // The clock may be set back; the log's time may not.
        self.last_time = self.last_time.max(now.0);
        let NewRecord { key, value, headers, .. } = record;
        self.records.push_back(Record { offset, time: Timestamp(self.last_time), key, value, headers });
        self.end += 1;
        offset
    }

    pub(super) fn truncate(&mut self, end: u64) {
        self.end = self.end.min(end);
        let kept = self.place_of(self.end);
        self.records.truncate(kept);
    }

    pub(super) fn forget_before(&mut self, begin: u64) {
        self.begin = self.begin.max(begin).min(self.end);
        let gone = self.place_of(self.begin);
        self.records.drain(..gone);
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { begin: Offset(self.begin), end: Offset(self.end) }
    }

    pub(super) fn offset_at(&self, time: Timestamp) -> Offset {
        let place = self.records.partition_point(|record| record.time < time);
        self.records.get(place).map_or(Offset(self.end), |record| record.offset)
    }

    /// Refuses an offset that the partition does not hold.
    pub(super) fn check(&self, from: Offset, tried: String) -> Result<()> {
        if (self.begin..=self.end).contains(&from.0) {
            return Ok(());
        }
        let reason = format!(
            "the partition holds offsets {} to {}; was the log cut or made anew?",
            self.begin, self.end
        );
        Err(EngineError::user(tried, reason))
    }

    /// The place among the records of the first one at or after an offset.
    fn place_of(&self, offset: u64) -> usize {
        self.records.partition_point(|record| record.offset.0 < offset)
    }

    pub(super) fn between(&self, from: Offset, until: Offset) -> Vec<Record> {
        let records =
            self.records.range(self.place_of(from.0)..self.place_of(until.0).max(self.place_of(from.0)));
        records.cloned().collect()
    }

    fn run(&self, number: u32, from: u64, most: usize) -> RecordRun {
        let first = self.place_of(from);
        let records: Vec<Record> = self.records.iter().skip(first).take(most).cloned().collect();
        let at_end = first + records.len() == self.records.len();
        if at_end {
            return RecordRun { partition: number, records, next: Offset(self.end) };
        }
        RecordRun::new(number, records)
    }
}

struct Cursor {
    next: u64,
    paused: bool,
}

/// Where partitions are read, in turn.
#[derive(Default)]
pub(super) struct Cursors {
    cursors: BTreeMap<u32, Cursor>,
    turn: u32,
}

impl Cursors {
    pub(super) fn start(&mut self, partition: u32, from: Offset) {
        let paused = self.cursors.get(&partition).is_some_and(|cursor| cursor.paused);
        self.cursors.insert(partition, Cursor { next: from.0, paused });
    }

    pub(super) fn stop(&mut self, partition: u32) {
        self.cursors.remove(&partition);
    }

    pub(super) fn set_paused(&mut self, partition: u32, paused: bool) {
        if let Some(cursor) = self.cursors.get_mut(&partition) {
            cursor.paused = paused;
        }
    }

    /// The next run of a partition that has one.
    ///
    /// # Errors
    /// When a partition no longer holds the offset that comes next.
    pub(super) fn next(&mut self, partitions: &[Partition], most: usize) -> Result<Option<RecordRun>> {
        let ready = |(number, cursor): &(&u32, &mut Cursor)| {
            let partition = partitions.get(**number as usize);
            !cursor.paused && partition.is_some_and(|partition| partition.end != cursor.next)
        };
        let turn = self.turn;
        let number = |(number, _): (&u32, &mut Cursor)| *number;
        let after = self.cursors.range_mut(turn..).find(ready).map(number);
        let Some(found) = after.or_else(|| self.cursors.iter_mut().find(ready).map(number)) else {
            return Ok(None);
        };
        let (Some(cursor), Some(partition)) = (self.cursors.get_mut(&found), partitions.get(found as usize))
        else {
            return Ok(None);
        };
        let tried = format!("go on reading partition {found} in memory from offset {}", cursor.next);
        partition.check(Offset(cursor.next), tried)?;
        let run = partition.run(found, cursor.next, most);
        cursor.next = run.next.0;
        self.turn = found + 1;
        Ok(Some(run))
    }
}
