//! The thread that writes: changes that wait together share a transaction, hence one wait for the disk.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use abovefold_schemas::Marker;
use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::{EpochWrite, Shared, Tag, WriteOutcome, lock, tables};
use crate::error::{EngineError, Result};

/// How many changes may share a transaction.
const GROUP: usize = 64;

/// Where the answer to a change goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T>>;

/// A change that waits for its turn.
pub(super) enum Change {
    /// Set the marker of a partition that has none.
    Initialise { tag: Tag, marker: Marker, answer: Answer<Marker> },
    /// Write an epoch.
    Epoch { tag: Tag, epoch: EpochWrite, answer: Answer<WriteOutcome> },
    /// Drop a namespace.
    Drop { namespace: String, answer: Answer<()> },
}

/// The one thread that writes.
pub(super) struct Writer {
    changes: Option<mpsc::Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(shared: Arc<Shared>) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            while let Ok(first) = receiver.recv() {
                let group = std::iter::once(first).chain(receiver.try_iter().take(GROUP - 1)).collect();
                commit(&shared, group);
            }
        };
        let thread = std::thread::Builder::new()
            .name("state-write".to_owned())
            .spawn(work)
            .map_err(|error| EngineError::outside("start a thread for the state store", error))?;
        Ok(Self { changes: Some(sender), thread: Some(thread) })
    }

    /// Hands a change to the thread and waits until it is on the disk.
    pub async fn ask<T>(&self, change: impl FnOnce(Answer<T>) -> Change) -> Result<T> {
        let gone = || EngineError::ours("write to the state store", "its writing thread is gone");
        let (sender, answer) = oneshot::channel();
        let changes = self.changes.as_ref().expect("the sender goes only when the writer is dropped");
        changes.send(change(sender)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// Ends the thread after what it was asked, so that the file is free as soon as the store is dropped.
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What to tell once the transaction is on the disk.
enum Told {
    Initialised(Tag, Marker, Answer<Marker>),
    Written(Tag, WriteOutcome, Marker, Answer<WriteOutcome>),
    Dropped(String, Answer<()>),
}

impl Told {
    fn fail(self, shared: &Shared, reason: &str) {
        // In each case: a caller that gave up wants no answer.
        match self {
            Self::Initialised(_, _, answer) => drop(answer.send(Err(shared.failed("set a marker", reason)))),
            Self::Written(tag, _, _, answer) => {
                drop(answer.send(Err(shared.failed(&format!("write an epoch of {tag}"), reason))));
            }
            Self::Dropped(_, answer) => drop(answer.send(Err(shared.failed("drop a namespace", reason)))),
        }
    }

    fn succeed(self, shared: &Shared) {
        match self {
            Self::Initialised(tag, marker, answer) => {
                shared.signals.announce(&tag, Some(marker));
                let _ = answer.send(Ok(marker));
            }
            Self::Written(tag, outcome, target, answer) => {
                if outcome == WriteOutcome::Applied {
                    shared.signals.announce(&tag, Some(target));
                }
                let _ = answer.send(Ok(outcome));
            }
            Self::Dropped(namespace, answer) => {
                lock(&shared.derived).remove_all(&tables::namespace_prefix(&namespace));
                let _ = answer.send(Ok(()));
            }
        }
    }
}

fn commit(shared: &Shared, group: Vec<Change>) {
    let mut told = Vec::with_capacity(group.len());
    let result = write(shared, group, &mut told);
    lock(&shared.derived).landed();
    for change in told {
        match &result {
            Ok(()) => change.succeed(shared),
            Err(error) => change.fail(shared, &error.to_string()),
        }
    }
}

fn write(shared: &Shared, group: Vec<Change>, told: &mut Vec<Told>) -> Result<(), redb::Error> {
    let mut begun = shared.database.begin_write().map_err(redb::Error::from);
    let mut failed = None;
    let mut invalidated = Vec::new();
    for change in group {
        // After a failure the rest of the group is only told.
        let transaction = if failed.is_none() { begun.as_mut().ok() } else { None };
        let applied = apply(transaction, change, told, &mut invalidated);
        failed = failed.or(applied.err());
    }
    let transaction = begun?;
    if let Some(error) = failed {
        return Err(error);
    }
    // What the group invalidates goes before the group is visible, and stays away until then. Should the commit fail, a cache
    // has lost some values.
    lock(&shared.derived).departing(invalidated);
    Ok(transaction.commit()?)
}

/// Makes one change within the transaction, and notes in any case whom to tell.
fn apply(
    transaction: Option<&mut WriteTransaction>,
    change: Change,
    told: &mut Vec<Told>,
    invalidated: &mut Vec<Vec<u8>>,
) -> Result<(), redb::Error> {
    match change {
        Change::Initialise { tag, marker, answer } => {
            let there = transaction.map(|transaction| tables::initialise(transaction, &tag, marker));
            let (there, result) = split(there, marker);
            told.push(Told::Initialised(tag, there, answer));
            result
        }
        Change::Epoch { tag, epoch, answer } => {
            let outcome = transaction.map(|transaction| tables::write_epoch(transaction, &tag, &epoch));
            let (outcome, result) = split(outcome, WriteOutcome::Conflict(None));
            if outcome == WriteOutcome::Applied {
                let prefix = tables::prefix(&tag);
                invalidated.extend(epoch.invalidated.iter().map(|key| tables::key(&prefix, key)));
            }
            told.push(Told::Written(tag, outcome, epoch.target, answer));
            result
        }
        Change::Drop { namespace, answer } => {
            let dropped = transaction.map(|transaction| tables::drop_namespace(transaction, &namespace));
            told.push(Told::Dropped(namespace, answer));
            dropped.unwrap_or(Ok(()))
        }
    }
}

/// The outcome, and whether it failed; `nothing` stands in where it did, and is never told.
fn split<T>(outcome: Option<Result<T, redb::Error>>, nothing: T) -> (T, Result<(), redb::Error>) {
    match outcome {
        Some(Ok(outcome)) => (outcome, Ok(())),
        Some(Err(error)) => (nothing, Err(error)),
        None => (nothing, Ok(())),
    }
}
