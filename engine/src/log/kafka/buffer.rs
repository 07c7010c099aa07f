//! What a polling thread has fetched and its owner has not taken yet.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use abovefold_schemas::Offset;
use tokio::sync::Notify;

use super::super::{MemberEvent, Record, RecordRun};
use crate::error::{EngineError, Result};

/// One partition is full when it has so many records,
const FULL_RECORDS: usize = 10_000;
/// or so many bytes.
const FULL_BYTES: usize = 4 << 20;
/// One run holds at most so many records,
const RUN_RECORDS: usize = 1_000;
/// or ends after the record that fills so many bytes.
const RUN_BYTES: usize = 4 << 20;

/// Between the thread and the asynchronous side. Bounded, since the thread stops fetching what is [full](Fill::Full).
#[derive(Default)]
pub(super) struct Buffer {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<Result<MemberEvent>>,
    partitions: BTreeMap<u32, Partition>,
    /// The partition that was served last; the next one has its turn.
    last: u32,
    starts: u64,
    closed: bool,
}

#[derive(Default)]
struct Partition {
    /// Counts the starts, so that what was fetched before one is told from what came after it.
    generation: u64,
    paused: bool,
    records: VecDeque<Record>,
    bytes: usize,
    /// Where to read from next, behind the records, if that is later than the offset after the last of them: what lies between holds
    /// nothing for a reader.
    passed: Option<Offset>,
}

impl Partition {
    fn has_something(&self) -> bool {
        !self.records.is_empty() || self.passed.is_some()
    }
}

/// How full a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// There is room.
    Low,
    /// Over half.
    High,
    /// No more is to be fetched.
    Full,
}

impl Buffer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the owner something, before any record.
    pub(super) fn push_event(&self, event: Result<MemberEvent>) {
        self.state().events.push_back(event);
        self.changed.notify_one();
    }

    /// Drops what is left of partitions that went to others, and says so.
    pub(super) fn revoke(&self, partitions: Vec<u32>) {
        let mut state = self.state();
        for partition in &partitions {
            state.partitions.remove(partition);
        }
        state.events.push_back(Ok(MemberEvent::Revoked(partitions)));
        drop(state);
        self.changed.notify_one();
    }

    /// Begins a new generation of a partition: nothing that was fetched before is handed out any more.
    pub(super) fn restart(&self, partition: u32) -> u64 {
        let mut state = self.state();
        state.starts += 1;
        let generation = state.starts;
        let place = state.partitions.entry(partition).or_default();
        *place = Partition { generation, paused: place.paused, ..Partition::default() };
        generation
    }

    /// Holds a partition's records back, or hands them out again.
    pub(super) fn set_paused(&self, partition: u32, paused: bool) {
        if let Some(place) = self.state().partitions.get_mut(&partition) {
            place.paused = paused;
        }
        self.changed.notify_one();
    }

    /// Adds records, unless the partition was started again since, or is gone.
    pub(super) fn push_records(&self, partition: u32, generation: u64, records: Vec<Record>) {
        let mut state = self.state();
        let Some(place) = state.partitions.get_mut(&partition) else { return };
        if place.generation != generation || records.is_empty() {
            return;
        }
        place.bytes += records.iter().map(size).sum::<usize>();
        place.records.extend(records);
        // They say as much, and more.
        place.passed = None;
        drop(state);
        self.changed.notify_one();
    }

    /// Says that nothing more lies before `next`, behind the records that were added, unless the partition was started again since, or
    /// is gone.
    pub(super) fn push_passed(&self, partition: u32, generation: u64, next: Offset) {
        let mut state = self.state();
        let Some(place) = state.partitions.get_mut(&partition) else { return };
        if place.generation != generation {
            return;
        }
        place.passed = Some(next);
        drop(state);
        self.changed.notify_one();
    }

    /// How full a partition is.
    pub(super) fn fill(&self, partition: u32) -> Fill {
        let state = self.state();
        let Some(place) = state.partitions.get(&partition) else { return Fill::Low };
        if place.records.len() >= FULL_RECORDS || place.bytes >= FULL_BYTES {
            Fill::Full
        } else if place.records.len() >= FULL_RECORDS / 2 || place.bytes >= FULL_BYTES / 2 {
            Fill::High
        } else {
            Fill::Low
        }
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    /// What comes next. Cancel-safe: nothing is taken before it is returned.
    pub(super) async fn next(&self) -> Result<MemberEvent> {
        loop {
            if let Some(event) = self.state().take() {
                return event;
            }
            self.changed.notified().await;
        }
    }
}

