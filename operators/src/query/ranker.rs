//! What orders candidates.

use std::fmt::Debug;

use abovefold_models::{Inference, RerankRequest};
use async_trait::async_trait;

/// Orders the candidates of many requests in one go.
#[async_trait]
pub trait Ranker: Debug + Send + Sync {
    /// The version that answers name.
    fn version(&self) -> &str;

    /// What the session embeddings that it understands were made by; candidates cached under another are dropped.
    fn session_model(&self) -> &str;

    /// A logit for each candidate of each request, in their order.
    ///
    /// # Errors
    /// In words.
    async fn rank(&self, requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, String>;

    /// Whether it goes on without the device that it was started on.
    fn lost_its_device(&self) -> bool {
        false
    }
}

#[async_trait]
impl Ranker for Inference {
    fn version(&self) -> &str {
        &self.facts().version
    }

    fn session_model(&self) -> &str {
        &self.facts().session_digest
    }

    async fn rank(&self, requests: Vec<RerankRequest>) -> Result<Vec<Vec<f32>>, String> {
        self.rerank(requests).await.map_err(|error| error.to_string())
    }

    fn lost_its_device(&self) -> bool {
        Self::lost_its_device(self)
    }
}
