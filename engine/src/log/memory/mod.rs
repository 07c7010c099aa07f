//! A log in memory, for tests, simulations and benchmarks: it forgets all when it is dropped.
//!
//! It is a whole log: topics, order, log-append time, groups that rebalance. What a real log does only under stress can be asked of it: gaps
//! that hold nothing for a reader ([`MemoryLog::pass`]), a cut ([`MemoryLog::truncate`]), retention ([`MemoryLog::forget_before`]), members
//! that are expelled and do not know it yet ([`MemoryLog::expel`]).

mod group;
mod partition;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use abovefold_schemas::{Offset, Timestamp};
use async_trait::async_trait;
use tokio::sync::watch;

use self::{
    group::{Groups, MemoryMember},
    partition::{Cursors, Partition},
};
use super::{
    Bounds, Log, LogClock, LogMember, LogReader, Membership, NewRecord, Position, Record, RecordRun,
    open::check_topic_name, partition_of,
};
use crate::error::{EngineError, Result};

/// The partitions of a topic whose creator asks for 0.
const PARTITIONS: u32 = 4;
/// Records of one run, unless told otherwise.
const RUN_RECORDS: usize = 1_000;

/// The make of [`Log`] that lives in a process's memory. Clones share it.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    clock: LogClock,
    run_records: usize,
    state: Mutex<State>,
    /// Changes whenever anything does that somebody may wait for.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Partition>>,
    groups: Groups,
    keyless: u32,
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryLog")
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn topic(&self, topic: &str, tried: &str) -> Result<&Vec<Partition>> {
        self.topics.get(topic).ok_or_else(|| no_topic(topic, tried))
    }
}

fn no_topic(topic: &str, tried: &str) -> EngineError {
    EngineError::user(format!("{tried} topic {topic} in memory"), "there is no such topic; create it first")
}

impl MemoryLog {
    /// An empty log whose records get their times from `clock`.
    pub fn new(clock: LogClock) -> Self {
        Self::with_runs_of(clock, RUN_RECORDS)
    }

    /// An empty log that hands out at most so many records at once.
    pub fn with_runs_of(clock: LogClock, run_records: usize) -> Self {
        let (state, changed) = (Mutex::default(), watch::Sender::new(()));
        Self { shared: Arc::new(Shared { clock, run_records: run_records.max(1), state, changed }) }
    }

    fn change(&self, topic: &str, partition: u32, change: impl FnOnce(&mut Partition)) {
        let mut state = self.shared.state();
        if let Some(found) =
            state.topics.get_mut(topic).and_then(|partitions| partitions.get_mut(partition as usize))
        {
            change(found);
        }
        drop(state);
        self.shared.changed.send_replace(());
    }

    /// The records of a partition at and after `from` and before `until`; none where there is no such partition.
    pub fn records(&self, topic: &str, partition: u32, from: Offset, until: Offset) -> Vec<Record> {
        let state = self.shared.state();
        let found = state.topics.get(topic).and_then(|partitions| partitions.get(partition as usize));
        found.map_or_else(Vec::new, |partition| partition.between(from, until))
    }

    /// Moves the end of a partition by offsets that hold nothing for a reader, as control records of transactions do.
    pub fn pass(&self, topic: &str, partition: u32, offsets: u64) {
        self.change(topic, partition, |partition| partition.end += offsets);
    }

    /// Cuts a partition: what lies at `end` and after it is gone, and its offsets are given again.
    pub fn truncate(&self, topic: &str, partition: u32, end: Offset) {
        self.change(topic, partition, |partition| partition.truncate(end.0));
    }

    /// Removes what lies before `begin`, as retention does.
    pub fn forget_before(&self, topic: &str, partition: u32, begin: Offset) {
        self.change(topic, partition, |partition| partition.forget_before(begin.0));
    }

    /// Takes the partitions of the member that joined a group's topic first and gives them to the others, as a coordinator does that has
    /// not heard from it for too long. The member goes on as if nothing had happened until [`MemoryLog::tell_expelled`]. Returns whether there was one.
    pub fn expel(&self, group: &str, topic: &str, nth: usize) -> bool {
        let expelled = self.shared.state().groups.expel(group, topic, nth);
        self.shared.changed.send_replace(());
        expelled
    }

