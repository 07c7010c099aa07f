//! What flows between the steps of a running dataflow, counted: for the operations page.
//!
//! Each edge and each step counts for itself, in atomics: no lock, no allocation, and nothing a row. Whoever looks reads the counters twice and takes the
//! difference.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use abovefold_schemas::Timestamp;

use crate::graph::Graph;

/// What a step has taken in and not handed on yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Windows of processing time that are open.
    pub windows: usize,
    /// Rows that wait in them.
    pub rows: usize,
}

/// The counters of the channel between two steps.
#[derive(Debug)]
pub struct EdgeMeter {
    capacity: usize,
    sent: AtomicU64,
    taken: AtomicU64,
    rows: AtomicU64,
    waited_ms: AtomicU64,
    /// Since when the sender waits for room (ms since 1970); 0 while it does not.
    waiting_since: AtomicI64,
}

/// An edge at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeReading {
    /// Messages that were taken off so far.
    pub messages: u64,
    /// Rows in them.
    pub rows: u64,
    /// Messages that wait.
    pub queued: usize,
    /// How many may wait before the sender does.
    pub capacity: usize,
    /// How long the sender has waited for room so far, a wait that still goes on included.
    pub waited: Duration,
}

impl EdgeMeter {
    pub(crate) fn new(capacity: usize) -> Self {
        let (sent, taken, rows, waited_ms) = Default::default();
        Self { capacity, sent, taken, rows, waited_ms, waiting_since: AtomicI64::new(0) }
    }

    pub(crate) fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self, rows: usize) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(crate) fn waits(&self, since: Timestamp) {
        self.waiting_since.store(since.0, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, until: Timestamp) {
        let since = self.waiting_since.swap(0, Ordering::Relaxed);
        self.waited_ms.fetch_add(span(since, until), Ordering::Relaxed);
    }

    /// What it counted up to now.
    pub fn read(&self, now: Timestamp) -> EdgeReading {
        let taken = self.taken.load(Ordering::Relaxed);
        let queued = self.sent.load(Ordering::Relaxed).saturating_sub(taken) as usize;
        let waiting = match self.waiting_since.load(Ordering::Relaxed) {
            0 => 0,
            since => span(since, now),
        };
        EdgeReading {
            messages: taken,
            rows: self.rows.load(Ordering::Relaxed),
            queued: queued.min(self.capacity),
            capacity: self.capacity,
            waited: Duration::from_millis(self.waited_ms.load(Ordering::Relaxed) + waiting),
        }
    }
}

/// Milliseconds from one moment to another; none where the clock was set back.
fn span(since: i64, until: Timestamp) -> u64 {
    u64::try_from(until.0.saturating_sub(since)).unwrap_or(0)
}

/// What one step holds back, as of its last message.
#[derive(Debug, Default)]
pub struct NodeMeter {
    windows: AtomicU64,
    rows: AtomicU64,
}

impl NodeMeter {
    pub(crate) fn holds(&self, held: Held) {
        self.windows.store(held.windows as u64, Ordering::Relaxed);
        self.rows.store(held.rows as u64, Ordering::Relaxed);
    }

    /// What it holds.
    pub fn read(&self) -> Held {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as usize;
        Held { windows: read(&self.windows), rows: read(&self.rows) }
    }
}

/// A dataflow's graph with the counters of its running steps. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// What it is made of.
    pub graph: Graph,
    /// One counter an edge, in the graph's order; none where the steps are one task and nothing lies between them.
    pub edges: Vec<Arc<EdgeMeter>>,
    /// One counter a node, in the graph's order; none as above.
    pub nodes: Vec<Arc<NodeMeter>>,
}

impl Watched {
    /// A graph whose steps are one task.
    pub fn bare(graph: Graph) -> Self {
        Self { graph, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_says_what_waits_in_it_and_how_long_its_sender_does() {
        let edge = EdgeMeter::new(2);
        edge.sent();
        edge.sent();
        edge.taken(7);
        edge.waits(Timestamp(1_000));
        let read = edge.read(Timestamp(1_250));
        assert_eq!((read.messages, read.rows, read.queued, read.capacity), (1, 7, 1, 2));
        assert_eq!(read.waited, Duration::from_millis(250), "a wait that still goes on");
        edge.waited(Timestamp(1_300));
        assert_eq!(edge.read(Timestamp(9_000)).waited, Duration::from_millis(300));
        edge.waits(Timestamp(10_000));
        edge.waited(Timestamp(9_000));
        assert_eq!(
            edge.read(Timestamp(9_000)).waited,
            Duration::from_millis(300),
            "a clock that was set back"
        );
    }
}
