//! The read path's limits, times and sizes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What orders candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RankBy {
    /// The model folder's trees over the columns, of which the networks' scores are some; the networks where there are no trees.
    #[default]
    Trees,
    /// The two networks alone, as the reference system has them.
    Reference,
}

/// Limits, times and sizes of the read path, with the defaults that the program ships.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySettings {
    /// The most requests in a batch.
    pub batch: usize,
    /// Batches between source and answer at once; what comes meanwhile waits and joins the next one.
    pub batches_in_flight: usize,
    /// Requests that may wait; one more is refused.
    pub waiting_requests: usize,
    /// How long a request may take that names no deadline of its own.
    pub deadline_ms: u64,
    /// How long a request waits for the event that its `after` names; never more than half of what is left until its deadline.
    pub after_wait_ms: u64,
    /// How long a read of the state store may take before the reader is served as one without state.
    pub state_limit_ms: u64,
    /// How long the article edge may take before trending articles are served from memory.
    pub articles_limit_ms: u64,
    /// How long the ranker may take before candidates are served in the order of their cosine.
    pub ranker_limit_ms: u64,
    /// What orders candidates: `trees`, or `reference` for the two networks alone.
    pub ranker: RankBy,
    /// Whether impressions keep all candidates with their columns, for training and for proof: some 40 KB each.
    pub log_features: bool,
    /// How long an edge that was too slow is left alone, so that its requests are not slow as well.
    pub edge_pause_ms: u64,
    /// Candidates of a search.
    pub candidates: usize,
    /// Candidates of a search for related stories: few, so that what is ranked stays near the page.
    pub related_candidates: usize,
    /// The page's share of the vector that related stories are searched with; the rest is the reader's.
    pub page_share: f32,
    /// How long candidates stay cached while their reader reads nothing.
    pub cache_seconds: u64,
    /// Which of `fold::trends::HALF_LIVES_MS` orders trending articles.
    pub trend_half_life: usize,
    /// Trending articles that are kept in memory with title and vector.
    pub trending_pool: usize,
    /// How often the trends in memory are brought up to date.
    pub trends_every_ms: u64,
    /// The greatest share of a slate that one section takes while there is anything else.
    pub section_share: f32,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            batch: 32,
            batches_in_flight: 3,
            waiting_requests: 1024,
            deadline_ms: 5_000,
            after_wait_ms: 500,
            state_limit_ms: 250,
            articles_limit_ms: 500,
            ranker_limit_ms: 100,
            ranker: RankBy::Trees,
            log_features: false,
            edge_pause_ms: 1_000,
            candidates: 100,
            related_candidates: 20,
            page_share: 0.75,
            cache_seconds: 600,
            trend_half_life: 4,
            trending_pool: 200,
            trends_every_ms: 1_000,
            section_share: 0.7,
        }
    }
}

impl QuerySettings {
    /// How long a request waits for the event that its `after` names.
    pub fn after_wait(&self) -> Duration {
        Duration::from_millis(self.after_wait_ms)
    }

    /// How often the trends in memory are brought up to date.
    pub fn trends_every(&self) -> Duration {
        Duration::from_millis(self.trends_every_ms.max(1))
    }

    /// How long candidates stay cached.
    pub fn cache_time(&self) -> Duration {
        Duration::from_secs(self.cache_seconds)
    }
}
