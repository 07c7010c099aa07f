//! How long a request would wait that comes now, by which one that could not be answered in time is refused at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::OwnedSemaphorePermit;

use super::metrics::Stopwatch;

/// The weight of the last batch in the smoothed time, as one over so many.
const SMOOTHING: i64 = 4;

/// The smoothed time that a batch takes from its source to its end.
#[derive(Debug, Default)]
pub(super) struct Load {
    batch_micros: AtomicU64,
}

impl Load {
    /// A batch took so long.
    fn took(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 2);
        // Two batches that end at once may lose one of the two: the next one makes up for it.
        let before = self.batch_micros.load(Ordering::Relaxed) as i64;
        let smoothed = if before == 0 { micros } else { before + (micros - before) / SMOOTHING };
        self.batch_micros.store(smoothed.max(0) as u64, Ordering::Relaxed);
    }

    /// How long a request would take that comes behind `queued` others, which go down in batches of `batch`, `in_flight` of them at once.
    ///
    /// Nothing where nobody waits: one that goes down at once is also what shows that the read path is quick again.
    pub(super) fn time_behind(&self, queued: usize, batch: usize, in_flight: usize) -> Duration {
        if queued == 0 {
            return Duration::ZERO;
        }
        let micros = self.batch_micros.load(Ordering::Relaxed);
        let batches_before = queued.div_ceil(batch.max(1)) as u64;
        Duration::from_micros(micros.saturating_mul(batches_before) / in_flight.max(1) as u64 + micros)
    }
}

/// The place of a batch among those in flight: given back, and its time noted, when the batch ends, wherever that is.
#[derive(Debug)]
pub(super) struct Slot {
    began: Stopwatch,
    load: Arc<Load>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(super) fn new(permit: OwnedSemaphorePermit, load: Arc<Load>) -> Self {
        Self { began: Stopwatch::start(), load, _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.load.took(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_behind_many_waits_for_their_batches() {
        let load = Load::default();
        assert_eq!(load.time_behind(1_000, 32, 3), Duration::ZERO, "nothing is known yet");
        load.took(Duration::from_millis(30));
        assert_eq!(load.time_behind(0, 32, 3), Duration::ZERO);
        assert_eq!(load.time_behind(1, 32, 3), Duration::from_millis(40), "a third of a batch, and its own");
        assert_eq!(load.time_behind(320, 32, 3), Duration::from_millis(130));
        load.took(Duration::from_millis(10));
        assert_eq!(load.time_behind(320, 32, 1), Duration::from_millis(275), "a quarter nearer to 10 ms");
    }
}
