//! Reads partitions in turn, from where each of them has come, and waits at the tail.

use std::sync::Arc;

use abovefold_schemas::Offset;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    super::{Record, RecordRun},
    store::{Store, Topic},
};
use crate::error::{EngineError, Result};

/// Where one partition is read.
struct Cursor {
    partition: u32,
    next: u64,
    paused: bool,
}

/// A read under way on a blocking thread. It outlives a caller that stops waiting, so that nothing is read twice.
struct Pending {
    partition: u32,
    from: u64,
    records: JoinHandle<Result<Vec<Record>>>,
}

/// Follows chosen partitions of a topic.
pub(super) struct Follower {
    store: Arc<Store>,
    pub(super) topic: Arc<Topic>,
    grown: watch::Receiver<()>,
    cursors: Vec<Cursor>,
    /// The cursor that is looked at first, so that a busy partition does not starve the others.
    turn: usize,
    pending: Option<Pending>,
}

impl Follower {
    pub(super) fn new(store: Arc<Store>, topic: Arc<Topic>) -> Self {
        let grown = topic.grown.subscribe();
        Self { store, topic, grown, cursors: Vec::new(), turn: 0, pending: None }
    }

    /// Reads a partition from an offset on, whatever was read of it before.
    pub(super) fn start(&mut self, partition: u32, from: Offset) -> Result<()> {
        let tried = || {
            format!(
                "read topic {}, partition {partition}, from offset {from} of {}",
                self.topic.name, self.store
            )
        };
        if partition >= self.topic.partitions() {
            let reason = format!("there is no such partition, only {}", self.topic.partitions());
            return Err(EngineError::user(tried(), reason));
        }
        let end = self.topic.end(partition);
        if from.0 > end {
            let reason = format!("the partition holds offsets 0 to {end}; was the log cut or made anew?");
            return Err(EngineError::user(tried(), reason));
        }
        match self.cursors.iter_mut().find(|cursor| cursor.partition == partition) {
            Some(cursor) => cursor.next = from.0,
            None => self.cursors.push(Cursor { partition, next: from.0, paused: false }),
        }
        Ok(())
    }

    /// Holds a partition back, or lets it go on.
    pub(super) fn set_paused(&mut self, partition: u32, paused: bool) {
        if let Some(cursor) = self.cursors.iter_mut().find(|cursor| cursor.partition == partition) {
            cursor.paused = paused;
        }
    }

    /// The next run of any partition. Cancel-safe: a cursor moves only when its run is handed out.
    pub(super) async fn next(&mut self) -> Result<RecordRun> {
        loop {
            if let Some(pending) = &mut self.pending {
                let outcome = (&mut pending.records).await;
                let (partition, from) = (pending.partition, pending.from);
                self.pending = None;
                let records =
                    outcome.map_err(|error| EngineError::ours("read the embedded log", error))??;
                if let Some(run) = self.accept(partition, from, records) {
                    self.begin_read();
                    return Ok(run);
                }
            }
            // Marked as seen before looking, so that an append in between wakes us.
            self.grown.borrow_and_update();
            if !self.begin_read() && self.grown.changed().await.is_err() {
                return Err(EngineError::ours("follow the embedded log", "it was closed"));
            }
        }
    }

    /// Moves the cursor past records that it is still to be given; drops what a seek or a pause has overtaken.
    fn accept(&mut self, partition: u32, from: u64, records: Vec<Record>) -> Option<RecordRun> {
        let wanted =
            |cursor: &&mut Cursor| cursor.partition == partition && cursor.next == from && !cursor.paused;
        let cursor = self.cursors.iter_mut().find(wanted)?;
        cursor.next = records.last()?.offset.next().0;
        Some(RecordRun::new(partition, records))
    }

    /// Begins to read the next partition that has something; returns whether there is one.
    fn begin_read(&mut self) -> bool {
        let count = self.cursors.len();
        for step in 0..count {
            let place = (self.turn + step) % count;
            let Cursor { partition, next, paused } = self.cursors[place];
            if paused || next >= self.topic.end(partition) {
                continue;
            }
            self.turn = place + 1;
            let (store, topic) = (Arc::clone(&self.store), Arc::clone(&self.topic));
            let records = tokio::task::spawn_blocking(move || store.read(&topic, partition, next));
            self.pending = Some(Pending { partition, from: next, records });
            return true;
        }
        false
    }
}
