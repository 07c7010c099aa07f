//! The articles used last, so that a search need only bring numbers.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_schemas::{ArticleId, Offset};

use super::super::Article;

/// Articles by number, up to a capacity; the one used longest ago goes first.
#[derive(Debug)]
pub(super) struct RecentArticles {
    capacity: usize,
    /// Counts uses.
    clock: u64,
    articles: BTreeMap<ArticleId, (Arc<Article>, u64)>,
    by_use: BTreeMap<u64, ArticleId>,
}

impl RecentArticles {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, articles: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    /// The article, if it is here in any version.
    pub(super) fn any(&mut self, id: ArticleId) -> Option<Arc<Article>> {
        let (article, used) = self.articles.get_mut(&id)?;
        self.by_use.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.by_use.insert(self.clock, id);
        Some(article.clone())
    }

    /// The article, if it is here in exactly this version.
    pub(super) fn version(&mut self, id: ArticleId, offset: Offset) -> Option<Arc<Article>> {
        self.any(id).filter(|article| article.offset == offset)
    }

    /// Keeps an article, unless a later version is here.
    pub(super) fn put(&mut self, article: Arc<Article>) {
        if self.capacity == 0 || self.any(article.id).is_some_and(|known| known.offset > article.offset) {
            return;
        }
        self.clock += 1;
        self.by_use.insert(self.clock, article.id);
        if let Some((_, used)) = self.articles.insert(article.id, (article, self.clock)) {
            self.by_use.remove(&used);
        }
        if self.articles.len() > self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.articles.remove(&oldest);
        }
    }

    /// Forgets everything, since the index was made anew.
    pub(super) fn clear(&mut self) {
        self.articles.clear();
        self.by_use.clear();
    }
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::ArticleVersion;

    use super::*;

    fn article(id: i64, offset: u64) -> Arc<Article> {
        Arc::new(Article { id: ArticleId(id), offset: Offset(offset), version: ArticleVersion::default() })
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut recent = RecentArticles::new(2);
        recent.put(article(1, 0));
        recent.put(article(2, 0));
        assert!(recent.any(ArticleId(1)).is_some());
        recent.put(article(3, 0));
        assert!(recent.any(ArticleId(2)).is_none());
        assert!(recent.any(ArticleId(1)).is_some() && recent.any(ArticleId(3)).is_some());
        assert_eq!((recent.articles.len(), recent.by_use.len()), (2, 2));
    }

    #[test]
    fn an_entry_counts_for_its_own_version_alone() {
        let mut recent = RecentArticles::new(2);
        recent.put(article(1, 5));
        assert!(recent.version(ArticleId(1), Offset(5)).is_some());
        assert!(recent.version(ArticleId(1), Offset(6)).is_none());
        recent.put(article(1, 4));
        assert!(recent.version(ArticleId(1), Offset(5)).is_some(), "an older one does not replace it");
        recent.put(article(1, 6));
        assert!(recent.version(ArticleId(1), Offset(6)).is_some());
        assert_eq!((recent.articles.len(), recent.by_use.len()), (1, 1));
        recent.clear();
        assert!(recent.any(ArticleId(1)).is_none());
    }
}
