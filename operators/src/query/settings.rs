//! The read path's limits, times and sizes.

use std::{collections::BTreeMap, time::Duration};

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

/// The most candidates that each source brings for a reader; 0 leaves a source out. What several sources bring counts once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// The articles nearest to the session embedding.
    pub knn: usize,
    /// What the learner expects to be read next, of the articles read most.
    pub learned: usize,
    /// What was read after the reader's last reads.
    pub also_read: usize,
    /// What is read most of what the reader chose.
    pub topics: usize,
    /// What is read most.
    pub trending: usize,
    /// What was published last.
    pub newest: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { knn: 100, learned: 40, also_read: 20, topics: 10, trending: 30, newest: 10 }
    }
}

/// How a slate is made of candidates in their order. Each is a step of its own, and each has a value that leaves it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Composition {
    /// Hours after which an article counts half as much, where no trees ranked it (they see its age themselves); 0 leaves it out.
    pub half_life_hours: f32,
    /// The same for articles of a section, whoever ranked them: a match report ages faster than a feature.
    pub section_half_life_hours: BTreeMap<String, f32>,
    /// What is left of an article's score for each time that the reader was shown it of late and did not read it; 1 leaves it out.
    pub fatigue: f32,
    /// Articles whose vectors' cosine is at least this tell one story, and a slate has one of them; 0 leaves it out.
    pub story_cosine: f32,
    /// How much of a score the likeness to what stands above takes away (the `1 - lambda` of maximal marginal relevance); 0 leaves it out.
    pub diversity: f32,
    /// The greatest share of a slate that one section takes while there is anything else; 1 leaves it out.
    pub section_share: f32,
    /// Whether what a reader without reads chose comes first.
    pub chosen_first: bool,
    /// The share of slates whose last place goes to a new article that few were shown; 0 leaves it out.
    pub exploration: f32,
    /// An article that was shown more often than this is not explored any more.
    pub explored_exposures: f32,
}

impl Default for Composition {
    fn default() -> Self {
        Self {
            half_life_hours: 48.0,
            section_half_life_hours: BTreeMap::new(),
            fatigue: 0.9,
            story_cosine: 0.97,
            diversity: 0.1,
            section_share: 0.7,
            chosen_first: true,
            exploration: 0.1,
            explored_exposures: 20.0,
        }
    }
}

impl Composition {
    /// Candidates go as they were ranked, the best first.
    pub fn none() -> Self {
        Self {
            half_life_hours: 0.0,
            section_half_life_hours: BTreeMap::new(),
            fatigue: 1.0,
            story_cosine: 0.0,
            diversity: 0.0,
            section_share: 1.0,
            chosen_first: false,
            exploration: 0.0,
            explored_exposures: 0.0,
        }
    }
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
    /// A request that others would hold up for longer than this is refused at once, once 64 have been answered
    /// without a rest of half of it; 0 lets it wait until its deadline.
    pub queue_ms: u64,
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
    /// The most candidates of each source.
    pub sources: Budgets,
    /// Articles older than so many hours are not served; 0 knows no such limit.
    pub oldest_hours: u32,
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
    /// How a slate is made of candidates in their order.
    pub composition: Composition,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            batch: 32,
            batches_in_flight: 3,
            waiting_requests: 1024,
            queue_ms: 40,
            deadline_ms: 5_000,
            after_wait_ms: 500,
            state_limit_ms: 250,
            articles_limit_ms: 500,
            ranker_limit_ms: 100,
            ranker: RankBy::Trees,
            log_features: false,
            edge_pause_ms: 1_000,
            sources: Budgets::default(),
            oldest_hours: 0,
            related_candidates: 20,
            page_share: 0.75,
            cache_seconds: 600,
            trend_half_life: 4,
            trending_pool: 500,
            trends_every_ms: 1_000,
            composition: Composition::default(),
        }
    }
}

impl QuerySettings {
    /// How long a request waits for the event that its `after` names.
    pub fn after_wait(&self) -> Duration {
        Duration::from_millis(self.after_wait_ms)
    }

    /// How long others may hold up a request where that is no burst; zero knows no limit.
    pub fn queue_limit(&self) -> Duration {
        Duration::from_millis(self.queue_ms)
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
