//! Articles that requests name again and again, with their vectors at unit length: kept for a moment, and for longer while the article edge is down.
//!
//! What requests used since is asked for again every few seconds, beside them, so that none of them waits for that: a reader whose candidates are
//! cached costs no trip to the article edge.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use abovefold_schemas::{ArticleId, Timestamp};

use super::shared::Shared;
use crate::{
    articles::Article,
    features::{PastArticle, content::unit_vector},
    fold::cache::FixedMap,
};

/// Articles of one generation; there are two, of some 6 KB an article where the article edge does not hold it in memory as well.
const GENERATION: usize = 8_192;
/// After this time an article that was read is asked for again, since it may have been rewritten.
pub(super) const READ_OLD_MS: i64 = 60_000;
/// After this time an article that may be served is asked for again, since it may have been withdrawn.
pub(super) const SERVED_OLD_MS: i64 = 10_000;
/// How often what was used is asked for again: what may be served for as long as that is not old yet if one time fails.
const RENEWED_EVERY: Duration = Duration::from_secs(4);
/// So many articles are asked for in one call.
const ASKED_AT_ONCE: usize = 500;

/// An article and its vector at unit length.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) article: Arc<Article>,
    unit: Unit,
    asked: Timestamp,
    /// Whether a request has looked for it since it was asked for.
    used: bool,
}

/// A vector at unit length.
#[derive(Clone, Debug)]
enum Unit {
    /// There is none, or it has no direction.
    None,
    /// The article's own is that already.
    Own,
    Made(Arc<[f32]>),
}

impl Unit {
    fn of(vector: &[f32]) -> Self {
        match unit_vector(vector) {
            None => Self::None,
            Some(unit) if unit == vector => Self::Own,
            Some(unit) => Self::Made(unit.into()),
        }
    }
}

impl Prepared {
    fn new(article: Arc<Article>, asked: Timestamp) -> Self {
        let unit = Unit::of(&article.version.vector);
        Self { article, unit, asked, used: false }
    }

    /// Its vector at unit length; `None` where it has none, or one without direction.
    pub(super) fn unit(&self) -> Option<&[f32]> {
        match &self.unit {
            Unit::None => None,
            Unit::Own => Some(&self.article.version.vector),
            Unit::Made(unit) => Some(unit),
        }
    }

    pub(super) fn past(&self) -> PastArticle<'_> {
        PastArticle { vector: self.unit(), category: &self.article.version.category }
    }
}

#[derive(Debug, Default)]
struct Generations {
    young: FixedMap<ArticleId, Prepared>,
    old: FixedMap<ArticleId, Prepared>,
}

impl Generations {
    fn get(&self, article: ArticleId) -> Option<&Prepared> {
        self.young.get(&article).or_else(|| self.old.get(&article))
    }

    fn get_mut(&mut self, article: ArticleId) -> Option<&mut Prepared> {
        match self.young.get_mut(&article) {
            None => self.old.get_mut(&article),
            young => young,
        }
    }

    /// An article for a request that would have to ask for it if it were old.
    fn find(&mut self, article: ArticleId) -> Option<&Prepared> {
        let found = self.get_mut(article)?;
        found.used = true;
        Some(found)
    }

    /// The version that is here was the edge's at this moment.
    fn is_still_so(&mut self, article: ArticleId, asked: Timestamp) {
        self.get_mut(article).into_iter().for_each(|found| found.asked = asked);
    }

    fn put(&mut self, prepared: Prepared) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&prepared.article.id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(prepared.article.id, prepared);
    }

    /// Takes in what the edge answered about an article; the vector of the version that is here already is not made again.
    fn answered(
        &mut self,
        id: ArticleId,
        article: Option<Arc<Article>>,
        asked: Timestamp,
    ) -> Option<Prepared> {
        let known = self.young.remove(&id).or_else(|| self.old.remove(&id));
        let article = article?;
        let prepared = match known {
            Some(known) if known.article.offset == article.offset => Prepared { asked, used: false, ..known },
            _ => Prepared::new(article, asked),
        };
        self.put(prepared.clone());
        Some(prepared)
    }

    /// What was looked for since it was asked for.
    fn used(&self) -> Vec<ArticleId> {
        let used = self.old.iter().chain(&self.young).filter(|(_, prepared)| prepared.used);
        used.map(|(id, _)| *id).collect()
    }
}

/// Articles as far as they are kept, and those that have to be asked for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kept: BTreeMap<ArticleId, Prepared>,
    pub(super) missing: Vec<ArticleId>,
}

/// The articles that were asked for last. What nobody asks for goes.
#[derive(Debug, Default)]
pub(super) struct PreparedArticles {
    kept: Mutex<Generations>,
}

impl PreparedArticles {
    /// Each change of it is whole before anything can fail.
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task that asks again for what is used, until nobody else holds what the read path shares.
    pub(super) fn keep_fresh(shared: &Arc<Shared>) {
        let (weak, runtime) = (Arc::downgrade(shared), shared.runtime.clone());
        shared.runtime.spawn(async move {
            loop {
                runtime.sleep(RENEWED_EVERY).await;
                let Some(shared) = weak.upgrade() else { return };
                shared.prepared.renew(&shared).await;
            }
        });
    }

    /// Asks again for what requests have used since it was asked for. Where the edge is down it stays as old as it is.
    pub(super) async fn renew(&self, shared: &Shared) {
        let used = self.lock().used();
        for ids in used.chunks(ASKED_AT_ONCE) {
            if self.ask(shared, ids).await.is_err() {
                return;
            }
        }
    }

