//! What to learn from.

use abovefold_schemas::{ArticleId, Timestamp};

use crate::rerank::Profile;
use crate::vectors::HeldVectors;

/// What to learn from. Articles, readers and impressions name one another by index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingSet {
    /// The articles' ids.
    pub articles: Vec<ArticleId>,
    /// Their vectors at unit length, in versions by time. Not looked at by [`train_from`](super::train_from), which is given another source.
    pub vectors: HeldVectors,
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
    /// When the page was left.
    pub time: Timestamp,
}

impl TrainingRead {
    /// When the page was opened: as long before it was left as it was read, and never before `earliest`, such as the reader's read before.
    pub fn opened(&self, earliest: Timestamp) -> Timestamp {
        let seconds =
            self.read_seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0).unwrap_or(0.0);
        let opened = self.time.0.saturating_sub((f64::from(seconds) * 1000.0) as i64);
        Timestamp(opened.max(earliest.0).min(self.time.0))
    }
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
