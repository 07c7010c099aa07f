//! Training: the session model by next read, then the reranker by click, its session embeddings frozen.
//!
//! [`train`] takes plain arrays and gives a [`Trained`] model. The log is gone through in the order of time, each reader's hidden state carried on from
//! window to window, so that sequences are as long as the state lives. The same set and options give the same model on one kind of machine, whether or not
//! it was killed and went on from a checkpoint, unless the clock stops it. What is measured on readers and impressions held out is in the card's metrics:
//! `next_read_mrr` beside `next_read_mrr_mean_of_vectors` (the mean of the articles read so far), `rerank_auc` beside
//! `rerank_auc_untrained`.

mod adam;
mod checkpoint;
mod curve;
mod gru;
mod held_out;
mod network;
mod options;
mod prepare;
mod reranker;
mod session;
mod set;
mod windows;

use std::path::Path;
use std::time::Instant;

use tch::Device;

use crate::card::Card;
use crate::folder::{FolderError, ModelFolder};
use crate::inference::DeviceChoice;
use crate::vectors::{VectorError, VectorSource};
use checkpoint::{Keeper, State};
pub use curve::{Curve, CurvePoint, PICTURE_FILE, POINTS_FILE};
pub use options::{CheckpointPlan, TrainingOptions};
pub use set::{ReadSequence, TrainingImpression, TrainingRead, TrainingSet};

/// How far training is.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingProgress {
    /// What is being done, in words.
    pub stage: &'static str,
    /// The pass, from 1.
    pub epoch: usize,
    /// Share of the whole that is done, 0 to 1.
    pub done: f64,
    /// Running mean of the loss.
    pub loss: f64,
    /// Reads or impressions a second.
    pub rate: f64,
    /// Seconds until the end, at this rate; early stopping may come before.
    pub seconds_left: f64,
}

/// Why nothing was trained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// Nothing to learn from.
    #[error(
        "there is nothing to train on: no reader has two reads of articles with vectors; give a data folder with reads"
    )]
    Empty,
    /// The set contradicts itself.
    #[error("the training set is inconsistent: {0}")]
    Inconsistent(String),
    /// Vectors can't be had.
    #[error(transparent)]
    Vectors(#[from] VectorError),
    /// The checkpoint can't be read or written.
    #[error("{0}")]
    Checkpoint(String),
    /// There is no such device.
    #[error("no CUDA device is there to train on; leave the choice of the device out")]
    NoDevice,
}

/// What training gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The model.
    pub model: ModelFolder,
    /// How it was learned.
    pub curve: Curve,
}

impl Trained {
    /// Writes the model folder, with its learning curves.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn save(&self, dir: &Path) -> Result<(), FolderError> {
        self.model.save(dir)?;
        self.curve.save(dir)
    }
}

/// Share of the progress that is the session model's.
const SESSION_SHARE: f64 = 0.65;

/// Trains both networks with the vectors of the set.
///
/// `progress` is called after every step.
///
/// # Errors
/// When there is nothing to learn from, an index points nowhere, or a checkpoint can't be read or written.
pub fn train(
    set: &TrainingSet,
    options: &TrainingOptions,
    progress: &mut dyn FnMut(&TrainingProgress),
) -> Result<Trained, TrainError> {
    prepare::check_vectors(set)?;
    train_from(set, &set.vectors, options, progress)
}

