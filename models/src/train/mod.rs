//! Training, the short version: the session model by next read, then the reranker by click, its session embeddings frozen.
//!
//! [`train`] takes plain arrays and gives a [`ModelFolder`]. The same set and options give the same model on one kind of machine, unless
//! the clock stops it. What is measured on readers and impressions held out is in the card's metrics:
//! `next_read_mrr` beside `next_read_mrr_mean_of_vectors` (the mean of the articles read so far), `rerank_auc` beside
//! `rerank_auc_untrained`.

mod network;
mod prepare;
mod reranker;
mod session;
mod stepping;

use std::time::Instant;

use abovefold_schemas::{ArticleId, Timestamp};

use crate::WIDTH;
use crate::card::{Card, Precision};
use crate::folder::ModelFolder;
use crate::rerank::Profile;

/// What to learn from. Articles, readers and impressions name one another by index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSet {
    /// The articles' ids.
    pub articles: Vec<ArticleId>,
    /// Their vectors at unit length, flat `[articles, WIDTH]`; zeros for an article without one.
    pub vectors: Vec<f32>,
    /// What each reader read.
    pub readers: Vec<ReadSequence>,
    /// What was shown to readers, and clicked. May be empty: the reranker then stays as it starts.
    pub impressions: Vec<TrainingImpression>,
}

/// One reader's reads, by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadSequence {
    /// The reads, oldest first.
    pub reads: Vec<TrainingRead>,
}

/// One read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingRead {
    /// Index of the article.
    pub article: u32,
    /// Seconds on the page, if known.
    pub read_seconds: Option<f32>,
    /// How far it was scrolled, 0 to 100, if known.
    pub scroll_percent: Option<f32>,
    /// When.
    pub time: Timestamp,
}

/// One list of articles shown to a reader.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingImpression {
    /// Index of the reader.
    pub reader: u32,
    /// When; only reads before it are known to the reranker.
    pub time: Timestamp,
    /// What was known of the reader.
    pub profile: Profile,
    /// Indexes of the articles shown.
    pub in_view: Vec<u32>,
    /// Those of them that were clicked.
    pub clicked: Vec<u32>,
}

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainingOptions {
    /// The model's version, for its card.
    pub version: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Greatest number of passes over the reads.
    pub epochs: usize,
    /// Greatest number of passes over the impressions.
    pub rerank_epochs: usize,
    /// Passes without improvement after which a network is done.
    pub patience: usize,
    /// Seconds for all of it; what is best by then is kept.
    pub max_seconds: f64,
    /// Readers, then impressions, of one step.
    pub batch: usize,
    /// Adam's rate for the session model at its height; it rises over the first steps and falls to a tenth over the planned ones.
    /// The reference's 1e-3 undoes the moving average that it starts from faster than a small set can teach it better.
    pub learning_rate: f64,
    /// The same for the reranker.
    pub rerank_learning_rate: f64,
    /// Share of units dropped between the layers.
    pub dropout: f64,
    /// What cosines are multiplied with before the softmax.
    pub sharpness: f64,
    /// Precision that the model is to be served in, for its card.
    pub precision: Precision,
    /// Precision of the products in training; `None`: bf16 where the processor has it.
    pub training_precision: Option<Precision>,
    /// Latest reads of a reader that are trained on.
    pub max_reads: usize,
    /// Impressions trained on; a seeded sample where there are more.
    pub max_impressions: usize,
    /// Start from this model's weights.
    pub warm_start: Option<ModelFolder>,
}

impl Default for TrainingOptions {
    fn default() -> Self {
        Self {
            version: "1".to_owned(),
            seed: 1,
            epochs: 3,
            rerank_epochs: 2,
            patience: 5,
            max_seconds: 80.0,
            batch: 64,
            learning_rate: 3e-4,
            rerank_learning_rate: 1e-3,
            dropout: 0.1,
            sharpness: 14.0,
            precision: Precision::F32,
            training_precision: None,
            max_reads: 100,
            max_impressions: 30_000,
            warm_start: None,
        }
    }
}

impl TrainingOptions {
    fn half_precision(&self) -> bool {
        match self.training_precision {
            Some(precision) => precision == Precision::Bf16,
            #[cfg(target_arch = "x86_64")]
            None => std::is_x86_feature_detected!("avx512bf16"),
            #[cfg(not(target_arch = "x86_64"))]
            None => false,
        }
    }
}

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
    /// Seconds until the end, at this rate.
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
}

/// Share of the progress that is the session model's.
const SESSION_SHARE: f64 = 0.65;

/// Trains both networks.
///
/// `progress` is called a few times a second.
///
/// # Errors
/// When there is nothing to learn from, or an index points nowhere.
pub fn train(
    set: &TrainingSet,
    options: &TrainingOptions,
    progress: &mut dyn FnMut(&TrainingProgress),
) -> Result<ModelFolder, TrainError> {
    let began = Instant::now();
    let data = prepare::Data::new(set, options)?;
    let start = options.warm_start.clone().unwrap_or_else(|| ModelFolder::untrained(options.seed));
    let mut card = Card {
        version: options.version.clone(),
        precision: options.precision,
        scaling: data.scaling,
        data_digest: prepare::digest(set),
        ..ModelFolder::untrained(0).card
    };
    let mut weights = start.weights;
    let mut meter =
        Meter { began, progress, max_seconds: options.max_seconds, from: 0.0, share: SESSION_SHARE };
    let learned = session::train(&data, options, &mut weights, &mut meter);
    card.metrics.extend(learned);
    if !data.impressions.is_empty() {
        meter.from = SESSION_SHARE;
        meter.share = 1.0 - SESSION_SHARE;
        let learned = reranker::train(&data, options, &mut weights, &mut meter);
        card.metrics.extend(learned);
    }
    card.metrics.insert("training_seconds".to_owned(), began.elapsed().as_secs_f64());
    Ok(ModelFolder { card, weights, text: start.text, ranker: None })
}

/// Clock and progress of one network's training.
struct Meter<'a> {
    began: Instant,
    progress: &'a mut dyn FnMut(&TrainingProgress),
    max_seconds: f64,
    from: f64,
    share: f64,
}

impl Meter<'_> {
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
}

/// Adam's rate after `step` of `steps` planned: a rise over the first twenty, then half a cosine down to a tenth.
fn rate_at(step: usize, steps: usize, height: f64) -> f64 {
    let rise = ((step + 1) as f64 / 20.0).min(1.0);
    let share = (step as f64 / steps.max(1) as f64).min(1.0);
    height * rise * (0.1 + 0.9 * 0.5 * (1.0 + (share * std::f64::consts::PI).cos()))
}

/// Loss so far, smoothed.
fn smoothed(before: Option<f64>, loss: f64) -> f64 {
    before.map_or(loss, |before| before * 0.95 + loss * 0.05)
}

/// Whether the vectors fill the articles.
fn fits(set: &TrainingSet) -> bool {
    set.vectors.len() == set.articles.len() * WIDTH
}
