//! Random articles, and the nearest of them by brute force.

use std::sync::Arc;

use abovefold_operators::articles::{Article, ArticleIndex, Filter, Hit, NearestQuery};
use abovefold_schemas::{ArticleId, ArticleVersion, Offset};

pub const WIDTH: usize = 768;
pub const CATEGORIES: [&str; 4] = ["news", "sport", "culture", "science"];
/// 2024-01-01T00:00:00Z in milliseconds.
pub const NEW_YEAR: i64 = 1_704_067_200_000;
pub const HOUR: i64 = 3_600_000;

/// A small generator, the same on every machine (splitmix64).
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// About normal: the sum of four uniform numbers, centred.
    pub fn number(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5).sum()
    }

    pub fn vector(&mut self) -> Vec<f32> {
        (0..WIDTH).map(|_| self.number()).collect()
    }
}

/// Article `id` at that offset: one an hour, the sections in turn.
pub fn article(id: i64, offset: u64, vector: Vec<f32>) -> Article {
    let version = ArticleVersion {
        article_id: id,
        title: format!("Headline {id}"),
        subtitle: "A \"teaser\" with ünicode".into(),
        body: "First paragraph.\n\nSecond paragraph.".into(),
        category: CATEGORIES[id as usize % CATEGORIES.len()].into(),
        topics: vec!["Politics".into(), format!("topic {}", id % 10)],
        published: NEW_YEAR + id * HOUR,
        vector,
        withdrawn: false,
    };
    Article { id: ArticleId(id), offset: Offset(offset), version }
}

/// Articles `0..count` with random vectors of random lengths, at offsets `0..count`.
pub fn articles(count: i64, seed: u64) -> Vec<Article> {
    let mut draws = Draws::new(seed);
    (0..count).map(|id| article(id, id as u64, draws.vector())).collect()
}

pub fn withdrawn(mut article: Article, offset: u64) -> Article {
    article.offset = Offset(offset);
    article.version.withdrawn = true;
    article
}

pub fn query(vector: &[f32], k: usize, filter: Filter) -> NearestQuery {
    NearestQuery { vector: vector.to_vec(), k, filter }
}

/// All by cosine in f64, nearest first.
pub fn brute_force(
    articles: &[Article],
    vector: &[f32],
    admitted: impl Fn(&Article) -> bool,
) -> Vec<(ArticleId, f64)> {
    let length = |vector: &[f32]| vector.iter().map(|n| f64::from(*n).powi(2)).sum::<f64>().sqrt();
    let mut all: Vec<(ArticleId, f64)> = articles
        .iter()
        .filter(|article| admitted(article))
        .map(|article| {
            let theirs = &article.version.vector;
            let product: f64 = vector.iter().zip(theirs).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            (article.id, product / length(vector) / length(theirs))
        })
        .collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    all
}

pub fn ids(hits: &[Hit]) -> Vec<i64> {
    hits.iter().map(|hit| hit.article.id.0).collect()
}

pub fn numbers(articles: &[Arc<Article>]) -> Vec<i64> {
    articles.iter().map(|article| article.id.0).collect()
}

/// One query's hits.
pub async fn nearest(index: &dyn ArticleIndex, vector: &[f32], k: usize, filter: Filter) -> Vec<Hit> {
    index.nearest(vec![query(vector, k, filter)]).await.unwrap().remove(0)
}

/// Takes articles in with a marker of one partition, and makes them visible.
pub async fn take_in(index: &dyn ArticleIndex, articles: &[Article], next: u64) {
    index.apply(articles.to_vec(), &[Offset(next)]).await.unwrap();
    index.refresh().await.unwrap();
}
