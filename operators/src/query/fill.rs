//! What is served where a reader's own candidates do not suffice: trending articles, then the newest.

use std::sync::{Arc, Mutex, PoisonError};

use abovefold_schemas::Timestamp;

use super::{
    batch::{Candidate, Known},
    request::{ServedBy, Source},
    shared::Shared,
    trending::{Trend, View},
};
use crate::articles::{Article, Filter};

/// Trending articles that may fill a slate up, and as many new ones.
const FILL: usize = 100;
/// New articles that are asked for.
const NEWEST: usize = 200;
/// How long the list is taken from memory.
const NEWEST_OLD_MS: i64 = 2_000;

/// The articles published last, kept for a moment, and for longer while the article edge is down.
#[derive(Debug, Default)]
pub(super) struct Newest {
    kept: Mutex<Kept>,
}

/// The list, when it was asked for, and when and why it could not be had since.
#[derive(Clone, Debug, Default)]
struct Kept {
    articles: Arc<Vec<Arc<Article>>>,
    asked: Option<Timestamp>,
    failed: Option<(Timestamp, String)>,
}

impl Newest {
    /// What is in memory, however old.
    pub(super) fn kept(&self) -> Arc<Vec<Arc<Article>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).articles.clone()
    }

    /// The newest articles; those in memory where the edge is down, and then also why.
    pub(super) async fn get(&self, shared: &Shared) -> (Arc<Vec<Arc<Article>>>, Option<String>) {
        let now = shared.runtime.now();
        let Kept { articles, asked, failed } =
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !articles.is_empty() && asked.is_some_and(|then| now.millis_since(then) <= NEWEST_OLD_MS) {
            return (articles, None);
        }
        // The requests of a batch come here one after the other: one of them finds out for all.
        let pause = shared.settings.edge_pause_ms as i64;
        if let Some((_, trouble)) = failed.filter(|(then, _)| now.millis_since(*then) < pause) {
            return (articles, Some(trouble));
        }
        let filter = Filter { published_until: shared.published_until(), ..Filter::default() };
        match shared.articles_edge.call(shared.articles.newest(NEWEST, &filter)).await {
            Ok(found) => {
                let found = Arc::new(found);
                let kept = Kept { articles: found.clone(), asked: Some(now), failed: None };
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
                (found, None)
            }
            Err(trouble) => {
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.failed = Some((now, trouble.clone()));
                (articles, Some(trouble))
            }
        }
    }
}

/// Trending articles that the reader may be shown, most read first.
pub(super) fn trending(known: &Known, view: &View) -> Vec<Candidate> {
    let allowed = view.top.iter().filter(|trend| known.admits(&trend.article)).take(FILL);
    let candidate = |trend: &Trend| Candidate {
        trend: Some(trend.share),
        ..Candidate::new(trend.article.clone(), Source::Trending, trend.share)
    };
    allowed.map(candidate).collect()
}

/// The newest articles that the reader may be shown, latest first.
pub(super) fn newest(known: &Known, newest: &[Arc<Article>]) -> Vec<Candidate> {
    let allowed = newest.iter().filter(|article| known.admits(article)).take(FILL);
    let candidate = |(place, article): (usize, &Arc<Article>)| {
        Candidate::new(article.clone(), Source::Newest, 1.0 / (1.0 + place as f32))
    };
    allowed.enumerate().map(candidate).collect()
}

/// Scores of several measures, one after the other, are brought to one that falls: where a score would rise, it and all after it are taken
/// as shares of the one before.
pub(super) fn fall(candidates: &mut [Candidate]) {
    let (mut share, mut last) = (1.0_f32, 1.0_f32);
    for candidate in candidates {
        if candidate.score * share > last {
            share = last / candidate.score;
        }
        candidate.score *= share;
        last = candidate.score;
    }
}

/// Who serves a reader from these alone.
pub(super) fn served_by(known: &Known, candidates: &[Candidate]) -> ServedBy {
    if candidates.iter().any(|candidate| known.chose(&candidate.article)) {
        return ServedBy::Preferences;
    }
    match candidates.first().map(|candidate| candidate.source) {
        Some(Source::Trending) => ServedBy::Trending,
        _ => ServedBy::Newest,
    }
}
