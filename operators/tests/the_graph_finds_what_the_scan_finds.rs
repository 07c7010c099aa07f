//! The graph of the embedded articles finds nearly all that the exact scan finds, under filters and while articles change.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it measured"
)]

#[path = "common/newsroom.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod newsroom;

use std::{collections::BTreeSet, path::Path};

use abovefold_operators::articles::{
    Article, ArticleIndex, Filter, GraphPrecision, Hit, HnswSettings, embedded::EmbeddedArticles,
};
use abovefold_schemas::{ArticleId, Timestamp};
use newsroom::{CATEGORIES, Draws, HOUR, NEW_YEAR, WIDTH, article, ids, nearest, query, take_in, withdrawn};

/// Stories that many articles are about.
const CLUSTERS: usize = 40;

/// Articles `0..count` around a few directions, as those of a newspaper are.
struct Clusters {
    draws: Draws,
    centres: Vec<Vec<f32>>,
}

impl Clusters {
    fn new(seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let centres = (0..CLUSTERS).map(|_| draws.vector()).collect();
        Self { draws, centres }
    }

    /// A vector around the centre of that number; the noise is as long as the centre.
    fn vector(&mut self, cluster: usize) -> Vec<f32> {
        let centre = &self.centres[cluster % CLUSTERS];
        (0..WIDTH).map(|unit| centre[unit] + self.draws.number()).collect()
    }

    fn articles(&mut self, count: usize) -> Vec<Article> {
        // Sections (by number) and clusters have nothing to do with each other.
        (0..count).map(|id| article(id as i64, id as u64, self.vector(id / 7))).collect()
    }
}

async fn scan(dir: &Path) -> EmbeddedArticles {
    let settings = HnswSettings { from_articles: usize::MAX, ..HnswSettings::default() };
    EmbeddedArticles::open_with(dir, &settings).await.unwrap()
}

async fn graph(dir: &Path, precision: GraphPrecision) -> EmbeddedArticles {
    let settings = HnswSettings { from_articles: 0, precision, ..HnswSettings::default() };
    let index = EmbeddedArticles::open_with(dir, &settings).await.unwrap();
    index.settled().await.unwrap();
    assert!(index.searches_by_graph());
    index
}

