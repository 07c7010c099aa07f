//! How the learner learns and publishes.

use std::time::Duration;

use abovefold_models::learner::LearnerOptions;
use serde::{Deserialize, Serialize};

/// Settings of the learner, with the defaults that the program ships.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LearnerSettings {
    /// Whether this process takes part: one of all that do is the learner.
    pub enabled: bool,
    /// Negatives of a step.
    pub negatives: usize,
    /// How often what was learned is published, in milliseconds.
    pub publish_every_ms: u64,
    /// A row is published once it is this far from where it was published last; at a whole version in any case.
    pub publish_moved: f32,
    /// Every so many versions one is whole: a learner that takes over learns again what came after it.
    pub whole_every: u64,
    /// The most reads of one reader that teach anything within an hour of the log.
    pub reads_an_hour: u32,
    /// The most articles that are known at once (540 bytes each).
    pub most_articles: usize,
    /// The most readers that are known at once (270 bytes each).
    pub most_readers: usize,
}

impl Default for LearnerSettings {
    fn default() -> Self {
        let options = LearnerOptions::default();
        Self {
            enabled: true,
            negatives: options.negatives,
            publish_every_ms: 1_000,
            publish_moved: 0.02,
            whole_every: 600,
            reads_an_hour: options.reads_an_hour,
            most_articles: options.most_articles,
            most_readers: options.most_readers,
        }
    }
}

impl LearnerSettings {
    /// What the learner itself is told.
    pub fn options(&self) -> LearnerOptions {
        LearnerOptions {
            negatives: self.negatives,
            reads_an_hour: self.reads_an_hour,
            most_articles: self.most_articles,
            most_readers: self.most_readers,
            ..LearnerOptions::default()
        }
    }

    /// How often what was learned is published.
    pub fn publish_every(&self) -> Duration {
        Duration::from_millis(self.publish_every_ms.max(1))
    }
}
