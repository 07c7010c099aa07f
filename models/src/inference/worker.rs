//! The thread that owns the device: takes jobs, fills tiles across them, and answers.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;

use tch::Device;
use tokio::sync::oneshot;

use super::ranking::Ranking;
use super::{DeviceChoice, InferenceError, InferenceOptions, StepBatch, StepResult};
use crate::card::{Precision, Scaling};
use crate::rerank::RerankRequest;
use crate::session::SessionModel;
use crate::weights::Weights;
use crate::{HIDDEN, WIDTH, metrics};

/// Greatest number of requests that one rerank batch takes.
const RERANK_BATCH: usize = 16;

pub(super) type Reply<T> = oneshot::Sender<Result<T, InferenceError>>;
pub(super) type Answer<T> = oneshot::Receiver<Result<T, InferenceError>>;

pub(super) enum Job {
    Step { batch: StepBatch, reply: Reply<StepResult> },
    Rerank { requests: Vec<RerankRequest>, reply: Reply<Vec<Vec<f32>>> },
}

/// A batch on its way through the tiles.
struct StepJob {
    batch: StepBatch,
    /// Rows that have been handed to a tile.
    taken: usize,
    after: Vec<f32>,
    reply: Reply<StepResult>,
}

struct RerankJob {
    requests: Vec<RerankRequest>,
    reply: Reply<Vec<Vec<f32>>>,
}

/// What the thread owns.
pub(super) struct Worker {
    session: SessionModel,
    ranking: Ranking,
    reranks: VecDeque<RerankJob>,
    steps: VecDeque<StepJob>,
}

impl Worker {
    /// Chooses the device and lays both networks out on it; gives the device's class beside. `lost` becomes true when candidates are ranked without it.
    pub(super) fn load(
        weights: &Weights,
        scaling: Scaling,
        precision: Precision,
        options: &InferenceOptions,
        lost: Arc<AtomicBool>,
    ) -> Result<(Self, String), InferenceError> {
        let cuda = options.device != DeviceChoice::Cpu && tch::Cuda::is_available();
        if options.device == DeviceChoice::Cuda && !cuda {
            return Err(InferenceError::NoCuda);
        }
        let device = if cuda { Device::Cuda(0) } else { Device::Cpu };
        let threads = if options.threads > 0 {
            options.threads
        } else {
            (thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
        };
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
        let _no_grad = tch::no_grad_guard();
        let session = SessionModel::new(weights, scaling, precision, options.tile, device);
        let ranking = Ranking::new(weights, device, lost);
        let worker = Self { session, ranking, reranks: VecDeque::new(), steps: VecDeque::new() };
        Ok((worker, device_class(device)))
    }

    pub(super) fn run(&mut self, jobs: &Receiver<Job>) {
        let _no_grad = tch::no_grad_guard();
        loop {
            if self.reranks.is_empty() && self.steps.is_empty() {
                match jobs.recv() {
                    Ok(job) => self.take(job),
                    Err(_) => return,
                }
            }
            while let Ok(job) = jobs.try_recv() {
                self.take(job);
            }
            // One batch of requests, one tile of steps, in turn: neither starves the other.
            if !self.reranks.is_empty() {
                self.run_reranks();
            }
            if !self.steps.is_empty() {
                self.run_tile();
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Step { batch, reply } if batch.is_empty() => {
                let _ = reply.send(Ok(StepResult::default()));
            }
            Job::Step { batch, reply } => {
                let after = vec![0.0; batch.hidden.len()];
                self.steps.push_back(StepJob { batch, taken: 0, after, reply });
            }
            Job::Rerank { requests, reply } => self.reranks.push_back(RerankJob { requests, reply }),
        }
    }

    fn run_reranks(&mut self) {
        let mut requests = Vec::new();
        let mut jobs = Vec::new();
        while requests.len() < RERANK_BATCH {
            let Some(mut job) = self.reranks.pop_front() else { break };
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

    /// Fills one tile from the batches in front, runs it, and answers those that are done.
    fn run_tile(&mut self) {
        let mut room = self.session.tile();
        let mut tile = StepBatch::with_capacity(room);
        let mut parts = Vec::new();
        for (index, job) in self.steps.iter().enumerate() {
            let rows = room.min(job.batch.len() - job.taken);
            if rows == 0 {
                break;
            }
            let (from, until) = (job.taken, job.taken + rows);
            tile.hidden.extend_from_slice(&job.batch.hidden[from * HIDDEN..until * HIDDEN]);
            tile.vectors.extend_from_slice(&job.batch.vectors[from * WIDTH..until * WIDTH]);
            tile.behaviours.extend_from_slice(&job.batch.behaviours[from..until]);
            parts.push((index, rows));
            room -= rows;
        }
        let began = Instant::now();
        let mut after = vec![0.0; tile.hidden.len()];
        let session = &mut self.session;
        let stepped =
            guarded(|| session.step_tile(&tile.hidden, &tile.vectors, &tile.behaviours, &mut after));
        if let Err(error) = stepped {
            for (_, job) in parts.iter().zip(self.steps.drain(..parts.len())) {
                let _ = job.reply.send(Err(error.clone()));
            }
            return;
        }
        metrics::stepped(tile.len(), began.elapsed());
        let mut done = 0;
        for (index, rows) in parts {
            let job = &mut self.steps[index];
            job.after[job.taken * HIDDEN..][..rows * HIDDEN]
                .copy_from_slice(&after[done * HIDDEN..][..rows * HIDDEN]);
            job.taken += rows;
            done += rows;
        }
        while let Some(job) = self.steps.pop_front() {
            if job.taken < job.batch.len() {
                self.steps.push_front(job);
                break;
            }
            let _ = job.reply.send(Ok(StepResult { hidden: job.after }));
        }
    }
}

/// Runs a piece of work; a panic in it (the library's way to fail) becomes an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, InferenceError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        let line = text.lines().next().unwrap_or(text).to_owned();
        metrics::failed();
        tracing::error!(reason = line, "inference failed");
        InferenceError::Failed(line)
    })
}

fn device_class(device: Device) -> String {
    if device != Device::Cpu {
        return "cuda".to_owned();
    }
    #[cfg(target_arch = "x86_64")]
    for (name, here) in [
        ("cpu-avx512bf16", std::is_x86_feature_detected!("avx512bf16")),
        ("cpu-avx512", std::is_x86_feature_detected!("avx512f")),
        ("cpu-avx2", std::is_x86_feature_detected!("avx2")),
    ] {
        if here {
            return name.to_owned();
        }
    }
    format!("cpu-{}", std::env::consts::ARCH)
}
