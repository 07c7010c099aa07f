//! The reranker, which goes on on the processor when the GPU is lost: an order of candidates may differ in the last digits,
//! which readers' state may not, so that the session model has no such way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use super::InferenceError;
use super::thread::guarded;
use crate::rerank::{RerankRequest, Reranker};
use crate::weights::Weights;

/// How libtorch begins to say that a device does not work any more. That its memory is full it says otherwise, and that passes.
const LOST: &str = "CUDA error";

/// What scores candidates: the reranker, or a stand-in for it.
trait Score {
    fn score(&self, requests: &[RerankRequest]) -> Vec<Vec<f32>>;
}

impl Score for Reranker {
    fn score(&self, requests: &[RerankRequest]) -> Vec<Vec<f32>> {
        Self::score(self, requests)
    }
}

/// The reranker on its device, or on the processor in its place.
pub(super) struct Ranking {
    reranker: Box<dyn Score>,
    /// The numbers with which it begins anew on the processor; `None` where it runs there.
    spare: Option<Weights>,
    lost: Arc<AtomicBool>,
}

impl Ranking {
    /// Lays the reranker out on a device. `lost` becomes true when it goes on without that.
    pub(super) fn new(weights: &Weights, device: Device, lost: Arc<AtomicBool>) -> Self {
        let spare = (device != Device::Cpu).then(|| weights.clone());
        Self { reranker: Box::new(Reranker::new(weights, device)), spare, lost }
    }

    /// Scores of every request's candidates, in their order.
    pub(super) fn score(&mut self, requests: &[RerankRequest]) -> Result<Vec<Vec<f32>>, InferenceError> {
        let reranker = &self.reranker;
        let failure = match guarded(|| reranker.score(requests)) {
            Ok(scores) => return Ok(scores),
            Err(failure) => failure,
        };
        if !failure.to_string().contains(LOST) {
            return Err(failure);
        }
        let Some(weights) = self.spare.take() else { return Err(failure) };
        tracing::error!(
            "the GPU is lost: candidates are ranked on the processor, and reads are not folded; restart the program"
        );
        let reranker = guarded(|| Reranker::new(&weights, Device::Cpu))?;
        let lost = std::mem::replace(&mut self.reranker, Box::new(reranker));
        // To give memory back to a device that is lost may end the process.
        std::mem::forget(lost);
        self.lost.store(true, Ordering::Relaxed);
        let reranker = &self.reranker;
        guarded(|| reranker.score(requests))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::{ModelFolder, Profile, WIDTH};

    /// A reranker whose device says something, once and for all.
    struct Says(&'static str);

    impl Score for Says {
        fn score(&self, _requests: &[RerankRequest]) -> Vec<Vec<f32>> {
            panic!("{}", self.0)
        }
    }

    fn ranking(says: &'static str) -> Ranking {
        let weights = ModelFolder::untrained(3).weights;
        Ranking { reranker: Box::new(Says(says)), spare: Some(weights), lost: Arc::default() }
    }

    fn requests() -> Vec<RerankRequest> {
        let numbers = |count: usize| (0..count).map(|place| (place as f32).sin() * 0.05).collect();
        vec![RerankRequest {
            profile: Profile::default(),
            session: numbers(WIDTH),
            candidates: numbers(5 * WIDTH),
        }]
    }

    #[test]
    fn a_lost_gpu_leaves_the_processor_to_rank() {
        let mut ranking = ranking("Internal torch error: CUDA error: unspecified launch failure");
        let expected = Reranker::new(&ModelFolder::untrained(3).weights, Device::Cpu).score(&requests());
        assert_eq!(ranking.score(&requests()).unwrap(), expected, "the call that found out is answered, too");
        assert!(ranking.lost.load(Ordering::Relaxed));
        assert_eq!(ranking.score(&requests()).unwrap(), expected);
    }

    #[test]
    fn any_other_failure_is_the_calls_own() {
        let mut ranking = ranking("CUDA out of memory. Tried to allocate 2.00 GiB");
        assert!(ranking.score(&requests()).unwrap_err().to_string().contains("out of memory"));
        assert!(!ranking.lost.load(Ordering::Relaxed) && ranking.spare.is_some());
    }
}
