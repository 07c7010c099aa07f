//! Candidates that need no search: what the folds and the learner hold in memory already.
//!
//! | source | brings |
//! |---|---|
//! | learned | what the learner expects to be read next, of the articles read most |
//! | also read | what was read after the reader's last reads |
//! | topics | what is read most, and what is new, of what the reader chose |
//! | trending | what is read most |
//! | newest | what was published last, so that it gets its chance |

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_schemas::ArticleId;

use super::{
    batch::{Candidate, Known},
    cosines::score_of_cosine,
    features::moment,
    fill,
    request::Source,
    shared::Shared,
    trending::{Trend, View},
    vectors::Prepared,
};
use crate::{articles::Article, features::content::session_cosine};

/// The last reads that what was read next is looked up for; the k-th counts `1 / k`.
const LAST_READS: usize = 3;

/// An article that was read after one of the reader's reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) article: ArticleId,
    /// The read that it was read after.
    pub(super) because: ArticleId,
}

/// What was read after the reader's last reads, most first; twice as many as the budget, since not all may be shown.
pub(super) fn also_read(shared: &Shared, known: &Known) -> Vec<Next> {
    let most = 2 * known.asked.settings().sources.also_read;
    if most == 0 || known.state.reads.is_empty() {
        return Vec::new();
    }
    let counts = shared.trending.counts();
    let Some(now) = counts.now else { return Vec::new() };
    let mut weights: BTreeMap<ArticleId, (f64, f64, ArticleId)> = BTreeMap::new();
    for (place, read) in known.state.reads.iter().rev().take(LAST_READS).enumerate() {
        let page = ArticleId(read.article_id);
        for (article, weight) in counts.table.after(page, now).most(most) {
            let weight = weight / (place + 1) as f64;
            let (sum, greatest, because) = weights.entry(article).or_insert((0.0, 0.0, page));
            *sum += weight;
            if weight > *greatest {
                (*greatest, *because) = (weight, page);
            }
        }
    }
    let mut next: Vec<(f64, Next)> = weights
        .into_iter()
        .filter(|(article, _)| !known.bars(*article))
        .map(|(article, (sum, _, because))| (sum, Next { article, because }))
        .collect();
    next.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.article.cmp(&b.1.article)));
    next.into_iter().take(most).map(|(_, next)| next).collect()
}

/// What there is for a request beside what is near.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    /// What was read after the reader's last reads.
    pub(super) next: &'a [Next],
    /// The articles of all such.
    pub(super) articles: &'a BTreeMap<ArticleId, Arc<Article>>,
    /// The articles published last.
    pub(super) newest: &'a [Arc<Article>],
    /// Why those may be old.
    pub(super) trouble: Option<&'a String>,
}

/// The candidates of all these sources, each up to its budget, without those in `found` already.
pub(super) fn from_memory(
    shared: &Shared,
    known: &Known,
    found: &[Candidate],
    beside: &Beside<'_>,
) -> Vec<Candidate> {
    let Beside { next, articles, newest, .. } = *beside;
    let (budgets, view) = (&known.asked.settings().sources, shared.trending.view());
    let mut gathering = Gathering {
        shared,
        known,
        ids: found.iter().map(|candidate| candidate.article.id).collect(),
        candidates: Vec::new(),
    };
    gathering.take(budgets.learned, learned(shared, known, &view, 2 * budgets.learned).into_iter());
    let also = next.iter().filter_map(|next| {
        let candidate = Candidate::new(articles.get(&next.article)?.clone(), Source::AlsoRead, 0.0);
        Some(Candidate { because: Some(next.because), ..candidate })
    });
    gathering.take(budgets.also_read, also);
    if !known.state.topics.is_empty() {
        let of_topics = fill::trending(known, &view).into_iter().chain(fill::newest(known, newest));
        let of_topics = of_topics.filter(|candidate| known.chose(&candidate.article));
        gathering.take(budgets.topics, of_topics.map(|found| Candidate { source: Source::Topics, ..found }));
    }
    gathering.take(budgets.trending, fill::trending(known, &view).into_iter());
    gathering.take(budgets.newest, fill::newest(known, newest).into_iter());
    gathering.candidates
}

/// What the learner expects to be read next, best first.
fn learned(shared: &Shared, known: &Known, view: &View, count: usize) -> Vec<Candidate> {
    let Some(learned) = shared.learned.as_ref().filter(|_| count > 0) else { return Vec::new() };
    let Some(now) = view.now else { return Vec::new() };
    let moment = moment(known, Some(now));
    let pages = moment.pages();
    let admitted = view.top.iter().filter(|trend| known.admits(&trend.article));
    let trends: BTreeMap<ArticleId, &Trend> = admitted.map(|trend| (trend.article.id, trend)).collect();
    let among = trends.iter().map(|(article, trend)| (*article, trend.prior));
    let best = learned.at().table.best(&moment.learned(&known.asked.request.reader, &pages), count, among);
    let candidate = |(article, _): (ArticleId, f32)| {
        let trend = trends.get(&article)?;
        let trending = Candidate::new(trend.article.clone(), Source::Learned, 0.0);
        Some(Candidate { trend: Some(trend.share), because: pages.first().copied(), ..trending })
    };
    best.into_iter().filter_map(candidate).collect()
}

struct Gathering<'a> {
    shared: &'a Shared,
    known: &'a Known,
    ids: BTreeSet<ArticleId>,
    candidates: Vec<Candidate>,
}

impl Gathering<'_> {
    /// Takes so many that are new and may be shown, and says how near each is to the reader.
    fn take(&mut self, budget: usize, from: impl Iterator<Item = Candidate>) {
        let mut left = budget;
        for candidate in from {
            if left == 0 {
                return;
            }
            let prepared = self.shared.prepared.of(&candidate.article, self.shared.runtime.now());
            if self.known.admits(&prepared.article) && self.ids.insert(prepared.article.id) {
                self.candidates.push(self.near(candidate, prepared));
                left -= 1;
            }
        }
    }

    /// A candidate in its latest version, with its cosine to the session embedding, and its score by that.
    fn near(&self, candidate: Candidate, prepared: Prepared) -> Candidate {
        let unit = prepared.unit();
        let cosine =
            unit.zip(self.known.session.as_ref()).map(|(unit, session)| session_cosine(session, unit));
        let score = cosine.map_or(0.0, score_of_cosine);
        Candidate { article: prepared.article, cosine, score, ..candidate }
    }
}
