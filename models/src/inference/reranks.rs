//! The thread of the reranker: what waits together is scored together.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::ranking::Ranking;
use super::thread::{Reply, Worker};
use crate::metrics;
use crate::rerank::RerankRequest;

/// Greatest number of requests that one batch takes.
const BATCH: usize = 16;

/// Requests to score, and who waits for them.
pub(super) struct RerankJob {
    pub(super) requests: Vec<RerankRequest>,
    pub(super) reply: Reply<Vec<Vec<f32>>>,
}

/// What the thread owns.
pub(super) struct Reranks {
    ranking: Ranking,
    waiting: VecDeque<RerankJob>,
}

impl Reranks {
    /// Around a reranker that is laid out.
    pub(super) fn new(ranking: Ranking) -> Self {
        Self { ranking, waiting: VecDeque::new() }
    }

    fn score(&mut self) {
        let mut requests = Vec::new();
        let mut jobs = Vec::new();
        while requests.len() < BATCH {
            let Some(mut job) = self.waiting.pop_front() else { break };
            let count = job.requests.len();
            requests.append(&mut job.requests);
            jobs.push((count, job.reply));
        }
        let began = Instant::now();
        let scored = self.ranking.score(&requests);
        let candidates = requests.iter().map(RerankRequest::len).sum();
        metrics::reranked(requests.len(), candidates, began.elapsed());
        match scored {
            Ok(scores) => {
                let mut scores = scores.into_iter();
                for (count, reply) in jobs {
                    let _ = reply.send(Ok(scores.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                for (_, reply) in jobs {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Worker for Reranks {
    type Job = RerankJob;

    fn run(mut self, jobs: &Receiver<RerankJob>) {
        while let Ok(job) = jobs.recv() {
            self.waiting.push_back(job);
            self.waiting.extend(jobs.try_iter());
            while !self.waiting.is_empty() {
                self.score();
            }
        }
    }
}
