//! How long a request would wait that comes now, by which one that would wait too long is refused at once.
//!
//! What counts is the time between two answers while there is work: it holds whatever takes the time, the processors or an edge's trips, and however
//! requests are cut into batches.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

/// What is left of the measured rate's memory with each batch that ends.
const KEPT: f64 = 0.9;
/// So many requests may always be on their way: below that, more at once is what shows how much can be borne.
const ALWAYS: usize = 8;
/// So many requests have to end without a rest, before a wait that is too long counts: a burst is borne, and what piles up behind an edge that
/// stalls for a moment.
const BURST: usize = 64;

/// What is on its way, and how fast it goes.
#[derive(Debug, Default)]
pub(super) struct Load(Mutex<Flow>);

#[derive(Debug, Default)]
struct Flow {
    /// Requests in batches that have begun.
    begun: usize,
    /// Requests that ended since somebody came to a read path that had been at rest.
    since_rest: usize,
    /// When a batch last ended.
    ended: Option<Instant>,
    /// Microseconds with work, and the requests that ended in them; older ones fade.
    busy_micros: f64,
    finished: f64,
}

impl Flow {
    /// A batch of so many requests, which began then, ends now.
    fn ends(&mut self, requests: usize, began: Instant, now: Instant) {
        let since = self.ended.map_or(began, |ended| ended.max(began));
        self.busy_micros = self.busy_micros * KEPT + now.duration_since(since).as_micros() as f64;
        self.finished = self.finished * KEPT + requests as f64;
        self.ended = Some(now);
        self.begun = self.begun.saturating_sub(requests);
        self.since_rest = self.since_rest.saturating_add(requests);
    }

    /// How long `requests` take together.
    fn time_of(&self, requests: usize) -> Duration {
        let micros = if self.finished > 0.0 { self.busy_micros / self.finished } else { 0.0 };
        Duration::from_micros((micros * requests as f64) as u64)
    }
}

impl Load {
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may come behind `queued` others that has `left` until its deadline. `wait` is how long it may take where the read path has
    /// not been at rest for long; zero knows no such limit.
    ///
    /// One that finds nobody there may come always: it is also what shows that the read path is quick again.
    pub(super) fn admits(&self, queued: usize, left: Duration, wait: Duration, now: Instant) -> bool {
        let mut flow = self.flow();
        let ahead = queued + flow.begun;
        if ahead == 0 {
            // Between two batches there is nobody for a moment, too, where those behind them are refused.
            if flow.ended.is_none_or(|ended| now.duration_since(ended) >= wait / 2) {
                flow.since_rest = 0;
            }
            return true;
        }
        let takes = flow.time_of(ahead + 1);
        let may_wait = wait.is_zero() || ahead < ALWAYS || flow.since_rest < BURST;
        takes <= left && (may_wait || takes <= wait)
    }
}

/// The place of a batch among those in flight: given back, and its time noted, when the batch ends, wherever that is.
#[derive(Debug)]
pub(super) struct Slot {
    began: Instant,
    requests: usize,
    load: Arc<Load>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// A batch of so many requests begins.
    pub(super) fn new(requests: usize, permit: OwnedSemaphorePermit, load: Arc<Load>) -> Self {
        load.flow().begun += requests;
        Self { began: Instant::now(), requests, load, _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.load.flow().ends(self.requests, self.began, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A read path that answered 100 requests in 200 ms without a rest, with `begun` on their way.
    fn with_2_ms_each(begun: usize) -> Load {
        let (load, now) = (Load::default(), Instant::now());
        load.flow().begun = 100 + begun;
        load.flow().ends(100, now, now + MS(200));
        load
    }

    #[test]
    fn who_could_not_be_answered_in_time_is_refused() {
        let (load, now) = (with_2_ms_each(10), Instant::now());
        assert!(Load::default().admits(1_000, MS(1), MS(0), now), "nothing is known yet");
        assert!(load.admits(89, MS(200), MS(0), now), "99 before it");
        assert!(!load.admits(90, MS(200), MS(0), now));
        load.flow().begun = 0;
        assert!(load.admits(0, MS(1), MS(0), now), "nobody is before it");
    }

    #[test]
    fn a_wait_that_is_too_long_is_borne_in_a_burst_only() {
        let (load, second) = (with_2_ms_each(0), MS(1_000));
        let now = load.flow().ended.unwrap();
        let admits = |queued, now| load.admits(queued, second, MS(20), now);
        assert!(admits(9, now), "20 ms");
        assert!(!admits(10, now));
        assert!(admits(0, now + MS(9)), "between two batches");
        assert!(!admits(10, now + MS(9)));
        assert!(admits(0, now + MS(10)), "at rest");
        assert!(admits(100, now + MS(10)), "a burst");
        load.flow().ends(BURST - 1, now + MS(10), now + MS(136));
        assert!(admits(10, now + MS(136)), "still one");
        load.flow().ends(1, now + MS(10), now + MS(138));
        assert!(!admits(10, now + MS(138)), "a queue that stands");
    }

    #[test]
    fn a_few_may_come_however_slow_each_is() {
        let load = with_2_ms_each(0);
        let now = load.flow().ended.unwrap();
        load.flow().ends(1, now, now + MS(5_000));
        assert!(load.admits(7, MS(5_000), MS(20), now));
        assert!(!load.admits(8, MS(5_000), MS(20), now));
    }

    #[test]
    fn batches_that_overlap_count_the_time_once() {
        let now = Instant::now();
        let load = Load::default();
        load.flow().begun = 20;
        load.flow().ends(10, now, now + MS(50));
        load.flow().ends(10, now, now + MS(60));
        let flow = load.flow();
        assert_eq!((flow.busy_micros, flow.finished), (45_000.0 + 10_000.0, 9.0 + 10.0));
    }
}
