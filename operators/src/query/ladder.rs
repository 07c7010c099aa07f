//! What serves in the place of something that failed.

use super::shared::Shared;

/// Something that failed, and what serves in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What failed: `state`, `articles`, `ranker`, `gpu`, or `model` where there is none.
    pub failed: &'static str,
    /// What serves, by the names of [`super::ServedBy`] where it is one of these.
    pub serves: &'static str,
}

impl Fallback {
    /// Of the state store.
    pub const STATE: Self = Self { failed: "state", serves: "trending, from memory" };
    /// Of the article edge.
    pub const ARTICLES: Self = Self { failed: "articles", serves: "cached, else trending, from memory" };
    /// Of the networks' GPU.
    const GPU: Self = Self { failed: "gpu", serves: "reranker, on the processor" };
}

/// The fallbacks in force, as of the last call of each edge.
pub(super) fn fallbacks(shared: &Shared) -> Vec<Fallback> {
    let model = shared.model.take();
    let without_networks = if model.trees.is_some() { "trees" } else { "knn" };
    let ranker = match &model.ranker {
        None => Some(Fallback { failed: "model", serves: without_networks }),
        Some(_) if !shared.ranker_edge.is_well() => {
            Some(Fallback { failed: "ranker", serves: without_networks })
        }
        Some(ranker) => ranker.lost_its_device().then_some(Fallback::GPU),
    };
    let state = (!shared.state_edge.is_well()).then_some(Fallback::STATE);
    let articles = (!shared.articles_edge.is_well()).then_some(Fallback::ARTICLES);
    [state, articles, ranker].into_iter().flatten().collect()
}
