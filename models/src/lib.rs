//! The networks of Abovefold: a session model (reading session to query vector) and a reranker (candidates to scores).
//!
//! - [`folder`]: what a model is on disk, `model.safetensors` with PyTorch's names and the card `model.json`.
//! - [`inference`]: one thread owns the device; everybody else holds a clonable [`Inference`] handle.
//! - [`session`] and [`rerank`]: the two networks as that thread runs them.
//! - [`matrix`]: the exact nearest articles by cosine.
//! - [`text`]: article vectors from text, where none are given; [`reads`]: from what readers read, where there is no text.
//! - [`vectors`]: where training takes article vectors from, as of a moment.
//! - [`learner`]: an embedding that learns from each read as it streams by.
//! - [`trees`]: what ranks, over the columns that the folds give.
//! - [`train`](mod@train): both networks from a training set. [`evaluate`]: how well something ranks.
//!
//! A reader's hidden state is [`HIDDEN`] numbers: the lower layer's [`WIDTH`], then the top layer's. The top layer is the
//! session embedding ([`session_embedding`]). A reader without reads has zeros.
//!
//! The session model is part of a fold, so its numbers never depend on who else is in a batch: rows run in tiles of
//! one fixed shape, and the gates are computed by arithmetic that is the same for every lane.
// A panic needs a stated invariant: `expect("why this holds")`, never a bare unwrap.
#![warn(clippy::unwrap_used)]

pub mod card;
pub mod evaluate;
pub mod flat;
pub mod folder;
mod gates;
pub mod inference;
pub mod learner;
pub mod matrix;
pub mod metrics;
pub mod reads;
pub mod rerank;
mod seed;
pub mod session;
pub mod text;
pub mod train;
pub mod trees;
pub mod vectors;
pub mod weights;

pub use card::{Card, Dimensions, Precision, Scaling};
pub use evaluate::{MetricsRow, RankedList};
pub use folder::{FolderError, ModelFolder};
pub use inference::{
    DeviceChoice, Inference, InferenceError, InferenceOptions, ModelFacts, StepBatch, StepResult, give_way,
};
pub use matrix::{ArticleMatrix, MatrixError};
pub use reads::ReadVectors;
pub use rerank::{Profile, RerankRequest};
pub use session::Behaviour;
pub use text::{Text, TextVectors};
pub use train::{
    CheckpointPlan, ReadSequence, TrainError, Trained, TrainingImpression, TrainingOptions, TrainingProgress,
    TrainingRead, TrainingSet, train, train_from,
};
pub use vectors::{CachedVectors, HeldVectors, VectorSource};
pub use weights::Weights;

/// Width of article vectors, of each GRU layer and of the session embedding.
pub const WIDTH: usize = 768;

/// Layers of the GRU.
pub const LAYERS: usize = 2;

/// Numbers in a reader's hidden state.
pub const HIDDEN: usize = LAYERS * WIDTH;

/// The session embedding within a hidden state: the top layer.
///
/// # Panics
/// When `hidden` holds fewer than [`HIDDEN`] numbers.
pub fn session_embedding(hidden: &[f32]) -> &[f32] {
    &hidden[HIDDEN - WIDTH..HIDDEN]
}
