//! What the engine's own metrics count during a run.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use abovefold_engine::metrics::{EDGE_RETRIES, PARTITION_RESETS};
use abovefold_operators::metrics::{COPIES_OUT_OF_TURN, DEAD_LETTERS, STRAYS_PASSED_ON};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

const WATCHED: [(&str, &str); 5] = [
    (STRAYS_PASSED_ON, "strays"),
    (DEAD_LETTERS, "dead letters"),
    (COPIES_OUT_OF_TURN, "copies out of turn"),
    (PARTITION_RESETS, "resets"),
    (EDGE_RETRIES, "retries"),
];

/// Counts what is watched.
#[derive(Default)]
pub struct Seen {
    counts: Mutex<BTreeMap<&'static str, Arc<AtomicU64>>>,
}

impl Seen {
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.lock().unwrap();
        let counts: Vec<_> =
            counts.iter().map(|(what, count)| (*what, count.load(Ordering::Relaxed))).collect();
        counts.into_iter()
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let Some((_, what)) = WATCHED.iter().find(|(name, _)| *name == key.name()) else {
            return Counter::noop();
        };
        Counter::from_arc(self.counts.lock().unwrap().entry(what).or_default().clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
