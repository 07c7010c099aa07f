//! What travels between the steps: a batch of requests, each knowing more after every step.

use std::sync::Arc;

use abovefold_schemas::{ArticleId, Timestamp, state::ReaderState};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    Arm, QuerySettings, ServingModel,
    features::Seen,
    load::Slot,
    metrics::{self, Stopwatch},
    request::{QueryError, Request, ServedBy, Slate, Source, StateSeen},
};
use crate::articles::Article;

/// Requests that travel together.
#[derive(Debug)]
pub struct Batch<T> {
    pub(super) items: Vec<T>,
    /// What all of them are ordered by, whatever is put in force meanwhile.
    pub(super) model: Arc<ServingModel>,
    /// Given back when the batch is answered, so that the next one may start.
    pub(super) slot: Slot,
}

impl<T> Batch<T> {
    /// The same requests, one step on.
    pub(super) fn map<U>(self, step: impl FnMut(T) -> U) -> Batch<U> {
        let items = self.items.into_iter().map(step).collect();
        Batch { items, model: self.model, slot: self.slot }
    }

    /// The same requests, each with what its step found; `found` has one entry an item.
    pub(super) fn zip<F, U>(self, found: Vec<F>, mut step: impl FnMut(T, F) -> U) -> Batch<U> {
        debug_assert_eq!(self.items.len(), found.len());
        let items = self.items.into_iter().zip(found).map(|(item, found)| step(item, found)).collect();
        Batch { items, model: self.model, slot: self.slot }
    }
}

/// A request on its way to its answer.
pub trait OnItsWay {
    /// What was asked.
    fn asked(&self) -> &Asked;
    /// The same, given up by its step.
    fn into_asked(self) -> Asked;
}

impl<T: OnItsWay> Batch<T> {
    /// The requests that somebody still waits for at this moment; `None` where nobody does. Nothing is computed for the others: who went
    /// away needs no answer, and whose deadline has passed is told so.
    pub(super) fn still_wanted(self, now: Timestamp, step: &'static str) -> Option<Self> {
        let is_wanted = |item: &T| item.asked().is_wanted(now);
        if self.items.iter().all(is_wanted) {
            return Some(self).filter(|batch| !batch.items.is_empty());
        }
        let (wanted, others): (Vec<T>, Vec<T>) = self.items.into_iter().partition(is_wanted);
        ::metrics::counter!(metrics::DROPPED, "step" => step).increment(others.len() as u64);
        for other in others {
            // Whoever asked may be gone.
            other.into_asked().reply.send(Err(QueryError::Late)).ok();
        }
        (!wanted.is_empty()).then_some(Self { items: wanted, model: self.model, slot: self.slot })
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
    fn is_wanted(&self, now: Timestamp) -> bool {
        !self.reply.is_closed() && self.request.deadline.is_none_or(|deadline| now < deadline)
    }

    /// What it is served with.
    pub(super) fn settings(&self) -> &QuerySettings {
        &self.arm.settings
    }
}

impl OnItsWay for Asked {
    fn asked(&self) -> &Asked {
        self
    }

    fn into_asked(self) -> Asked {
        self
    }
}

impl OnItsWay for Known {
    fn asked(&self) -> &Asked {
        &self.asked
    }

    fn into_asked(self) -> Asked {
        self.asked
    }
}

impl OnItsWay for Gathered {
    fn asked(&self) -> &Asked {
        &self.known.asked
    }

    fn into_asked(self) -> Asked {
        self.known.asked
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
    /// Nothing that was published before this is served.
    pub(super) oldest: Option<Timestamp>,
}

impl Known {
    /// Whether the article may not be in this slate: read, excluded, or the page itself.
    pub(super) fn bars(&self, article: ArticleId) -> bool {
        let request = &self.asked.request;
        request.page == Some(article)
            || request.exclude.contains(&article)
            || self.read().any(|read| read == article)
    }

    /// All that the reader is known to have read.
    pub(super) fn read(&self) -> impl Iterator<Item = ArticleId> {
        let last = self.state.reads.iter().map(|read| read.article_id);
        last.chain(self.state.read_before.iter().copied()).map(ArticleId)
    }

    /// Whether the article may be in this slate: there, not barred, not too old, of a section that was asked for.
    pub(super) fn admits(&self, article: &Article) -> bool {
        let version = &article.version;
        let categories = &self.asked.request.categories;
        !version.withdrawn
            && !self.bars(article.id)
            && self.oldest.is_none_or(|oldest| version.published >= oldest.0)
            && (categories.is_empty() || categories.contains(&version.category))
    }

    /// Whether the article is about something that the reader chose.
    pub(super) fn chose(&self, article: &Article) -> bool {
        chosen(&self.state, article).is_some()
    }
}

/// What the reader chose that an article is about.
pub(super) fn chosen<'a>(state: &'a ReaderState, article: &Article) -> Option<&'a str> {
    let about = |topic: &&String| {
        let same = |other: &String| other.eq_ignore_ascii_case(topic);
        same(&article.version.category) || article.version.topics.iter().any(same)
    };
    state.topics.iter().find(about).map(String::as_str)
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
    /// With what probability it came to its place; 1 where chance had no hand in it.
    pub(super) propensity: f32,
    /// The read that led to it, where its source knows one.
    pub(super) because: Option<ArticleId>,
    /// What moved its place most, by column; only where it was asked for.
    pub(super) reasons: Vec<(&'static str, f64)>,
}

impl Candidate {
    /// An article of which no more is known than its source and score.
    pub(super) fn new(article: Arc<Article>, source: Source, score: f32) -> Self {
        Self {
            article,
            source,
            score,
            cosine: None,
            logit: None,
            trend: None,
            propensity: 1.0,
            because: None,
            reasons: Vec::new(),
        }
    }
}

/// A request and its candidates.
#[derive(Debug)]
pub struct Gathered {
    pub(super) known: Known,
    /// Best first.
    pub(super) candidates: Vec<Candidate>,
    /// What is taken when the candidates do not suffice; best first.
    pub(super) fill: Vec<Candidate>,
    /// What is taken where even that does not suffice: what a rule of the composition put back.
    pub(super) held_back: Vec<Candidate>,
    /// Who served it, as far as is known.
    pub(super) served_by: ServedBy,
    /// The model that ordered the candidates.
    pub(super) model: Option<String>,
    /// Whether its trees did.
    pub(super) by_trees: bool,
    /// Why there may be nothing, where an edge is down.
    pub(super) trouble: Option<String>,
    /// What the ranker sees of the candidates, as they came from the search.
    pub(super) seen: Option<Box<Seen>>,
}

/// A request and its answer.
#[derive(Debug)]
pub struct Composed {
    pub(super) asked: Asked,
    pub(super) state: ReaderState,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub(super) device: u8,
    pub(super) seen: Option<Box<Seen>>,
    pub(super) outcome: Result<Slate, QueryError>,
}