impl State {
    fn take(&mut self) -> Option<Result<MemberEvent>> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let last = self.last;
        let ready = |(_, place): &(&u32, &Partition)| !place.paused && place.has_something();
        let number = |(partition, _): (&u32, &Partition)| *partition;
        let after = self.partitions.range(last.saturating_add(1)..).find(ready).map(number);
        let Some(partition) = after.or_else(|| self.partitions.iter().find(ready).map(number)) else {
            return self
                .closed
                .then(|| Err(EngineError::ours("read from Kafka", "the polling thread is gone")));
        };
        self.last = partition;
        let place = self.partitions.get_mut(&partition)?;
        let mut records = Vec::with_capacity(place.records.len().min(RUN_RECORDS));
        let mut bytes = 0;
        while records.len() < RUN_RECORDS && bytes < RUN_BYTES {
            let Some(record) = place.records.pop_front() else { break };
            bytes += size(&record);
            records.push(record);
        }
        place.bytes -= bytes;
        let passed = if place.records.is_empty() { place.passed.take() } else { None };
        let run = match passed {
            Some(next) => RecordRun { partition, records, next },
            None => RecordRun::new(partition, records),
        };
        Some(Ok(MemberEvent::Records(run)))
    }
}

/// What a record weighs in memory, roughly.
fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.as_ref().map_or(0, |key| key.len()) + record.value.len() + headers + 64
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::Timestamp;
    use bytes::Bytes;

    use super::*;

    fn record(offset: u64) -> Record {
        Record {
            offset: Offset(offset),
            time: Timestamp(0),
            key: None,
            value: Bytes::new(),
            headers: Vec::new(),
        }
    }

    fn take(buffer: &Buffer) -> Option<(u32, Vec<u64>)> {
        match buffer.state().take()? {
            Ok(MemberEvent::Records(run)) => {
                Some((run.partition, run.records.iter().map(|record| record.offset.0).collect()))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_fetched_before_a_start_is_not_handed_out() {
        let buffer = Buffer::default();
        let first = buffer.restart(0);
        buffer.push_records(0, first, vec![record(7)]);
        let second = buffer.restart(0);
        buffer.push_records(0, first, vec![record(8)]);
        assert_eq!(take(&buffer), None);
        buffer.push_records(0, second, vec![record(3)]);
        assert_eq!(take(&buffer), Some((0, vec![3])));
    }

    #[test]
    fn what_was_passed_comes_behind_the_records_and_once() {
        let buffer = Buffer::default();
        let first = buffer.restart(0);
        let next = || match buffer.state().take() {
            Some(Ok(MemberEvent::Records(run))) => Some((run.records.len(), run.next.0)),
            None => None,
            other => panic!("{other:?}"),
        };
        buffer.push_passed(0, first, Offset(3));
        assert_eq!(next(), Some((0, 3)));
        assert_eq!(next(), None);
        buffer.push_records(0, first, (5..1_500).map(record).collect());
        buffer.push_passed(0, first, Offset(1_503));
        assert_eq!(next(), Some((1_000, 1_005)));
        assert_eq!(next(), Some((495, 1_503)));
        // A record that comes behind carries it.
        buffer.push_passed(0, first, Offset(1_510));
        buffer.push_records(0, first, vec![record(1_512)]);
        assert_eq!(next(), Some((1, 1_513)));
        buffer.push_passed(0, first, Offset(1_600));
        let second = buffer.restart(0);
        buffer.push_passed(0, first, Offset(1_700));
        assert_eq!(next(), None);
        buffer.push_passed(0, second, Offset(9));
        buffer.set_paused(0, true);
        assert_eq!(next(), None);
        buffer.set_paused(0, false);
        assert_eq!(next(), Some((0, 9)));
    }

    #[test]
    fn partitions_have_turns_and_paused_ones_wait() {
        let buffer = Buffer::default();
        let generations = [0, 1, 2].map(|partition| buffer.restart(partition));
        for partition in [0, 1, 2] {
            let records = (0..1_001).map(record).collect();
            buffer.push_records(partition, generations[partition as usize], records);
        }
        buffer.set_paused(1, true);
        let served: Vec<_> =
            (0..4).filter_map(|_| take(&buffer)).map(|(partition, run)| (partition, run.len())).collect();
        assert_eq!(served, [(2, 1_000), (0, 1_000), (2, 1), (0, 1)]);
        assert_eq!(take(&buffer), None);
        buffer.set_paused(1, false);
        assert_eq!(take(&buffer).map(|(partition, run)| (partition, run.len())), Some((1, 1_000)));
        buffer.revoke(vec![1]);
        assert!(matches!(buffer.state().take(), Some(Ok(MemberEvent::Revoked(_)))));
        assert_eq!(take(&buffer), None);
    }
}