    /// An article that is at hand, in a later version where one is known.
    pub(super) fn of(&self, article: &Arc<Article>, now: Timestamp) -> Prepared {
        let mut kept = self.lock();
        if let Some(found) = kept.get(article.id).filter(|found| found.article.offset >= article.offset) {
            return found.clone();
        }
        let prepared = Prepared::new(article.clone(), now);
        kept.put(prepared.clone());
        prepared
    }

    /// Keeps articles that the edge answered a moment ago. A search may not have seen a version yet that is here.
    pub(super) fn remember<'a>(&self, articles: impl Iterator<Item = &'a Arc<Article>>, now: Timestamp) {
        let mut kept = self.lock();
        for article in articles {
            match kept.get(article.id).map(|found| found.article.offset.cmp(&article.offset)) {
                None | Some(Ordering::Less) => kept.put(Prepared::new(article.clone(), now)),
                Some(Ordering::Equal) => kept.is_still_so(article.id, now),
                Some(Ordering::Greater) => {}
            }
        }
    }

    /// An article from memory, however old; `None` where it is not kept.
    pub(super) fn kept(&self, article: ArticleId) -> Option<Arc<Article>> {
        self.lock().get(article).map(|prepared| prepared.article.clone())
    }

    /// Articles from memory; those that are not there or were asked for more than `old_ms` ago are missing.
    pub(super) fn find(&self, mut ids: Vec<ArticleId>, now: Timestamp, old_ms: i64) -> Found {
        ids.sort_unstable();
        ids.dedup();
        let (mut kept, mut found) = (self.lock(), BTreeMap::new());
        ids.retain(|id| match kept.find(*id) {
            Some(prepared) => {
                found.insert(*id, prepared.clone());
                now.millis_since(prepared.asked) > old_ms
            }
            None => true,
        });
        Found { kept: found, missing: ids }
    }

    /// Asks the edge, and keeps what it answers, withdrawn ones as well. What there is no such article for is not kept any more.
    ///
    /// # Errors
    /// In words why the edge does not answer.
    pub(super) async fn ask(&self, shared: &Shared, ids: &[ArticleId]) -> Result<Vec<Prepared>, String> {
        let now = shared.runtime.now();
        let answer = shared.articles_edge.call(shared.articles.get(ids)).await?;
        let mut kept = self.lock();
        let taken = ids.iter().zip(answer).map(|(id, article)| kept.answered(*id, article, now));
        Ok(taken.collect::<Vec<_>>().into_iter().flatten().collect())
    }

    /// Articles by their ids; those that are not known are left out. What is kept for longer than `old_ms` is asked for again; where the
    /// edge is down, what is kept, however old.
    pub(super) async fn get(
        &self,
        shared: &Shared,
        ids: Vec<ArticleId>,
        old_ms: i64,
    ) -> BTreeMap<ArticleId, Prepared> {
        let Found { mut kept, missing } = self.find(ids, shared.runtime.now(), old_ms);
        if missing.is_empty() {
            return kept;
        }
        if let Ok(asked) = self.ask(shared, &missing).await {
            kept.extend(asked.into_iter().map(|prepared| (prepared.article.id, prepared)));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::{ArticleVersion, Offset};

    use super::*;

    fn article(id: i64, offset: u64) -> Arc<Article> {
        let version = ArticleVersion { vector: vec![3.0, 4.0], ..ArticleVersion::default() };
        Arc::new(Article { id: ArticleId(id), offset: Offset(offset), version })
    }

    #[test]
    fn what_a_request_looked_for_is_used_until_it_was_asked_for_again() {
        let prepared = PreparedArticles::default();
        prepared.remember([article(1, 5), article(2, 5)].iter(), Timestamp(0));
        assert!(prepared.lock().used().is_empty(), "found by a search only");
        let found = prepared.find(vec![ArticleId(1), ArticleId(1), ArticleId(3)], Timestamp(10), 10);
        assert_eq!((found.kept.len(), found.missing), (1, vec![ArticleId(3)]));
        assert_eq!(prepared.lock().used(), [ArticleId(1)]);
        prepared.lock().answered(ArticleId(1), Some(article(1, 5)), Timestamp(20));
        assert!(prepared.lock().used().is_empty());
        assert_eq!(
            prepared.find(vec![ArticleId(1), ArticleId(2)], Timestamp(30), 10).missing,
            [ArticleId(2)]
        );
        prepared.lock().answered(ArticleId(2), None, Timestamp(30));
        assert!(prepared.kept(ArticleId(2)).is_none(), "there is no such article any more");
    }

    #[test]
    fn a_search_that_is_behind_brings_no_older_version_back() {
        let prepared = PreparedArticles::default();
        prepared.remember([article(1, 5)].iter(), Timestamp(0));
        prepared.remember([article(1, 4)].iter(), Timestamp(50));
        assert_eq!(prepared.kept(ArticleId(1)).map(|kept| kept.offset), Some(Offset(5)));
        assert_eq!(prepared.find(vec![ArticleId(1)], Timestamp(50), 10).missing, [ArticleId(1)]);
        prepared.remember([article(1, 5)].iter(), Timestamp(50));
        assert!(prepared.find(vec![ArticleId(1)], Timestamp(50), 10).missing.is_empty(), "it is still so");
        prepared.remember([article(1, 6)].iter(), Timestamp(50));
        assert_eq!(prepared.kept(ArticleId(1)).map(|kept| kept.offset), Some(Offset(6)));
    }

    #[test]
    fn a_vector_of_unit_length_is_kept_once() {
        let unit = Unit::of(&[0.6, 0.8]);
        assert!(matches!(unit, Unit::Own));
        assert!(matches!(Unit::of(&[3.0, 4.0]), Unit::Made(made) if *made == [0.6, 0.8]));
        assert!(matches!(Unit::of(&[]), Unit::None));
    }
}
