//! Names of this crate's metrics, in one place, and the calls that feed them.

use std::time::Duration;

/// GRU steps taken: rows, without padding.
pub const GRU_STEPS: &str = "abovefold_models_gru_steps_total";
/// Tiles run; steps over tiles tells how full they are.
pub const GRU_TILES: &str = "abovefold_models_gru_tiles_total";
/// Seconds of one tile.
pub const STEP_SECONDS: &str = "abovefold_models_step_seconds";
/// Requests scored by the reranker.
pub const RERANK_REQUESTS: &str = "abovefold_models_rerank_requests_total";
/// Candidates scored by the reranker.
pub const RERANK_CANDIDATES: &str = "abovefold_models_rerank_candidates_total";
/// Seconds of one batch of requests.
pub const RERANK_SECONDS: &str = "abovefold_models_rerank_seconds";
/// Jobs that failed in the inference thread.
pub const FAILURES: &str = "abovefold_models_failures_total";

/// Tells the recorder what each metric is; call it once, after the recorder is installed.
pub fn describe() {
    metrics::describe_counter!(GRU_STEPS, "GRU steps taken");
    metrics::describe_counter!(GRU_TILES, "tiles of GRU steps run");
    metrics::describe_histogram!(STEP_SECONDS, metrics::Unit::Seconds, "time of one tile of GRU steps");
    metrics::describe_counter!(RERANK_REQUESTS, "requests scored by the reranker");
    metrics::describe_counter!(RERANK_CANDIDATES, "candidates scored by the reranker");
    metrics::describe_histogram!(
        RERANK_SECONDS,
        metrics::Unit::Seconds,
        "time of one batch of rerank requests"
    );
    metrics::describe_counter!(FAILURES, "inference jobs that failed");
}

pub(crate) fn stepped(rows: usize, took: Duration) {
    metrics::counter!(GRU_STEPS).increment(rows as u64);
    metrics::counter!(GRU_TILES).increment(1);
    metrics::histogram!(STEP_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn reranked(requests: usize, candidates: usize, took: Duration) {
    metrics::counter!(RERANK_REQUESTS).increment(requests as u64);
    metrics::counter!(RERANK_CANDIDATES).increment(candidates as u64);
    metrics::histogram!(RERANK_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn failed() {
    metrics::counter!(FAILURES).increment(1);
}
