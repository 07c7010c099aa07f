//! What flows down a partitioned dataflow: leases that begin and end, records, acknowledgements, wishes.

use abovefold_schemas::{LastRecord, Marker, Offset};
use tokio::sync::mpsc;

use crate::{
    error::EngineError,
    log::{Record, RecordRun},
};

/// One stretch of work on one partition, from its marker on. A partition that is started again gets a new generation, so that what is
/// still under way from before is told apart and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// The partition.
    pub partition: u32,
    /// Counts the starts within this process.
    pub generation: u64,
}

/// A message on the write path.
#[derive(Clone, Debug, PartialEq)]
pub enum Feed<T> {
    /// Work on a partition begins at its stored marker. Whatever is held of that partition is void.
    Begin {
        /// The new lease.
        lease: Lease,
        /// Where its state stands.
        marker: Marker,
    },
    /// The partition is no longer ours. Whatever is held of it is void.
    End {
        /// The lease that ends.
        lease: Lease,
    },
    /// Something of the partition, in the order of the log.
    Data {
        /// Under which lease it was read.
        lease: Lease,
        /// What it is.
        data: T,
    },
    /// The store has the partition's state up to `marker`.
    Acked {
        /// The lease of the epoch.
        lease: Lease,
        /// The marker that was written.
        marker: Marker,
    },
    /// Somebody waits for the partition's marker to reach `until`: do not wait for the window to close.
    Hurry {
        /// The partition.
        partition: u32,
        /// The marker that is waited for.
        until: Offset,
    },
}

impl<T> Feed<T> {
    /// The partition that it is about.
    pub fn partition(&self) -> u32 {
        match self {
            Self::Begin { lease, .. }
            | Self::End { lease }
            | Self::Data { lease, .. }
            | Self::Acked { lease, .. } => lease.partition,
            Self::Hurry { partition, .. } => *partition,
        }
    }

    /// How many rows its data holds; none where it has no data.
    pub fn rows(&self, of: impl FnOnce(&T) -> usize) -> usize {
        match self {
            Self::Data { data, .. } => of(data),
            Self::Begin { .. } | Self::End { .. } | Self::Acked { .. } | Self::Hurry { .. } => 0,
        }
    }

    /// The same message with its data changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Feed<U> {
        match self {
            Self::Begin { lease, marker } => Feed::Begin { lease, marker },
            Self::End { lease } => Feed::End { lease },
            Self::Data { lease, data } => Feed::Data { lease, data: change(data) },
            Self::Acked { lease, marker } => Feed::Acked { lease, marker },
            Self::Hurry { partition, until } => Feed::Hurry { partition, until },
        }
    }

    /// The same message with its data changed by something that may fail.
    ///
    /// # Errors
    /// That of `change`.
    pub fn try_map<U, E>(self, change: impl FnOnce(Lease, T) -> Result<U, E>) -> Result<Feed<U>, E> {
        match self {
            Self::Data { lease, data } => change(lease, data).map(|data| Feed::Data { lease, data }),
            Self::Begin { lease, marker } => Ok(Feed::Begin { lease, marker }),
            Self::End { lease } => Ok(Feed::End { lease }),
            Self::Acked { lease, marker } => Ok(Feed::Acked { lease, marker }),
            Self::Hurry { partition, until } => Ok(Feed::Hurry { partition, until }),
        }
    }
}

/// A run of records of one partition that can be cut anywhere.
pub trait Run: Send + Sized + 'static {
    /// How many records it covers.
    fn records(&self) -> usize;
    /// Takes the first `count` records off; `count` is at least 1 and less than [`Run::records`].
    fn take_front(&mut self, count: usize) -> Self;
    /// The last record covered, if there is one. The hash is computed here, once an epoch.
    fn last(&self) -> Option<LastRecord>;
    /// The offset after all that is covered.
    fn next(&self) -> Offset;
}

impl Run for RecordRun {
    fn records(&self) -> usize {
        self.records.len()
    }

    fn take_front(&mut self, count: usize) -> Self {
        let rest = self.records.split_off(count);
        Self::new(self.partition, std::mem::replace(&mut self.records, rest))
    }

    fn last(&self) -> Option<LastRecord> {
        self.records.last().map(Record::as_last)
    }

    fn next(&self) -> Offset {
        self.next
    }
}

/// A run of offsets of one partition that is written as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch<T> {
    /// The marker that the store must have.
    pub expected: Marker,
    /// The marker after it.
    pub target: Marker,
    /// The records, in order.
    pub runs: Vec<T>,
}

impl<T: Run> Epoch<T> {
    /// How many records it covers.
    pub fn records(&self) -> usize {
        self.runs.iter().map(Run::records).sum()
    }
}

/// What the end of a dataflow tells its source.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// An epoch was written.
    Acked {
        /// Its lease.
        lease: Lease,
        /// The marker that is stored now.
        marker: Marker,
    },
    /// The store has another marker than expected: begin again from what is stored.
    Reset {
        /// The lease that is void.
        lease: Lease,
        /// Why, for the log.
        reason: String,
    },
    /// Something of the partition cannot be folded or written, and trying again does not help: it stands still until somebody mends it.
    Failed {
        /// The lease that is void.
        lease: Lease,
        /// What has to be mended.
        error: EngineError,
    },
}

/// The way back from the end of a dataflow to its source. Unbounded, since what is under way is bounded already.
pub type Feedback = mpsc::UnboundedSender<Signal>;
