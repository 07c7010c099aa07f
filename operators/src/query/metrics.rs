//! The names of the read path's metrics, from this one place, and the watch that measures it.

use std::time::Duration;

use tokio::time::Instant;

/// Requests that were answered (counter, label `served_by`; `error` where there was no slate).
pub const REQUESTS: &str = "abovefold_query_requests_total";
/// Requests of an experiment's arms that were answered (counter, labels `arm` and `served_by`).
pub const ARM_REQUESTS: &str = "abovefold_query_arm_requests_total";
/// Seconds from request to answer, the wait for `after` included (histogram).
pub const REQUEST_SECONDS: &str = "abovefold_query_request_seconds";
/// Seconds that a step worked on a batch (histogram, label `stage`).
pub const STAGE_SECONDS: &str = "abovefold_query_stage_seconds";
/// Requests in a batch (histogram).
pub const BATCH_REQUESTS: &str = "abovefold_query_batch_requests";
/// Slates that a fallback served because something failed (counter, labels `served_by` and `step`).
pub const FALLBACKS: &str = "abovefold_query_fallbacks_total";
/// Models that were to be put in force while requests were served (counter, label `outcome`: `swapped`; `broken` where it could not be loaded or did
/// not pass the probe; `refused` where it has another session model than the namespace; `failed` where the link could not be moved).
pub const MODEL_SWAPS: &str = "abovefold_query_model_swaps_total";
/// Calls of an edge without a result (counter, labels `edge` and `how`).
pub const EDGE_FAILURES: &str = "abovefold_query_edge_failures_total";
/// What became of cached candidates (counter, label `what`: `hit`, `miss`, `stale`, `kept`, `refused`, `failed`).
pub const CACHE: &str = "abovefold_query_cache_total";
/// Seconds that requests waited for their `after` (histogram).
pub const AFTER_SECONDS: &str = "abovefold_query_after_seconds";
/// Requests whose `after` could not be waited for (counter).
pub const STALE: &str = "abovefold_query_stale_total";
/// Requests that were refused at once (counter, label `why`: `full`, where no more may wait, or `wait`, where it would be too long).
pub const SHED: &str = "abovefold_query_shed_total";
/// Requests whose deadline passed before there was an answer (counter).
pub const LATE: &str = "abovefold_query_late_total";
/// Requests that a step did not work on, since nobody waited for them any more (counter, label `step`).
pub const DROPPED: &str = "abovefold_query_dropped_total";
/// Impressions that were written to their topic (counter).
pub const IMPRESSIONS: &str = "abovefold_query_impressions_total";
/// Impressions that were lost because their queue was full or the log refused them (counter).
pub const IMPRESSIONS_LOST: &str = "abovefold_query_impressions_lost_total";
/// Seconds since the trends in memory were brought up to date (gauge, in log time of the refresh).
pub const TRENDS_REFRESHED: &str = "abovefold_query_trends_refreshed_total";

/// The histograms and their buckets, for the exporter.
pub const BUCKETS: [(&str, &[f64]); 4] = [
    (REQUEST_SECONDS, SECONDS),
    (STAGE_SECONDS, SECONDS),
    (AFTER_SECONDS, SECONDS),
    (BATCH_REQUESTS, &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]),
];

const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0,
    5.0,
];

/// Measures a span, by the clock that a simulation moves.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The span so far.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Records the span so far in a histogram.
    pub fn record(&self, histogram: &'static str) {
        metrics::histogram!(histogram).record(self.elapsed());
    }

    /// Records the span so far as a step's.
    pub fn record_stage(&self, stage: &'static str) {
        metrics::histogram!(STAGE_SECONDS, "stage" => stage).record(self.elapsed());
    }
}
