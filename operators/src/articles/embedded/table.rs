//! The articles in memory.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_schemas::{ArticleId, Offset, Timestamp};

use super::super::Article;

/// Every article as of its highest offset, and the order in which they were published.
#[derive(Debug, Default)]
pub(super) struct Table {
    articles: BTreeMap<ArticleId, Arc<Article>>,
    /// Those that are not withdrawn, latest first.
    by_time: BTreeSet<(Reverse<i64>, ArticleId)>,
    /// The next offset of each partition.
    pub(super) marker: Vec<Offset>,
}

impl Table {
    /// Takes a version in; returns whether it is newer than what was there.
    pub(super) fn put(&mut self, article: Arc<Article>) -> bool {
        if let Some(known) = self.articles.get(&article.id) {
            if known.offset >= article.offset {
                return false;
            }
            self.by_time.remove(&(Reverse(known.version.published), known.id));
        }
        if !article.version.withdrawn {
            self.by_time.insert((Reverse(article.version.published), article.id));
        }
        self.articles.insert(article.id, article);
        true
    }

    /// The article as it is now, withdrawn or not.
    pub(super) fn get(&self, id: ArticleId) -> Option<&Arc<Article>> {
        self.articles.get(&id)
    }

    /// Every article, withdrawn ones too.
    pub(super) fn all(&self) -> Vec<Arc<Article>> {
        self.articles.values().cloned().collect()
    }

    /// The articles that are not withdrawn and were published at or before `until`, latest first.
    pub(super) fn latest_first(&self, until: Option<Timestamp>) -> impl Iterator<Item = &Arc<Article>> {
        let from = until.map_or((Reverse(i64::MAX), ArticleId(i64::MIN)), |until| {
            (Reverse(until.0), ArticleId(i64::MIN))
        });
        self.by_time.range(from..).filter_map(|(_, id)| self.articles.get(id))
    }

    /// How many articles are not withdrawn.
    pub(super) fn in_view(&self) -> usize {
        self.by_time.len()
    }
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::ArticleVersion;

    use super::*;

    fn article(id: i64, offset: u64, published: i64, withdrawn: bool) -> Arc<Article> {
        let version = ArticleVersion { article_id: id, published, withdrawn, ..ArticleVersion::default() };
        Arc::new(Article { id: ArticleId(id), offset: Offset(offset), version })
    }

    #[test]
    fn a_new_version_moves_in_time_and_a_withdrawn_one_leaves_the_order() {
        let mut table = Table::default();
        assert!(table.put(article(1, 0, 100, false)));
        assert!(table.put(article(2, 1, 200, false)));
        assert!(table.put(article(1, 2, 300, false)));
        assert!(!table.put(article(1, 2, 400, true)), "the same offset again");
        let order = |until| table.latest_first(until).map(|article| article.id.0).collect::<Vec<_>>();
        assert_eq!(order(None), [1, 2]);
        assert_eq!(order(Some(Timestamp(299))), [2]);
        assert!(table.put(article(1, 3, 300, true)));
        assert_eq!(table.latest_first(None).map(|article| article.id.0).collect::<Vec<_>>(), [2]);
        assert_eq!(table.in_view(), 1);
        assert!(table.get(ArticleId(1)).unwrap().version.withdrawn);
    }
}
