//! Trying again: pauses that double, with jitter, so that many that failed together do not come back together.

use std::time::Duration;

use crate::{
    error::{EngineError, Result},
    metrics::EDGE_RETRIES,
    runtime::Runtime,
};

/// Pauses between tries: each twice as long as the one before up to a longest one, and a random share of up to half of it shorter.
#[derive(Debug)]
pub struct Backoff {
    runtime: Runtime,
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `longest`.
    pub fn new(runtime: &Runtime, first: Duration, longest: Duration) -> Self {
        Self { runtime: runtime.clone(), next: first, longest }
    }

    /// For calls of an edge: 50 ms to 2 s.
    pub fn of_an_edge(runtime: &Runtime) -> Self {
        Self::new(runtime, Duration::from_millis(50), Duration::from_secs(2))
    }

    /// How long to pause now.
    pub fn draw(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        let share = self.runtime.random() as f64 / u64::MAX as f64;
        whole.mul_f64(1.0 - share / 2.0)
    }

    /// Pauses.
    pub async fn pause(&mut self) {
        let pause = self.draw();
        self.runtime.sleep(pause).await;
    }

    /// [`Backoff::pause`], as something that could fail.
    pub(crate) async fn paused(&mut self) -> Result<()> {
        self.pause().await;
        Ok(())
    }
}

/// Makes a call of an edge until it goes through, or fails in a way that trying again does not help. It waits as long as the edge is away:
/// nothing is dropped, and whoever waits behind waits too.
///
/// # Errors
/// That of the call, where it may not be tried again.
pub async fn persist<T, F: Future<Output = Result<T>>>(
    runtime: &Runtime,
    edge: &'static str,
    mut call: impl FnMut() -> F,
) -> Result<T> {
    let mut backoff = Backoff::of_an_edge(runtime);
    loop {
        match call().await {
            Err(error) if error.retry => {
                note(edge, &error);
                backoff.pause().await;
            }
            other => return other,
        }
    }
}

/// Says that a call failed and is made again.
pub fn note(edge: &'static str, error: &EngineError) {
    tracing::warn!(%error, edge, "not done yet, trying again");
    metrics::counter!(EDGE_RETRIES, "edge" => edge).increment(1);
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use abovefold_schemas::Timestamp;

    use super::*;
    use crate::runtime::Simulation;

    #[test]
    fn pauses_double_up_to_a_longest_and_differ() {
        let runtime = Simulation::new(Timestamp(0), 1).runtime();
        let mut backoff = Backoff::new(&runtime, Duration::from_millis(100), Duration::from_millis(400));
        let pauses: Vec<Duration> = (0..4).map(|_| backoff.draw()).collect();
        for (pause, whole) in pauses.iter().zip([100, 200, 400, 400]) {
            let whole = Duration::from_millis(whole);
            assert!(*pause <= whole && *pause >= whole / 2, "{pause:?} of {whole:?}");
        }
        assert_ne!(pauses[2], pauses[3]);
    }

    #[test]
    fn a_call_is_made_until_it_goes_through_or_cannot() {
        let simulation = Simulation::new(Timestamp(0), 1);
        let runtime = simulation.runtime();
        let outcome = simulation.run(async move {
            let calls = Arc::new(AtomicU32::new(0));
            let call = || async {
                match calls.fetch_add(1, Ordering::Relaxed) {
                    0..=4 => Err(EngineError::outside("call", "away")),
                    number => Ok(number),
                }
            };
            let done = persist(&runtime, "test", call).await;
            let refuse = || async { Err::<(), _>(EngineError::user("call", "no")) };
            (done, persist(&runtime, "test", refuse).await)
        });
        assert_eq!(outcome, Ok((Ok(5), Err(EngineError::user("call", "no")))));
    }
}