/// Trains both networks with vectors from elsewhere; those of the set are not looked at.
///
/// # Errors
/// As [`train`], and when vectors can't be had.
pub fn train_from(
    set: &TrainingSet,
    source: &dyn VectorSource,
    options: &TrainingOptions,
    progress: &mut dyn FnMut(&TrainingProgress),
) -> Result<Trained, TrainError> {
    let began = Instant::now();
    let device = match (options.device, tch::Cuda::is_available()) {
        (DeviceChoice::Cuda, false) => return Err(TrainError::NoDevice),
        (DeviceChoice::Cpu, _) | (DeviceChoice::Auto, false) => Device::Cpu,
        (DeviceChoice::Auto | DeviceChoice::Cuda, true) => Device::Cuda(0),
    };
    let data = prepare::Data::new(set, source, options)?;
    let digest = prepare::digest(set);
    let keeper = options.checkpoint.as_ref().map(|plan| {
        let version = env!("CARGO_PKG_VERSION");
        let fingerprint = format!("{version} {device:?} {digest} {}", options.fingerprint());
        Keeper::new(plan.file.clone(), plan.every, fingerprint)
    });
    let resumed = keeper.as_ref().map(Keeper::read).transpose()?.flatten();
    if let Some(State { place, .. }) = &resumed {
        tracing::info!(
            network = place.network,
            epoch = place.epoch,
            done = place.done,
            "training goes on from its checkpoint"
        );
    }
    let start = options.warm_start.clone().unwrap_or_else(|| {
        let mut start = ModelFolder::untrained(options.seed);
        start.weights.remember_long();
        start
    });
    let mut card = Card {
        version: options.version.clone(),
        precision: options.precision,
        scaling: data.scaling,
        data_digest: digest,
        ..ModelFolder::untrained(0).card
    };
    let mut weights = start.weights;
    let max_seconds = options.max_seconds;
    let mut run = Run {
        began,
        progress,
        max_seconds,
        from: 0.0,
        share: SESSION_SHARE,
        device,
        keeper,
        curve: Curve::default(),
        earlier: Vec::new(),
    };
    let (in_session, in_reranker) = match resumed {
        Some(state) if state.place.network == reranker::NAME => (None, Some(state)),
        other => (other, None),
    };
    let mut learned = Vec::new();
    if let Some(state) = &in_reranker {
        weights.clone_from(&state.best);
        learned.extend(state.place.earlier.iter().cloned());
    } else {
        learned.extend(session::train(&data, options, &mut weights, &mut run, in_session)?);
    }
    run.earlier.clone_from(&learned);
    if !data.impressions.is_empty() {
        run.from = SESSION_SHARE;
        run.share = 1.0 - SESSION_SHARE;
        learned.extend(reranker::train(&data, options, &mut weights, &mut run, in_reranker)?);
    }
    card.metrics.extend(learned);
    card.metrics.insert("training_seconds".to_owned(), began.elapsed().as_secs_f64());
    let facts = source.facts();
    tracing::info!(
        hit_rate = facts.hit_rate(),
        hits = facts.hits,
        misses = facts.misses,
        bytes_fetched = facts.fetched_bytes,
        bytes_held = facts.held_bytes,
        "article vectors"
    );
    Ok(Trained { model: ModelFolder { card, weights, text: start.text, ranker: None }, curve: run.curve })
}

/// Removes what a training that came to its end has no more use for; called once the model is saved.
pub fn forget_checkpoint(plan: &CheckpointPlan) {
    Keeper::new(plan.file.clone(), plan.every, String::new()).finish();
}

/// Clock, progress, curve and checkpoint of one network's training.
struct Run<'a> {
    began: Instant,
    progress: &'a mut dyn FnMut(&TrainingProgress),
    max_seconds: f64,
    from: f64,
    share: f64,
    device: Device,
    keeper: Option<Keeper>,
    curve: Curve,
    /// What the network before this one has for the card.
    earlier: Vec<(String, f64)>,
}

impl Run<'_> {
    /// Whether this network's share of the time is used up.
    fn late(&self) -> bool {
        self.began.elapsed().as_secs_f64() > self.max_seconds * (self.from + self.share)
    }

    fn tell(&mut self, stage: &'static str, epoch: usize, done: f64, loss: f64, rate: f64) {
        let elapsed = self.began.elapsed().as_secs_f64();
        let done = (self.from + self.share * done).max(elapsed / self.max_seconds).min(1.0);
        let by_rate = elapsed / done.max(1e-3) - elapsed;
        let seconds_left = by_rate.min(self.max_seconds - elapsed).max(0.0);
        (self.progress)(&TrainingProgress { stage, epoch, done, loss, rate, seconds_left });
    }

    /// Adds a point to the curve.
    fn note(
        &mut self,
        network: &str,
        epoch: f64,
        step: usize,
        loss: Option<f64>,
        rate: Option<f64>,
        held_out: Option<f64>,
    ) {
        let Some(loss) = loss else { return };
        self.curve.points.push(CurvePoint {
            network: network.to_owned(),
            epoch,
            step: step as u64,
            loss,
            rate: rate.unwrap_or(0.0),
            held_out,
        });
    }

    fn checkpoint_due(&self) -> bool {
        self.keeper.as_ref().is_some_and(Keeper::due)
    }

    fn checkpoint(&mut self, state: &State) -> Result<(), TrainError> {
        match &mut self.keeper {
            Some(keeper) => keeper.write(state),
            None => Ok(()),
        }
    }
}

/// Adam's rate after `step` of `steps` planned: a rise over the first twenty; then it stays, or falls along half a cosine down to a tenth.
fn rate_at(step: usize, steps: usize, height: f64, falling: bool) -> f64 {
    let rise = ((step + 1) as f64 / 20.0).min(1.0);
    if !falling {
        return height * rise;
    }
    let share = (step as f64 / steps.max(1) as f64).min(1.0);
    height * rise * (0.1 + 0.9 * 0.5 * (1.0 + (share * std::f64::consts::PI).cos()))
}

/// Loss so far, smoothed.
fn smoothed(before: Option<f64>, loss: f64) -> f64 {
    before.map_or(loss, |before| before * 0.95 + loss * 0.05)
}
