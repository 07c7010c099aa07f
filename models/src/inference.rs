//! One thread owns the device. Everybody else holds an [`Inference`] handle and sends it work; what waits together runs together.
//!
//! A GRU batch runs tile by tile, and tiles are filled across batches. Between two tiles the requests that wait for the reranker
//! get their turn, so that a page never waits behind a long backlog of events.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use tch::Device;
use tokio::sync::oneshot;

use crate::card::Precision;
use crate::folder::ModelFolder;
use crate::rerank::{RerankRequest, Reranker};
use crate::session::{Behaviour, SessionModel};
use crate::weights::Weights;
use crate::{HIDDEN, WIDTH, metrics};

/// Greatest number of requests that one rerank batch takes.
const RERANK_BATCH: usize = 16;

/// Which device runs the networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA where there is one, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The first CUDA device; an error where there is none.
    Cuda,
}

/// How inference runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferenceOptions {
    /// Which device.
    pub device: DeviceChoice,
    /// Precision of the session model's products; `None`: what the card says.
    pub precision: Option<Precision>,
    /// Rows of a GRU tile, at least 2. It is part of what defines a fold.
    pub tile: usize,
    /// Threads of the library on the processor; 0: half of the cores, at least one. The library's threads wait by spinning, so that
    /// more of them than free cores make every product many times slower, and the rest of the program needs cores, too.
    pub threads: usize,
}

impl Default for InferenceOptions {
    fn default() -> Self {
        Self { device: DeviceChoice::Auto, precision: None, tile: 64, threads: 0 }
    }
}

/// What runs, for the namespace's record and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// The model's version, from its card.
    pub version: String,
    /// Hash of the session model; see [`ModelFolder::session_digest`].
    pub session_digest: String,
    /// Hash of the whole model.
    pub digest: String,
    /// Precision in force.
    pub precision: Precision,
    /// Rows of a tile.
    pub tile: usize,
    /// Kind of device: numbers agree to the bit within a class, and within a tolerance across classes.
    pub device_class: String,
}

/// Readers to step by one read each. Rows are independent; a reader with several reads needs one batch for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepBatch {
    /// Hidden states before, flat `[n, LAYERS, WIDTH]`.
    pub hidden: Vec<f32>,
    /// Vectors of the articles read, flat `[n, WIDTH]`.
    pub vectors: Vec<f32>,
    /// What the readers did.
    pub behaviours: Vec<Behaviour>,
}

impl StepBatch {
    /// An empty batch with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            hidden: Vec::with_capacity(rows * HIDDEN),
            vectors: Vec::with_capacity(rows * WIDTH),
            behaviours: Vec::with_capacity(rows),
        }
    }

    /// Adds a row: a hidden state of [`HIDDEN`] numbers, a vector of [`WIDTH`].
    pub fn push(&mut self, hidden: &[f32], vector: &[f32], behaviour: Behaviour) {
        self.hidden.extend_from_slice(hidden);
        self.vectors.extend_from_slice(vector);
        self.behaviours.push(behaviour);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.behaviours.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.behaviours.is_empty()
    }

    fn fault(&self) -> Option<String> {
        let rows = self.len();
        if self.hidden.len() != rows * HIDDEN {
            return Some(format!(
                "{} hidden numbers for {rows} rows, expected {}",
                self.hidden.len(),
                rows * HIDDEN
            ));
        }
        if self.vectors.len() != rows * WIDTH {
            return Some(format!(
                "{} vector numbers for {rows} rows, expected {}",
                self.vectors.len(),
                rows * WIDTH
            ));
        }
        let bad = |numbers: &[f32]| numbers.iter().position(|number| !number.is_finite());
        if let Some(at) = bad(&self.hidden) {
            return Some(format!(
                "the hidden state of row {} holds a number that is not finite",
                at / HIDDEN
            ));
        }
        bad(&self.vectors)
            .map(|at| format!("the vector of row {} holds a number that is not finite", at / WIDTH))
    }
}

/// The hidden states after a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepResult {
    /// Flat `[n, LAYERS, WIDTH]`, in the batch's order.
    pub hidden: Vec<f32>,
}

impl StepResult {
    /// The hidden state of a row, [`HIDDEN`] numbers.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.hidden[row * HIDDEN..][..HIDDEN]
    }
}

/// Why inference gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// The caller's numbers do not fit.
    #[error("inference was given numbers that do not fit: {0}")]
    Input(String),
    /// CUDA was asked for, and is not there.
    #[error("no CUDA device was found; set the device to auto or cpu")]
    NoCuda,
    /// An option makes no sense.
    #[error("{0}")]
    Options(String),
    /// The library failed; the model stays loaded, and the same call may be tried again.
    #[error("inference failed: {0}")]
    Failed(String),
    /// The thread is gone.
    #[error("the inference thread has stopped; restart the program")]
    Stopped,
}

type Reply<T> = oneshot::Sender<Result<T, InferenceError>>;
type Answer<T> = oneshot::Receiver<Result<T, InferenceError>>;

enum Job {
    Step { batch: StepBatch, reply: Reply<StepResult> },
    Rerank { requests: Vec<RerankRequest>, reply: Reply<Vec<Vec<f32>>> },
    Swap { weights: Box<Weights>, reply: Reply<()> },
}

