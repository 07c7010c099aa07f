//! What travels between the steps: a batch of requests, each knowing more after every step.

use std::sync::Arc;

use abovefold_schemas::{ArticleId, state::ReaderState};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    Arm, QuerySettings,
    features::Seen,
    metrics::Stopwatch,
    request::{QueryError, Request, ServedBy, Slate, Source, StateSeen},
};
use crate::articles::Article;

/// Requests that travel together.
#[derive(Debug)]
pub struct Batch<T> {
    pub(super) items: Vec<T>,
    /// Given back when the batch is answered, so that the next one may start.
    pub(super) permit: OwnedSemaphorePermit,
}

impl<T> Batch<T> {
    /// The same requests, one step on.
    pub(super) fn map<U>(self, step: impl FnMut(T) -> U) -> Batch<U> {
        Batch { items: self.items.into_iter().map(step).collect(), permit: self.permit }
    }

    /// The same requests, each with what its step found; `found` has one entry an item.
    pub(super) fn zip<F, U>(self, found: Vec<F>, mut step: impl FnMut(T, F) -> U) -> Batch<U> {
        debug_assert_eq!(self.items.len(), found.len());
        let items = self.items.into_iter().zip(found).map(|(item, found)| step(item, found)).collect();
        Batch { items, permit: self.permit }
    }
}

/// A request that somebody waits for.
#[derive(Debug)]
pub struct Asked {
    pub(super) request: Request,
    /// The arm of its reader, whose settings serve it.
    pub(super) arm: Arc<Arm>,
    pub(super) fresh: bool,
    pub(super) reply: oneshot::Sender<Result<Slate, QueryError>>,
    pub(super) watch: Stopwatch,
}

impl Asked {
    /// What it is served with.
    pub(super) fn settings(&self) -> &QuerySettings {
        &self.arm.settings
    }
}

/// A request and its reader's state.
#[derive(Debug)]
pub struct Known {
    pub(super) asked: Asked,
    pub(super) seen: StateSeen,
    pub(super) state: ReaderState,
    /// The session embedding; `None` before the first read.
    pub(super) session: Option<Vec<f32>>,
    /// Cached candidates, not yet decoded.
    pub(super) cached: Option<Bytes>,
}

impl Known {
    /// Whether the article may not be in this slate: read, excluded, or the page itself.
    pub(super) fn bars(&self, article: ArticleId) -> bool {
        let request = &self.asked.request;
        request.page == Some(article)
            || request.exclude.contains(&article)
            || self.state.reads.iter().any(|read| read.article_id == article.0)
    }

    /// Whether the article is about something that the reader chose.
    pub(super) fn chose(&self, article: &Article) -> bool {
        let about = |topic: &String| {
            let same = |other: &String| other.eq_ignore_ascii_case(topic);
            same(&article.version.category) || article.version.topics.iter().any(same)
        };
        self.state.topics.iter().any(about)
    }
}

/// An article that may be served.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub(super) article: Arc<Article>,
    pub(super) source: Source,
    /// 0 to 1.
    pub(super) score: f32,
    pub(super) cosine: Option<f32>,
    pub(super) logit: Option<f32>,
    pub(super) trend: Option<f32>,
    /// What moved its place most, by column; only where it was asked for.
    pub(super) reasons: Vec<(&'static str, f64)>,
}

/// A request and its candidates.
#[derive(Debug)]
pub struct Gathered {
    pub(super) known: Known,
    /// Best first.
    pub(super) candidates: Vec<Candidate>,
    /// What is taken when the candidates do not suffice; best first.
    pub(super) fill: Vec<Candidate>,
    /// Who served it, as far as is known.
    pub(super) served_by: ServedBy,
    /// The model that ordered the candidates.
    pub(super) model: Option<String>,
    /// Why there may be nothing, where an edge is down.
    pub(super) trouble: Option<String>,
    /// What the ranker sees of the candidates, as they came from the search.
    pub(super) seen: Option<Box<Seen>>,
}

/// A request and its answer.
#[derive(Debug)]
pub struct Composed {
    pub(super) asked: Asked,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub(super) device: u8,
    pub(super) seen: Option<Box<Seen>>,
    pub(super) outcome: Result<Slate, QueryError>,
}
