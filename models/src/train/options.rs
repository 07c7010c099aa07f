//! How to train.

use std::path::PathBuf;
use std::time::Duration;

use crate::card::Precision;
use crate::folder::ModelFolder;
use crate::inference::DeviceChoice;

/// How to train. [`TrainingOptions::default`] is what `train` does, [`TrainingOptions::reference`] what the reference system does, and
/// [`TrainingOptions::within`] makes the best of a given time.
#[derive(Clone, Debug)]
pub struct TrainingOptions {
    /// The model's version, for its card.
    pub version: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Greatest number of passes over the reads; more, up to 30, where they would be fewer than [`TrainingOptions::least_steps`].
    pub epochs: usize,
    /// Steps that the session model is given at least, however few reads there are; 0: no more passes than `epochs`.
    pub least_steps: usize,
    /// Greatest number of passes over the impressions.
    pub rerank_epochs: usize,
    /// Passes without improvement after which a network is done.
    pub patience: usize,
    /// Seconds for all of it; what is best by then is kept. Infinite: no decision looks at the clock, and the same seed gives the same model.
    pub max_seconds: f64,
    /// Readers of one step of the session model.
    pub batch: usize,
    /// Impressions of one step of the reranker.
    pub rerank_batch: usize,
    /// Adam's rate for the session model at its height; `None`: by the number of steps, from 1e-4 for a few hundred to 5e-4 from 8,000 on,
    /// since a high rate undoes the start faster than a small set can teach anything better.
    pub learning_rate: Option<f64>,
    /// The same for the reranker.
    pub rerank_learning_rate: f64,
    /// Whether the rate falls to a tenth over the planned passes (half a cosine), or stays; either way it rises over the first steps.
    pub falling_rate: bool,
    /// Share of units dropped between the layers.
    pub dropout: f64,
    /// What cosines are multiplied with before the softmax, to begin with; it is learned beside the network.
    pub sharpness: f64,
    /// Random articles that a read is told apart from, beside those that the batch's other readers read.
    pub random_negatives: usize,
    /// Reads that gradients flow back over. The hidden state is carried on from there.
    pub back_steps: usize,
    /// Reads of the log that are cut into batches together: a batch's readers read within this stretch of time, so that what the others
    /// read is what this reader could have read.
    pub window_reads: usize,
    /// Precision that the model is to be served in, for its card.
    pub precision: Precision,
    /// Precision of the products in training, beside weights and sums in `f32`; `None`: bf16 where the device has it.
    pub training_precision: Option<Precision>,
    /// Where to train.
    pub device: DeviceChoice,
    /// Impressions trained on; a seeded sample where there are more. Each takes 3 KB of memory for its reader's state.
    pub max_impressions: usize,
    /// Readers held out at most, one in twelve.
    pub max_held_out: usize,
    /// Start from this model's weights.
    pub warm_start: Option<ModelFolder>,
    /// Where to go on from, and how often to write.
    pub checkpoint: Option<CheckpointPlan>,
}

/// Where a training's state is kept while it runs, so that one that was killed goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointPlan {
    /// The file. It is written beside and renamed, and removed at the end.
    pub file: PathBuf,
    /// How long a kill may cost. When it is written has no influence on the model.
    pub every: Duration,
}

impl Default for TrainingOptions {
    fn default() -> Self {
        Self {
            version: "1".to_owned(),
            seed: 1,
            epochs: 3,
            least_steps: 600,
            rerank_epochs: 10,
            patience: 5,
            max_seconds: f64::INFINITY,
            batch: 256,
            rerank_batch: 64,
            learning_rate: None,
            rerank_learning_rate: 2e-4,
            falling_rate: true,
            dropout: 0.1,
            sharpness: 7.0,
            random_negatives: 10,
            back_steps: 20,
            window_reads: 8192,
            precision: Precision::F32,
            training_precision: None,
            device: DeviceChoice::Auto,
            max_impressions: 100_000,
            max_held_out: 2000,
            warm_start: None,
            checkpoint: None,
        }
    }
}

impl TrainingOptions {
    /// As the reference system trains: batches of 64, Adam at 1e-3, at most 100 passes, patience 5, dropout 0.1, ten random negatives.
    pub fn reference() -> Self {
        Self {
            epochs: 100,
            least_steps: 0,
            rerank_epochs: 100,
            patience: 5,
            batch: 64,
            rerank_batch: 64,
            learning_rate: Some(1e-3),
            rerank_learning_rate: 1e-3,
            falling_rate: false,
            dropout: 0.1,
            random_negatives: 10,
            ..Self::default()
        }
    }

    /// The best of so many seconds, as the demonstration has them.
    pub fn within(seconds: f64) -> Self {
        Self {
            max_seconds: seconds,
            epochs: 3,
            least_steps: 0,
            rerank_epochs: 2,
            batch: 64,
            learning_rate: Some(1.5e-4),
            rerank_learning_rate: 1e-3,
            max_impressions: 30_000,
            max_held_out: 150,
            ..Self::default()
        }
    }

    /// Whether products run in bf16 on `device`.
    pub(super) fn half_precision(&self, device: tch::Device) -> bool {
        match self.training_precision {
            Some(precision) => precision == Precision::Bf16,
            None if device.is_cuda() => true,
            #[cfg(target_arch = "x86_64")]
            None => std::is_x86_feature_detected!("avx512bf16"),
            #[cfg(not(target_arch = "x86_64"))]
            None => false,
        }
    }

    /// Passes over the reads, where one has so many steps.
    pub(super) fn passes(&self, steps: usize) -> usize {
        const MOST: usize = 30;
        self.least_steps.div_ceil(steps.max(1)).min(MOST).max(self.epochs)
    }

    /// The rate's height where so many steps are planned.
    pub(super) fn rate_for(&self, steps: usize) -> f64 {
        self.learning_rate.unwrap_or_else(|| 5e-4 * (steps as f64 / 8_000.0).sqrt().clamp(0.2, 1.0))
    }

    /// What changes the model, as text for a hash.
    pub(super) fn fingerprint(&self) -> String {
        let warm = self.warm_start.as_ref().map(ModelFolder::digest);
        let fixed = Self { version: String::new(), warm_start: None, checkpoint: None, ..self.clone() };
        format!("{fixed:?} {warm:?}")
    }
}