/// A handle to the inference thread. The thread ends when the last handle is dropped.
///
/// ```
/// use abovefold_models::{Behaviour, HIDDEN, Inference, InferenceOptions, ModelFolder, StepBatch, WIDTH};
/// let inference = Inference::start(&ModelFolder::untrained(1), InferenceOptions::default())?;
/// let mut batch = StepBatch::with_capacity(1);
/// let behaviour = Behaviour { read_seconds: Some(40.0), scroll_percent: None, position: 1 };
/// batch.push(&[0.0; HIDDEN], &[0.03; WIDTH], behaviour);
/// let after = inference.step_blocking(batch)?;
/// assert_eq!(after.row(0).len(), HIDDEN);
/// # Ok::<(), abovefold_models::InferenceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Inference {
    jobs: Sender<Job>,
    facts: Arc<ModelFacts>,
}

impl Inference {
    /// Starts the thread and loads the model onto its device.
    ///
    /// # Errors
    /// When an option makes no sense, or the device is not there.
    pub fn start(model: &ModelFolder, options: InferenceOptions) -> Result<Self, InferenceError> {
        if options.tile < 2 {
            return Err(InferenceError::Options(format!(
                "a GRU tile of {} rows is too small, at least 2",
                options.tile
            )));
        }
        let (jobs, receiver) = channel();
        let (ready, started) = channel();
        let precision = options.precision.unwrap_or(model.card.precision);
        let (weights, scaling) = (model.weights.clone(), model.card.scaling);
        let load = move || -> Result<(Worker, String), InferenceError> {
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
            let session = SessionModel::new(&weights, scaling, precision, options.tile, device);
            let worker = Worker {
                session,
                reranker: Reranker::new(&weights, device),
                device,
                reranks: VecDeque::new(),
                steps: VecDeque::new(),
            };
            Ok((worker, device_class(device)))
        };
        let body = move || match guarded(load).and_then(|loaded| loaded) {
            Ok((mut worker, class)) => {
                let _ = ready.send(Ok(class));
                worker.run(&receiver);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("inference".to_owned())
            .spawn(body)
            .map_err(|error| InferenceError::Failed(format!("its thread could not be started: {error}")))?;
        let device_class = started.recv().map_err(|_| InferenceError::Stopped)??;
        let facts = ModelFacts {
            version: model.card.version.clone(),
            session_digest: model.session_digest(),
            digest: model.digest(),
            precision,
            tile: options.tile,
            device_class,
        };
        tracing::info!(version = facts.version, %precision, tile = facts.tile, device = facts.device_class, "model loaded");
        Ok(Self { jobs, facts: Arc::new(facts) })
    }

    /// What runs.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// Steps readers by one read each.
    ///
    /// # Errors
    /// When the numbers do not fit or are not finite, the library failed, or the thread is gone.
    pub async fn step(&self, batch: StepBatch) -> Result<StepResult, InferenceError> {
        self.send_step(batch)?.await.unwrap_or(Err(InferenceError::Stopped))
    }

    /// [`Inference::step`] for plain threads.
    ///
    /// # Errors
    /// As [`Inference::step`].
    ///
    /// # Panics
    /// When called from within an async task.
    pub fn step_blocking(&self, batch: StepBatch) -> Result<StepResult, InferenceError> {
        self.send_step(batch)?.blocking_recv().unwrap_or(Err(InferenceError::Stopped))
    }

    /// Scores candidates: one list of logits a request, in the order given.
    ///
    /// # Errors
    /// When the numbers do not fit, the library failed, or the thread is gone.
    pub async fn rerank(&self, requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, InferenceError> {
        self.send_rerank(requests)?.await.unwrap_or(Err(InferenceError::Stopped))
    }

    /// [`Inference::rerank`] for plain threads.
    ///
    /// # Errors
    /// As [`Inference::rerank`].
    ///
    /// # Panics
    /// When called from within an async task.
    pub fn rerank_blocking(&self, requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, InferenceError> {
        self.send_rerank(requests)?.blocking_recv().unwrap_or(Err(InferenceError::Stopped))
    }

    /// Puts another reranker in place. It is no part of a fold, so that nothing else changes.
    ///
    /// # Errors
    /// When the library failed, or the thread is gone.
    pub async fn swap_reranker(&self, model: &ModelFolder) -> Result<(), InferenceError> {
        let (reply, answer) = oneshot::channel();
        let weights = Box::new(model.weights.clone());
        self.jobs.send(Job::Swap { weights, reply }).map_err(|_| InferenceError::Stopped)?;
        answer.await.unwrap_or(Err(InferenceError::Stopped))
    }

    fn send_step(&self, batch: StepBatch) -> Result<Answer<StepResult>, InferenceError> {
        if let Some(fault) = batch.fault() {
            return Err(InferenceError::Input(fault));
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Step { batch, reply }).map_err(|_| InferenceError::Stopped)?;
        Ok(answer)
    }

    fn send_rerank(&self, requests: Vec<RerankRequest>) -> Result<Answer<Vec<Vec<f32>>>, InferenceError> {
        if let Some((index, fault)) =
            requests.iter().enumerate().find_map(|(i, r)| r.fault().map(|fault| (i, fault)))
        {
            return Err(InferenceError::Input(format!("request {index}: {fault}")));
        }
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Rerank { requests, reply }).map_err(|_| InferenceError::Stopped)?;
        Ok(answer)
    }
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
struct Worker {
    session: SessionModel,
    reranker: Reranker,
    device: Device,
    reranks: VecDeque<RerankJob>,
    steps: VecDeque<StepJob>,
}

impl Worker {
    fn run(&mut self, jobs: &Receiver<Job>) {
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
            Job::Swap { weights, reply } => {
                let device = self.device;
                let swapped =
                    guarded(|| Reranker::new(&weights, device)).map(|reranker| self.reranker = reranker);
                let _ = reply.send(swapped);
            }
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
        let reranker = &self.reranker;
        let scored = guarded(|| reranker.score(&requests));
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
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, InferenceError> {
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
