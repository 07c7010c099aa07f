//! Articles that requests name again and again, with their vectors at unit length: kept for a moment, and for longer while the article edge is down.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use abovefold_schemas::{ArticleId, Timestamp};

use super::shared::Shared;
use crate::{
    articles::Article,
    features::{PastArticle, content::unit_vector},
    fold::cache::FixedMap,
};

/// Articles of one generation; there are two, of some 6 KB an article.
const GENERATION: usize = 4_096;
/// After this time an article that was read is asked for again, since it may have been rewritten.
pub(super) const READ_OLD_MS: i64 = 60_000;

/// An article and its vector at unit length.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) article: Arc<Article>,
    /// `None` where it has no vector, or one without direction.
    pub(super) unit: Option<Arc<[f32]>>,
    asked: Timestamp,
}

impl Prepared {
    fn new(article: Arc<Article>, asked: Timestamp) -> Self {
        let unit = unit_vector(&article.version.vector).map(Arc::from);
        Self { article, unit, asked }
    }

    pub(super) fn past(&self) -> PastArticle<'_> {
        PastArticle { vector: self.unit.as_deref(), category: &self.article.version.category }
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

    fn put(&mut self, prepared: Prepared) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(prepared.article.id, prepared);
    }
}

/// The articles that were asked for last. What nobody asks for goes.
#[derive(Debug, Default)]
pub(super) struct PreparedArticles {
    kept: Mutex<Generations>,
}

impl PreparedArticles {
    /// An article that is at hand, in a later version where one is known.
    pub(super) fn of(&self, article: &Arc<Article>, now: Timestamp) -> Prepared {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) =
            kept.young.get(&article.id).filter(|found| found.article.offset >= article.offset)
        {
            return found.clone();
        }
        let prepared = Prepared::new(article.clone(), now);
        kept.put(prepared.clone());
        prepared
    }

    /// Keeps articles that the edge answered a moment ago, for when it is down.
    pub(super) fn remember<'a>(&self, articles: impl Iterator<Item = &'a Arc<Article>>, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for article in articles {
            if kept.young.get(&article.id).is_none_or(|found| found.article.offset != article.offset) {
                kept.put(Prepared::new(article.clone(), now));
            }
        }
    }

    /// An article from memory, however old; `None` where it is not kept.
    pub(super) fn kept(&self, article: ArticleId) -> Option<Arc<Article>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(article).map(|prepared| prepared.article.clone())
    }

    /// Articles by their ids; those that are not known are left out. What is kept for longer than `old_ms` is asked for again; where the
    /// edge is down, what is kept, however old.
    pub(super) async fn get(
        &self,
        shared: &Shared,
        mut ids: Vec<ArticleId>,
        old_ms: i64,
    ) -> BTreeMap<ArticleId, Prepared> {
        ids.sort_unstable();
        ids.dedup();
        let now = shared.runtime.now();
        let mut found = BTreeMap::new();
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            ids.retain(|id| match kept.get(*id) {
                Some(prepared) => {
                    found.insert(*id, prepared.clone());
                    now.millis_since(prepared.asked) > old_ms
                }
                None => true,
            });
        }
        if ids.is_empty() {
            return found;
        }
        let Ok(answer) = shared.articles_edge.call(shared.articles.get(&ids)).await else { return found };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for article in answer.into_iter().flatten() {
            let prepared = Prepared::new(article, now);
            kept.put(prepared.clone());
            found.insert(prepared.article.id, prepared);
        }
        found
    }
}
