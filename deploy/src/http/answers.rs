//! What the interface answers, as JSON.

use abovefold_operators::{articles::Article as StoredArticle, query};
use abovefold_schemas::{Timestamp, state};
use serde::Serialize;
use utoipa::ToSchema;

/// Why an article is in a slate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// `knn`, `learned`, `also_read`, `topics`, `trending`, `newest` or `exploration`.
    source: &'static str,
    /// One sentence for the reader.
    text: String,
    /// The read that led to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<i64>,
    /// Cosine of article and query vector, -1 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f64>,
    /// The ranker's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    logit: Option<f64>,
    /// Decayed reads as a share of those of the most read article.
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<f64>,
    /// The columns that moved its place most, most first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
}

/// A column that moved an article's place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Reason {
    /// The column's name.
    column: &'static str,
    /// By how much it raised the ranker's number, or lowered it.
    by: f64,
}

/// One card of a slate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Recommendation {
    article_id: i64,
    title: String,
    subtitle: String,
    category: String,
    /// RFC 3339.
    published_time: String,
    /// 0 to 1, never rising within a slate.
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

/// The state that a slate was made from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct State {
    namespace: String,
    partition: u32,
    /// The first offset of the partition that was not seen; null where nothing is folded, or the store is down.
    marker: Option<u64>,
    /// The first offset after the reader's last event; null for a reader without state.
    version: Option<u64>,
    /// All reads of the reader.
    reads: u64,
}

/// A slate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Slate {
    user_id: String,
    /// The page that it is for, of related stories.
    #[serde(skip_serializing_if = "Option::is_none")]
    article_id: Option<i64>,
    /// Best first.
    pub(super) recommendations: Vec<Recommendation>,
    /// By which a read names the slate that led to it.
    impression_id: String,
    /// The path or the fallback: `reranker`, `trees`, `cached`, `knn`, `preferences`, `trending`, `newest`.
    pub(super) served_by: &'static str,
    /// The arm that the reader is in; only where an experiment runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<String>,
    /// False when `after` could not be waited for.
    pub(super) fresh: bool,
    /// The version of the model that ordered it; null where none did.
    model: Option<String>,
    state: State,
}

impl Slate {
    pub(super) fn of(slate: query::Slate, namespace: &str, page: Option<i64>) -> Self {
        let query::StateSeen { partition, marker, version, reads } = slate.state;
        Self {
            user_id: slate.reader.as_str().into(),
            article_id: page,
            recommendations: slate.picks.iter().map(Recommendation::of).collect(),
            impression_id: slate.impression_id,
            served_by: slate.served_by.name(),
            arm: slate.arm,
            fresh: slate.fresh,
            model: slate.model,
            state: State {
                namespace: namespace.into(),
                partition,
                marker: marker.map(|marker| marker.0),
                version: version.map(|version| version.0),
                reads,
            },
        }
    }
}

impl Recommendation {
    fn of(pick: &query::Pick) -> Self {
        let article = &pick.article.version;
        let reason = |(column, by): &(&'static str, f64)| Reason { column, by: *by };
        let explanation = pick.explanation.as_ref().map(|why| Explanation {
            source: pick.source.name(),
            text: why.text.clone(),
            because: why.because.map(|article| article.0),
            cosine: why.cosine.and_then(finite),
            logit: why.logit.and_then(finite),
            trend: why.trend.and_then(finite),
            reasons: why.reasons.iter().map(reason).collect(),
        });
        Self {
            article_id: article.article_id,
            title: article.title.clone(),
            subtitle: article.subtitle.clone(),
            category: article.category.clone(),
            published_time: Timestamp(article.published).to_rfc3339(),
            score: finite(pick.score).unwrap_or(0.0),
            explanation,
        }
    }
}

/// One read of a reader.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct HistoryEntry {
    article_id: i64,
    /// Null for an article that was never published here.
    title: Option<String>,
    category: Option<String>,
    /// Seconds.
    read_time: Option<f64>,
    /// 0 to 100.
    scroll_pct: Option<f64>,
    /// RFC 3339.
    timestamp: String,
}

impl HistoryEntry {
    pub(super) fn of(read: &state::Read, article: Option<&StoredArticle>) -> Self {
        Self {
            article_id: read.article_id,
            title: article.map(|article| article.version.title.clone()),
            category: article.map(|article| article.version.category.clone()),
            read_time: read.read_time.and_then(finite),
            scroll_pct: read.scroll_pct.and_then(finite),
            timestamp: Timestamp(read.time).to_rfc3339(),
        }
    }
}

/// What a reader read, and what it is recommended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ReaderPage {
    pub(super) user_id: String,
    /// Newest first.
    pub(super) history: Vec<HistoryEntry>,
    /// Best first.
    pub(super) recommendations: Vec<Recommendation>,
    /// Topics that the reader chose.
    pub(super) topics: Vec<String>,
    pub(super) served_by: &'static str,
    pub(super) fresh: bool,
}

/// A reader who was seen lately.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ActiveReader {
    user_id: String,
    /// All its reads.
    reads: u64,
    /// RFC 3339.
    last_seen: String,
}

impl From<state::ActiveReader> for ActiveReader {
    fn from(reader: state::ActiveReader) -> Self {
        let last_seen = Timestamp(reader.last_seen).to_rfc3339();
        Self { user_id: reader.user_id, reads: reader.reads, last_seen }
    }
}

/// An article as it is read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Article {
    article_id: i64,
    title: String,
    subtitle: String,
    /// Paragraphs parted by blank lines.
    body: String,
    category: String,
    topics: Vec<String>,
    /// RFC 3339.
    published_time: String,
}

impl From<&StoredArticle> for Article {
    fn from(article: &StoredArticle) -> Self {
        let version = &article.version;
        Self {
            article_id: version.article_id,
            title: version.title.clone(),
            subtitle: version.subtitle.clone(),
            body: version.body.clone(),
            category: version.category.clone(),
            topics: version.topics.clone(),
            published_time: Timestamp(version.published).to_rfc3339(),
        }
    }
}

/// An article in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Card {
    article_id: i64,
    title: String,
    subtitle: String,
    category: String,
    /// RFC 3339.
    published_time: String,
}

impl From<&StoredArticle> for Card {
    fn from(article: &StoredArticle) -> Self {
        let Article { article_id, title, subtitle, category, published_time, .. } = article.into();
        Self { article_id, title, subtitle, category, published_time }
    }
}

/// An event that is in the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EventAccepted {
    pub(super) partition: u32,
    pub(super) offset: u64,
    /// Give it to `POST /recommend` to have the event counted in. Opaque.
    pub(super) after: String,
}

/// A number that JSON can say, with four decimals.
fn finite(number: f32) -> Option<f64> {
    number.is_finite().then(|| (f64::from(number) * 10_000.0).round() / 10_000.0)
}