/// The share of the scan's hits that are among the graph's; those of both have the same cosines to the bit.
fn recall(exact: &[Vec<Hit>], found: &[Vec<Hit>]) -> f64 {
    let (mut both, mut all) = (0, 0);
    for (exact, found) in exact.iter().zip(found) {
        all += exact.len();
        for hit in exact {
            if let Some(same) = found.iter().find(|other| other.article.id == hit.article.id) {
                assert_eq!(same.cosine.to_bits(), hit.cosine.to_bits(), "article {}", hit.article.id);
                both += 1;
            }
        }
    }
    f64::from(both) / all as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nearly_all_of_the_hundred_nearest_are_found_in_every_precision() {
    let dir = tempfile::tempdir().unwrap();
    let mut clusters = Clusters::new(1);
    let all = clusters.articles(4_000);
    let queries: Vec<_> =
        (0..40).map(|cluster| query(&clusters.vector(cluster), 100, Filter::default())).collect();
    let index = scan(dir.path()).await;
    take_in(&index, &all, 4_000).await;
    let exact = index.nearest(queries.clone()).await.unwrap();
    drop(index);
    for precision in [GraphPrecision::F32, GraphPrecision::Bf16, GraphPrecision::F16, GraphPrecision::I8] {
        // Taken up from the file: 4,000 articles are built beside the searches.
        let index = graph(dir.path(), precision).await;
        let found = index.nearest(queries.clone()).await.unwrap();
        assert!(found.iter().all(|hits| hits.len() == 100));
        let recall = recall(&exact, &found);
        println!("recall@100 of 4,000 against the scan, {precision:?}: {recall:.4}");
        assert!(recall >= 0.95, "{precision:?}: recall {recall}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_are_left_after_filtering() {
    let dir = tempfile::tempdir().unwrap();
    let mut clusters = Clusters::new(2);
    let all = clusters.articles(4_000);
    let vector = clusters.vector(3);
    let index = scan(dir.path()).await;
    take_in(&index, &all, 4_000).await;
    let read: Vec<ArticleId> =
        ids(&nearest(&index, &vector, 150, Filter::default()).await).into_iter().map(ArticleId).collect();
    let at = |hours: i64| Some(Timestamp(NEW_YEAR + hours * HOUR));
    let filters = [
        Filter { exclude: read.clone(), ..Filter::default() },
        // Half of all and an eighth are looked at one by one, three quarters are searched.
        Filter {
            categories: vec![CATEGORIES[0].into(), CATEGORIES[2].into()],
            exclude: read.clone(),
            ..Filter::default()
        },
        Filter { categories: vec![CATEGORIES[1].into()], published_from: at(2_000), ..Filter::default() },
        Filter { published_until: at(2_999), ..Filter::default() },
        Filter { published_from: at(100), published_until: at(102), ..Filter::default() },
        Filter { categories: vec!["nothing of this kind".into()], ..Filter::default() },
    ];
    let queries: Vec<_> = filters.iter().map(|filter| query(&vector, 100, filter.clone())).collect();
    let exact = index.nearest(queries.clone()).await.unwrap();
    drop(index);
    let index = graph(dir.path(), GraphPrecision::Bf16).await;
    let found = index.nearest(queries).await.unwrap();
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 100, 100, 3, 0]);
    for (number, (exact, found)) in exact.iter().zip(&found).enumerate() {
        if !exact.is_empty() {
            let recall = recall(std::slice::from_ref(exact), std::slice::from_ref(found));
            println!("filter {number}: recall {recall:.3}");
            assert!(recall >= 0.95, "filter {number}: recall {recall}");
        }
    }
    assert!(found[0].iter().chain(&found[1]).all(|hit| !read.contains(&hit.article.id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_a_graph_is_built_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut clusters = Clusters::new(3);
    let mut all = clusters.articles(2_500);
    let settings = HnswSettings { from_articles: 2_000, ..HnswSettings::default() };
    let index = EmbeddedArticles::open_with(dir.path(), &settings).await.unwrap();
    take_in(&index, &all[..1_999], 1_999).await;
    index.settled().await.unwrap();
    assert!(!index.searches_by_graph(), "an article is missing");
    assert!(index.check().await.unwrap().ends_with("searched by an exact scan"));
    take_in(&index, &all[1_999..2_100], 2_100).await;
    // The graph takes a second; what follows comes while it is built, or after it.
    let old = all[5].version.vector.clone();
    all[5] = article(5, 2_500, clusters.vector(20));
    let gone = withdrawn(all[6].clone(), 2_501);
    take_in(&index, &[all[5].clone(), gone], 2_502).await;
    take_in(&index, &all[2_100..], 2_502).await;
    finds_what_is_there(&index, &all, &old).await;
    index.settled().await.unwrap();
    assert!(index.searches_by_graph());
    assert!(index.check().await.unwrap().ends_with("searched by an HNSW graph"));
    finds_what_is_there(&index, &all, &old).await;
    drop(index);
    let index = EmbeddedArticles::open_with(dir.path(), &settings).await.unwrap();
    assert!(!index.searches_by_graph(), "the scan serves until the graph is there");
    finds_what_is_there(&index, &all, &old).await;
    index.settled().await.unwrap();
    finds_what_is_there(&index, &all, &old).await;
}

/// Article 5 is found by its new vector and not by its old one, article 6 is withdrawn, the others are found by theirs.
async fn finds_what_is_there(index: &EmbeddedArticles, all: &[Article], old: &[f32]) {
    let find = async |vector: &[f32]| ids(&nearest(index, vector, 50, Filter::default()).await);
    assert!(!find(old).await.contains(&5), "the old vector is gone");
    assert!(!find(&all[6].version.vector).await.contains(&6), "it is withdrawn");
    for id in [0, 5, 1_998, 2_099, 2_100, 2_499] {
        assert_eq!(find(&all[id].version.vector).await[0], id as i64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worn_graph_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut clusters = Clusters::new(4);
    let index = graph(dir.path(), GraphPrecision::Bf16).await;
    let mut all = clusters.articles(1_200);
    take_in(&index, &all, 1_200).await;
    // Every vector moves by a little, as one that is learned does.
    for (number, article) in all.iter_mut().enumerate() {
        article.offset = abovefold_schemas::Offset(1_200 + number as u64);
        article.version.vector = clusters.vector(number / 7);
    }
    take_in(&index, &all, 2_400).await;
    index.settled().await.unwrap();
    let queries: Vec<_> =
        (0..20).map(|cluster| query(&clusters.vector(cluster), 100, Filter::default())).collect();
    let found = index.nearest(queries.clone()).await.unwrap();
    drop(index);
    let exact = scan(dir.path()).await.nearest(queries).await.unwrap();
    let recall = recall(&exact, &found);
    println!("recall@100 of 1,200 that moved: {recall:.4}");
    assert!(recall >= 0.95, "recall {recall}");
    let distinct = found.iter().map(|hits| ids(hits).into_iter().collect::<BTreeSet<_>>().len());
    assert!(distinct.into_iter().all(|distinct| distinct == 100), "no article twice");
}
