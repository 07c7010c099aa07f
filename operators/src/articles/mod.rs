//! The article edge: what there is to recommend, with vectors, found by nearness.
//!
//! Two makes: [`embedded`] (an exact scan over a tch matrix, or an HNSW graph beyond some size, kept in redb) and [`elastic`] (Elasticsearch `dense_vector` kNN).
//! One conformance suite (`operators/tests/articles_conformance.rs`) runs against both. What is in it comes from the topic
//! `articles` alone; its marker says up to where, so that an emptied index is filled again.

pub mod elastic;
pub mod embedded;
mod filter;
pub mod open;
pub mod settings;
mod title;

use std::{fmt, sync::Arc};

use abovefold_engine::Result;
use abovefold_schemas::{ArticleId, ArticleVersion, Offset, Timestamp};
use async_trait::async_trait;

pub use embedded::{GraphPrecision, HnswSettings};
pub use filter::check_version;
pub use open::open;
pub use settings::ArticleSettings;
pub use title::TitleWords;

/// The most articles that one question brings, and how many of the latest are looked through for words of a title.
const MOST: usize = filter::GREATEST_K;

/// An article as the edge holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Article {
    /// The article.
    pub id: ArticleId,
    /// The offset of this version in its partition of the topic `articles`; a higher one replaces it.
    pub offset: Offset,
    /// Its content and vector.
    pub version: ArticleVersion,
}

/// Which articles a question is about. The default is all that are not withdrawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Leave these out.
    pub exclude: Vec<ArticleId>,
    /// Only articles published at or after this moment.
    pub published_from: Option<Timestamp>,
    /// Only articles published at or before this moment.
    pub published_until: Option<Timestamp>,
    /// Only these sections; empty means all.
    pub categories: Vec<String>,
}

/// A question for the nearest articles.
#[derive(Clone, Debug, PartialEq)]
pub struct NearestQuery {
    /// 768 numbers, of any length but zero.
    pub vector: Vec<f32>,
    /// How many are wanted. There are fewer only where the filter leaves fewer.
    pub k: usize,
    /// Applied before the cut to `k`.
    pub filter: Filter,
}

/// An article that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The article, with its vector.
    pub article: Arc<Article>,
    /// Cosine of the angle between query and article, -1 to 1.
    pub cosine: f32,
}

/// The article edge.
#[async_trait]
pub trait ArticleIndex: fmt::Debug + Send + Sync {
    /// Takes versions in (a version older than what is there is ignored; a repeat is harmless) and then, once they are durable, moves the
    /// marker: the next offset of each partition of the topic `articles`.
    ///
    /// # Errors
    /// When a version does not pass [`check_version`] (nothing is taken in then; the caller leaves such a version out), or when what is
    /// there was emptied meanwhile: after any error that may be tried again, read [`ArticleIndex::marker`] and go on from there.
    async fn apply(&self, versions: Vec<Article>, marker: &[Offset]) -> Result<()>;

    /// The next offset of each partition; empty where nothing was ever applied, also after a server's index was deleted (it is made
    /// again, empty). Worth a look after errors and when idle.
    async fn marker(&self) -> Result<Vec<Offset>>;

    /// The nearest articles by cosine, nearest first and ties by the smaller number, for each query. Articles without a vector (or
    /// with a zero one) and withdrawn ones are never found.
    ///
    /// # Errors
    /// When a query's vector is no direction in 768 dimensions, or `k` is above 10,000.
    async fn nearest(&self, queries: Vec<NearestQuery>) -> Result<Vec<Vec<Hit>>>;

    /// Articles by number, withdrawn ones too, in the order asked for.
    async fn get(&self, ids: &[ArticleId]) -> Result<Vec<Option<Arc<Article>>>>;

    /// The articles published last, latest first and ties by the smaller number.
    async fn newest(&self, k: usize, filter: &Filter) -> Result<Vec<Arc<Article>>>;

    /// The articles whose titles have all words of a text, the last of which may be unfinished, latest first. Without an index of words the
    /// latest 10,000 that pass the filter are looked through.
    async fn titled(&self, text: &str, k: usize, filter: &Filter) -> Result<Vec<Arc<Article>>> {
        let Some(words) = TitleWords::of(text) else { return Ok(Vec::new()) };
        Ok(words.found_in(self.newest(MOST, filter).await?, k).await)
    }

    /// How many articles there are that are not withdrawn.
    async fn count(&self) -> Result<usize>;

    /// Makes everything that was applied visible to searches at once (for tests and `index --wait`).
    async fn refresh(&self) -> Result<()>;

    /// Tries the connection and says in words what is there.
    async fn check(&self) -> Result<String>;
}
