//! What is asked of the read path, and what it answers.

use std::{fmt, sync::Arc};

use abovefold_schemas::{ArticleId, Marker, Offset, ReaderId, Timestamp, state::ReaderState};

use crate::articles::Article;

/// A request for a slate.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Who asks.
    pub reader: ReaderId,
    /// How many articles are wanted.
    pub k: usize,
    /// The token of an event that should be folded before the answer.
    pub after: Option<String>,
    /// The page that the slate is for, as for related stories.
    pub page: Option<ArticleId>,
    /// Leave these out.
    pub exclude: Vec<ArticleId>,
    /// Only articles of these sections; empty means all.
    pub categories: Vec<String>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop; that of the last read where absent.
    pub device_type: Option<u8>,
    /// Say of each article why it is there.
    pub explain: bool,
    /// The moment from which on nobody waits for the answer: nothing more is computed for it then. Absent: that of the settings.
    pub deadline: Option<Timestamp>,
    /// Whether a reader is shown the answer, so that it is logged as an impression; not where an operator looks at what a reader would be shown.
    pub shown: bool,
}

impl Request {
    /// A request for ten articles with nothing special to it.
    pub fn new(reader: ReaderId) -> Self {
        Self {
            reader,
            k: 10,
            after: None,
            page: None,
            exclude: Vec::new(),
            categories: Vec::new(),
            device_type: None,
            explain: false,
            deadline: None,
            shown: true,
        }
    }
}

/// The path that served a slate, or the fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServedBy {
    /// The nearest articles, ordered by the reranker.
    Reranker,
    /// The nearest articles, ordered by the trees while the networks fail.
    Trees,
    /// The reader's cached candidates, from the articles in memory, while the article edge is down; in the ranker's order where it can be had.
    Cached,
    /// The nearest articles, ordered by their cosine.
    Knn,
    /// The topics that a reader with few reads chose.
    Preferences,
    /// What all readers read most of late.
    Trending,
    /// What was published last.
    Newest,
}

impl ServedBy {
    /// Its name in answers, impressions and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reranker => "reranker",
            Self::Trees => "trees",
            Self::Cached => "cached",
            Self::Knn => "knn",
            Self::Preferences => "preferences",
            Self::Trending => "trending",
            Self::Newest => "newest",
        }
    }
}

impl fmt::Display for ServedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where one candidate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A search near the reader or the page.
    Knn,
    /// What the learner expects to be read next.
    Learned,
    /// What was read after the reader's last reads.
    AlsoRead,
    /// What the reader chose.
    Topics,
    /// The trending articles.
    Trending,
    /// The articles published last.
    Newest,
    /// A new article that few were shown, by chance.
    Exploration,
}

impl Source {
    /// Its name in answers and impressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Knn => "knn",
            Self::Learned => "learned",
            Self::AlsoRead => "also_read",
            Self::Topics => "topics",
            Self::Trending => "trending",
            Self::Newest => "newest",
            Self::Exploration => "exploration",
        }
    }
}

/// Why an article is in a slate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// Cosine of article and query vector, -1 to 1, where it was searched for.
    pub cosine: Option<f32>,
    /// The ranker's own number, before it is brought to 0 to 1.
    pub logit: Option<f32>,
    /// Decayed reads as a share of those of the most read article.
    pub trend: Option<f32>,
    /// The read that led to it, or the nearest one.
    pub because: Option<ArticleId>,
    /// The columns that moved its place most, and by how much they raised or lowered its score; most first.
    pub reasons: Vec<(&'static str, f64)>,
    /// One sentence for the reader.
    pub text: String,
}

/// One article of a slate.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// The article.
    pub article: Arc<Article>,
    /// 0 to 1, never greater than that of the pick before it. Comparable only within a slate.
    pub score: f32,
    /// Where it came from.
    pub source: Source,
    /// With what probability it came to its place; 1 where chance had no hand in it.
    pub propensity: f32,
    /// Why it is there; asked for by [`Request::explain`].
    pub explanation: Option<Explanation>,
}

/// Which state of the reader an answer is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateSeen {
    /// The reader's partition.
    pub partition: u32,
    /// The first offset of it that was not seen; `None` where nothing is folded or the store was down.
    pub marker: Option<Offset>,
    /// The version of the reader's state; `None` where it has none.
    pub version: Option<Offset>,
    /// All reads of the reader.
    pub reads: u64,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub struct Slate {
    /// Who asked.
    pub reader: ReaderId,
    /// Best first; never an article that the reader read, none twice.
    pub picks: Vec<Pick>,
    /// By which a read names the slate that led to it.
    pub impression_id: String,
    /// The path or fallback.
    pub served_by: ServedBy,
    /// The arm that its reader is in, where an experiment runs.
    pub arm: Option<String>,
    /// Whether the event that `after` named is in it; true where nothing was named.
    pub fresh: bool,
    /// The version of the model that ordered it.
    pub model: Option<String>,
    /// The state that it was made from.
    pub state: StateSeen,
}

/// A reader's state as the store has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReaderSeen {
    /// The reader's partition.
    pub partition: u32,
    /// That partition's marker.
    pub marker: Option<Marker>,
    /// The state's version.
    pub version: Option<Offset>,
    /// The state; `None` where the log says nothing of the reader.
    pub state: Option<ReaderState>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The `after` of a request; the caller's fault.
    #[error("after: {0}")]
    Token(String),
    /// Too many requests wait, or so many that this one would be answered too late; try again.
    #[error("too many requests wait for an answer; try again in a moment")]
    Busy,
    /// The request's deadline passed before there was an answer.
    #[error("the request's deadline passed before there was an answer; give it more time, or try again")]
    Late,
    /// The read path has stopped; only a restart helps.
    #[error("the read path has stopped; the program's log says why")]
    Stopped,
    /// Every edge that could serve is down, and nothing is in memory; try again.
    #[error("there is nothing to serve from: {0}")]
    Nothing(String),
    /// The state store; try again.
    #[error("read a reader's state: {0}")]
    State(String),
}
