//! Two threads own the networks: one steps readers' states, the other scores candidates. Everybody else holds an [`Inference`] handle and sends
//! them work; what waits together runs together.
//!
//! A GRU batch runs tile by tile, and tiles are filled across batches. Its thread gives way to the others of the machine, so that a page never
//! waits behind a long backlog of events: with one thread for both, a request waited for a whole tile, 12 ms on one core, whenever something
//! was being folded.
//!
//! Another model is another [`Inference`]: what is under way ends with the networks that it began with.

mod priority;
mod ranking;
mod reranks;
mod steps;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use tokio::sync::oneshot;

use crate::card::Precision;
use crate::folder::ModelFolder;
use crate::rerank::RerankRequest;
use crate::session::{Behaviour, SessionModel};
use crate::{HIDDEN, WIDTH};
pub use priority::give_way;
use ranking::Ranking;
use reranks::{RerankJob, Reranks};
use steps::{StepJob, Steps};
use thread::Answer;

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
    /// Threads of the library on the processor for each network; 0: half of the cores, at least one. The library's threads wait by spinning, so that
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
    /// A thread is gone.
    #[error("the inference thread has stopped; restart the program")]
    Stopped,
}

/// A handle to the threads of a model. They end when the last handle is dropped.
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
    steps: Sender<StepJob>,
    reranks: Sender<RerankJob>,
    facts: Arc<ModelFacts>,
    lost: Arc<AtomicBool>,
}

impl Inference {
    /// Starts the threads and loads the model onto its device.
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
        let precision = options.precision.unwrap_or(model.card.precision);
        let (device, threads) = (thread::device(&options)?, thread::threads(&options));
        let (weights, scaling, tile) = (model.weights.clone(), model.card.scaling, options.tile);
        let session = move || Ok(Steps::new(SessionModel::new(&weights, scaling, precision, tile, device)));
        let steps = thread::start("inference", threads, session)?;
        let lost = Arc::new(AtomicBool::new(false));
        let (weights, told) = (model.weights.clone(), Arc::clone(&lost));
        let reranker = move || Ok(Reranks::new(Ranking::new(&weights, device, told)));
        let reranks = thread::start("ranking", threads, reranker)?;
        let facts = ModelFacts {
            version: model.card.version.clone(),
            session_digest: model.session_digest(),
            digest: model.digest(),
            precision,
            tile: options.tile,
            device_class: thread::device_class(device),
        };
        tracing::info!(version = facts.version, %precision, tile = facts.tile, device = facts.device_class, "model loaded");
        Ok(Self { steps, reranks, facts: Arc::new(facts), lost })
    }

    /// What runs.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// Whether candidates are ranked on the processor because the GPU was lost. Steps fail then.
    pub fn lost_its_device(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
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

    fn send_step(&self, batch: StepBatch) -> Result<Answer<StepResult>, InferenceError> {
        if let Some(fault) = batch.fault() {
            return Err(InferenceError::Input(fault));
        }
        let (reply, answer) = oneshot::channel();
        self.steps.send(StepJob { batch, reply }).map_err(|_| InferenceError::Stopped)?;
        Ok(answer)
    }

    fn send_rerank(&self, requests: Vec<RerankRequest>) -> Result<Answer<Vec<Vec<f32>>>, InferenceError> {
        if let Some((index, fault)) =
            requests.iter().enumerate().find_map(|(i, r)| r.fault().map(|fault| (i, fault)))
        {
            return Err(InferenceError::Input(format!("request {index}: {fault}")));
        }
        let (reply, answer) = oneshot::channel();
        self.reranks.send(RerankJob { requests, reply }).map_err(|_| InferenceError::Stopped)?;
        Ok(answer)
    }
}
