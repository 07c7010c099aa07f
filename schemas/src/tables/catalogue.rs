//! The articles as of a moment.

use std::collections::HashMap;

use super::ArticleRow;
use crate::ids::{ArticleId, Timestamp};

/// All articles of a data folder, each unknown before it was published.
///
/// What is computed for a moment asks for the articles [`known_at`](Catalogue::known_at) it, and there is no other way to get one out.
///
/// ```
/// use abovefold_schemas::tables::{ArticleRow, Catalogue};
/// use abovefold_schemas::{ArticleId, Timestamp};
/// let article = ArticleRow { article_id: ArticleId(7), published_time: Timestamp(1_000), ..Default::default() };
/// let catalogue = Catalogue::new(vec![article]);
/// assert!(catalogue.known_at(Timestamp(999)).get(ArticleId(7)).is_none());
/// assert!(catalogue.known_at(Timestamp(1_000)).get(ArticleId(7)).is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// By time of publication, then by id.
    articles: Vec<ArticleRow>,
    place_of: HashMap<ArticleId, usize>,
}

/// The articles that were published by a moment.
#[derive(Clone, Copy, Debug)]
pub struct KnownArticles<'a> {
    catalogue: &'a Catalogue,
    /// The first so many are known.
    count: usize,
}

impl Catalogue {
    /// A catalogue of these articles, in any order. Where an id appears twice, the first publication counts.
    pub fn new(mut articles: Vec<ArticleRow>) -> Self {
        articles.sort_by_key(|article| (article.published_time, article.article_id));
        let mut place_of = HashMap::with_capacity(articles.len());
        for (place, article) in articles.iter().enumerate() {
            place_of.entry(article.article_id).or_insert(place);
        }
        Self { articles, place_of }
    }

    /// The articles that were published at `now` or before.
    pub fn known_at(&self, now: Timestamp) -> KnownArticles<'_> {
        let count = self.articles.partition_point(|article| article.published_time <= now);
        KnownArticles { catalogue: self, count }
    }
}

impl<'a> KnownArticles<'a> {
    /// An article, if it is known by then.
    pub fn get(&self, article: ArticleId) -> Option<&'a ArticleRow> {
        let place = self.catalogue.place_of.get(&article).filter(|place| **place < self.count)?;
        self.catalogue.articles.get(*place)
    }

    /// All that are known, the latest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'a ArticleRow> + use<'a> {
        self.catalogue.articles[..self.count].iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