    /// What a group committed last of a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: u32) -> Option<Offset> {
        self.shared.state().groups.committed(group, topic, partition)
    }

    /// Lets the members that were expelled know, whereupon they join again.
    pub fn tell_expelled(&self, group: &str, topic: &str) {
        self.shared.state().groups.tell_expelled(group, topic);
        self.shared.changed.send_replace(());
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn partitions(&self, topic: &str) -> Result<Option<u32>> {
        Ok(self.shared.state().topics.get(topic).map(|partitions| partitions.len() as u32))
    }

    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32> {
        check_topic_name(topic)?;
        let count = if partitions == 0 { PARTITIONS } else { partitions };
        let mut state = self.shared.state();
        let there = state
            .topics
            .entry(topic.to_owned())
            .or_insert_with(|| (0..count).map(|_| Partition::default()).collect());
        Ok(there.len() as u32)
    }

    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let partitions = state.topics.get_mut(topic).ok_or_else(|| no_topic(topic, "append to"))?;
        let count = partitions.len() as u32;
        let now = (self.shared.clock)();
        let mut positions = Vec::with_capacity(records.len());
        for record in records {
            let partition = match (record.partition, &record.key) {
                (Some(partition), _) if partition >= count => {
                    let reason = format!("there is no partition {partition}, only {count}");
                    return Err(EngineError::user(format!("append to topic {topic} in memory"), reason));
                }
                (Some(partition), _) => partition,
                (None, Some(key)) => partition_of(key, count),
                (None, None) => {
                    state.keyless = state.keyless.wrapping_add(1);
                    state.keyless % count
                }
            };
            let offset = partitions[partition as usize].append(record, now);
            positions.push(Position { partition, offset });
        }
        drop(guard);
        self.shared.changed.send_replace(());
        Ok(positions)
    }

    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>> {
        let state = self.shared.state();
        Ok(state.topic(topic, "find the bounds of")?.iter().map(Partition::bounds).collect())
    }

    async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<Vec<Offset>> {
        let state = self.shared.state();
        Ok(state.topic(topic, "seek by time in")?.iter().map(|partition| partition.offset_at(time)).collect())
    }

    async fn read(&self, topic: &str, from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        let state = self.shared.state();
        let partitions = state.topic(topic, "read")?;
        let mut cursors = Cursors::default();
        for Position { partition, offset } in from {
            let tried = format!("read topic {topic}, partition {partition}, from offset {offset} in memory");
            let Some(found) = partitions.get(partition as usize) else {
                return Err(EngineError::user(
                    tried,
                    format!("there is no such partition, only {}", partitions.len()),
                ));
            };
            found.check(offset, tried)?;
            cursors.start(partition, offset);
        }
        let changed = self.shared.changed.subscribe();
        Ok(Box::new(MemoryReader { shared: self.shared.clone(), topic: topic.to_owned(), cursors, changed }))
    }

    async fn join(&self, topic: &str, membership: Membership) -> Result<Box<dyn LogMember>> {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let partitions = state.topic(topic, "join a group on")?.len() as u32;
        let seat = state.groups.join(&membership.group, topic, partitions);
        drop(guard);
        self.shared.changed.send_replace(());
        Ok(Box::new(MemoryMember::new(self.shared.clone(), membership.group, topic, seat)))
    }
}

struct MemoryReader {
    shared: Arc<Shared>,
    topic: String,
    cursors: Cursors,
    changed: watch::Receiver<()>,
}

#[async_trait]
impl LogReader for MemoryReader {
    async fn next(&mut self) -> Result<RecordRun> {
        loop {
            // Marked as seen before looking, so that a change in between wakes us.
            self.changed.borrow_and_update();
            {
                let state = self.shared.state();
                let partitions = state.topic(&self.topic, "read")?;
                if let Some(run) = self.cursors.next(partitions, self.shared.run_records)? {
                    return Ok(run);
                }
            }
            // The sender lives as long as `shared`, which is ours.
            self.changed.changed().await.ok();
        }
    }
}
