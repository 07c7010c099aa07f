//! One window while it may still change.

use std::collections::BTreeSet;

use abovefold_schemas::{Kept, Offset, windows::KeptWindow};
use bytes::Bytes;

use super::{aggregate::Aggregate, window::Pane};
use crate::state::Value;

/// A window: the key of its events, and its start.
pub(super) type Id = (Bytes, i64);
/// A window among others in the order of a moment.
pub(super) type At = (i64, Bytes, i64);

/// A window that may still change.
#[derive(Clone, Debug)]
pub(super) struct Held<A> {
    /// The first moment after it.
    pub end: i64,
    /// Events in it.
    pub events: u64,
    /// Those of them that came after the watermark had passed the end.
    pub late: u64,
    /// What was made of them.
    pub aggregate: A,
    /// The offset after the record that changed it last.
    pub version: Offset,
    /// Whether the store has it.
    pub stored: bool,
}

/// What the store does not have yet of a window.
#[derive(Clone, Debug)]
pub(super) enum Dirty {
    /// It is among the windows.
    Held,
    /// It settled then, as this.
    Settled(i64, Value),
    /// The store has it, and is to remove it.
    Removed,
}

impl<A: Aggregate> Held<A> {
    /// Without any event.
    pub fn new(end: i64) -> Self {
        Self { end, events: 0, late: 0, aggregate: A::default(), version: Offset(0), stored: false }
    }

    /// Takes an event in, which amends what was closed already or does not.
    pub fn add(&mut self, item: &A::Item, amended: bool, after: Offset) {
        self.aggregate.add(item);
        self.events += 1;
        self.late += u64::from(amended);
        self.version = after;
    }

    /// Takes a session in that began later than all in here.
    pub fn join(&mut self, other: &Self) {
        self.aggregate.merge(&other.aggregate);
        self.events += other.events;
        self.late += other.late;
        self.end = self.end.max(other.end);
    }

    /// The value that the store keeps, by the watermark so far; `settled` once nothing can change it.
    pub fn to_value(&self, watermark: i64, settled: Option<i64>) -> Value {
        let pane = match self.end > watermark {
            true => Pane::Early,
            false if self.late > 0 => Pane::Late,
            false => Pane::OnTime,
        };
        let kept = KeptWindow {
            end: self.end,
            pane: pane.to_kept(),
            events: self.events,
            late: self.late,
            settled,
            aggregate: self.aggregate.to_bytes(),
        };
        Value { version: self.version, bytes: kept.to_kept().into() }
    }
}

/// Takes out the first window whose moment has come.
pub(super) fn pop_until(index: &mut BTreeSet<At>, moment: i64) -> Option<At> {
    if index.first()?.0 <= moment { index.pop_first() } else { None }
}
