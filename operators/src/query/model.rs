//! What orders candidates, as one value that may be replaced while requests are under way.

use std::sync::{Arc, PoisonError, RwLock};

use super::Ranker;
use crate::features::ColumnRanker;

/// Networks and trees of one version: what a batch of requests is ordered by, from its first step to its last.
#[derive(Clone, Debug, Default)]
pub struct ServingModel {
    /// The networks that order candidates; without them they stay in the order of their cosine.
    pub ranker: Option<Arc<dyn Ranker>>,
    /// The trees above the networks; without them the networks' order counts.
    pub trees: Option<Arc<ColumnRanker>>,
}

impl ServingModel {
    /// The version that answers name; empty where there are no networks.
    pub fn version(&self) -> &str {
        self.ranker.as_ref().map_or("", |ranker| ranker.version())
    }

    /// What the session embeddings that it understands were made by; empty where there are no networks.
    pub fn session_model(&self) -> &str {
        self.ranker.as_ref().map_or("", |ranker| ranker.session_model())
    }
}

/// The model in force. A batch takes it once, at its start, and carries it along, so that no answer mixes two versions.
#[derive(Debug)]
pub(super) struct ModelInForce(RwLock<Arc<ServingModel>>);

impl ModelInForce {
    pub(super) fn new(model: ServingModel) -> Self {
        Self(RwLock::new(Arc::new(model)))
    }

    /// The model for a batch that begins now.
    pub(super) fn take(&self) -> Arc<ServingModel> {
        // What is guarded is replaced as a whole: a panic elsewhere leaves no half of it.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on batches begin with this one; those under way end with the one that they took.
    pub(super) fn replace(&self, model: ServingModel) -> Arc<ServingModel> {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, Arc::new(model))
    }
}
