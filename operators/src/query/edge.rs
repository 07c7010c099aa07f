//! A bounded call of an edge: too late is as good as down, and an edge that was too slow, or slow to fail, is left alone for a moment.

use std::{
    fmt,
    future::Future,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use abovefold_engine::Runtime;

use super::metrics;

/// An error that took more than this part of the limit was slow.
const SLOW_SHARE: u32 = 10;
/// How long a failure is news.
const NEWS_MS: i64 = 10_000;

/// An edge as the read path calls it.
#[derive(Debug)]
pub(super) struct Edge {
    name: &'static str,
    runtime: Runtime,
    limit: Duration,
    pause_ms: i64,
    /// Milliseconds since 1970 until which no call is made.
    paused_until: AtomicI64,
    well: AtomicBool,
    /// When a call failed last, in milliseconds since 1970.
    failed_at: AtomicI64,
}

impl Edge {
    pub(super) fn new(name: &'static str, runtime: Runtime, limit_ms: u64, pause_ms: u64) -> Self {
        let limit = Duration::from_millis(limit_ms);
        let (paused_until, well) = (AtomicI64::new(i64::MIN), AtomicBool::new(true));
        let failed_at = AtomicI64::new(i64::MIN);
        Self { name, runtime, limit, pause_ms: pause_ms as i64, paused_until, well, failed_at }
    }

    /// The call's result, or in words why there is none. A call during a pause is not made.
    pub(super) async fn call<T, E: fmt::Display>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, String> {
        if self.runtime.now().0 < self.paused_until.load(Ordering::Relaxed) {
            return Err(self.failed("paused", format!("the {} edge was too slow a moment ago", self.name)));
        }
        let watch = metrics::Stopwatch::start();
        match self.runtime.timeout(self.limit, call).await {
            Some(Ok(found)) => {
                if !self.well.swap(true, Ordering::Relaxed) {
                    tracing::info!(edge = self.name, "answers again");
                }
                Ok(found)
            }
            Some(Err(error)) => {
                // One that was tried again and again before it failed would hold up every batch.
                if watch.elapsed() > self.limit / SLOW_SHARE {
                    self.pause();
                }
                Err(self.failed("error", error.to_string()))
            }
            None => {
                self.pause();
                let limit = self.limit.as_millis();
                Err(self
                    .failed("timeout", format!("the {} edge did not answer within {limit} ms", self.name)))
            }
        }
    }

    fn pause(&self) {
        self.paused_until.store(self.runtime.now().0 + self.pause_ms, Ordering::Relaxed);
    }

    /// Whether its last call gave a result. Where nobody called for some seconds, it is taken to be well again.
    pub(super) fn is_well(&self) -> bool {
        let since = self.runtime.now().0.saturating_sub(self.failed_at.load(Ordering::Relaxed));
        self.well.load(Ordering::Relaxed) || since > NEWS_MS
    }

    fn failed(&self, how: &'static str, reason: String) -> String {
        ::metrics::counter!(metrics::EDGE_FAILURES, "edge" => self.name, "how" => how).increment(1);
        self.failed_at.store(self.runtime.now().0, Ordering::Relaxed);
        // One line for each outage, not one for each request.
        if self.well.swap(false, Ordering::Relaxed) {
            tracing::warn!(edge = self.name, %reason, "falls back");
        }
        reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_edge_is_left_alone_for_a_moment() {
        let runtime = Runtime::real();
        let edge = Edge::new("state", runtime.clone(), 10, 200);
        let never = std::future::pending::<Result<i32, String>>();
        assert!(edge.is_well() && edge.call(never).await.unwrap_err().contains("within 10 ms"));
        assert!(!edge.is_well());
        let quick = || async { Ok::<_, String>(2) };
        assert!(edge.call(quick()).await.unwrap_err().contains("a moment ago"));
        runtime.sleep(Duration::from_millis(210)).await;
        assert_eq!(edge.call(quick()).await, Ok(2));
        assert!(edge.is_well());
        // Long limits: a busy machine makes nothing slow by them.
        let edge = Edge::new("state", runtime.clone(), 60_000, 60_000);
        assert_eq!(edge.call(async { Err::<u8, _>("no route") }).await, Err("no route".into()));
        assert_eq!(edge.call(quick()).await, Ok(2), "an error that came quickly pauses nothing");
        let edge = Edge::new("state", runtime.clone(), 50, 60_000);
        let tried_again = async {
            runtime.sleep(Duration::from_millis(10)).await;
            Err::<u8, _>("no route")
        };
        assert_eq!(edge.call(tried_again).await, Err("no route".into()));
        assert!(edge.call(quick()).await.unwrap_err().contains("a moment ago"), "one that came late does");
    }
}
