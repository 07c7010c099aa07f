//! What the graph of the embedded articles finds of what the exact scan finds, how long both take, and what it costs to build:
//! `recall --articles 125000 --precision bf16`. What is chosen by default (`HnswSettings`) was chosen by this.
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use abovefold_benches::load::newspaper::Draws;
use abovefold_operators::articles::{
    Article, ArticleIndex, Filter, GraphPrecision, Hit, HnswSettings, NearestQuery,
    embedded::EmbeddedArticles,
};
use abovefold_schemas::{ArticleId, ArticleVersion, Offset, Timestamp};
use clap::Parser;

const K: usize = 100;
/// Articles of one batch.
const CHUNK: usize = 5_000;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 125_000)]
    articles: usize,
    #[arg(long, default_value_t = 1_000)]
    stories: usize,
    /// Queries, each around a story
    #[arg(long, default_value_t = 200)]
    queries: usize,
    /// f32, bf16, f16, i8; several in a row
    #[arg(long, value_delimiter = ',', default_value = "bf16")]
    precision: Vec<String>,
    /// Several in a row
    #[arg(long, value_delimiter = ',', default_value = "200")]
    ef_search: Vec<usize>,
    #[arg(long, default_value_t = 16)]
    m: usize,
    #[arg(long, default_value_t = 128)]
    ef_construction: usize,
    #[arg(long, default_value_t = 2)]
    build_threads: usize,
    /// Articles that are added while searches go on
    #[arg(long, default_value_t = 1_000)]
    added: usize,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let mut draws = Draws::new(1);
    let stories: Vec<Vec<f32>> = (0..options.stories).map(|_| draws.vector()).collect();
    let index =
        open(dir.path(), &HnswSettings { from_articles: usize::MAX, ..HnswSettings::default() }).await;
    for first in (0..options.articles).step_by(CHUNK) {
        let chunk = first..options.articles.min(first + CHUNK);
        let articles: Vec<Article> =
            chunk.map(|number| article(number, number, around(&stories, number, &mut draws))).collect();
        apply(&index, articles).await;
    }
    let vectors: Vec<Vec<f32>> =
        (0..options.queries).map(|number| around(&stories, number * 7, &mut draws)).collect();
    let (exact, times) = ask(&index, &vectors, &Filter::default()).await;
    println!("{} articles; {}; exact scan: {}", options.articles, memory(), spread(times));
    let filters = filters(options.articles, &exact);
    let mut exact_filtered = Vec::new();
    for (_, filter) in &filters {
        exact_filtered.push(ask(&index, &vectors, filter).await.0);
    }
    drop(index);
    let mut offset = options.articles;
    for precision in &options.precision {
        let quoted = serde_json::Value::from(precision.as_str());
        let precision: GraphPrecision =
            serde_json::from_value(quoted).unwrap_or_else(|_| panic!("--precision: {precision} is none"));
        for ef_search in &options.ef_search {
            let settings = HnswSettings {
                from_articles: 0,
                m: options.m,
                ef_construction: options.ef_construction,
                ef_search: *ef_search,
                precision,
                build_threads: options.build_threads,
            };
            println!("\n{settings:?}");
            let index = open(dir.path(), &settings).await;
            let begun = Instant::now();
            index.settled().await.expect("the graph's threads live");
            println!("built in {:.1} s after the start; {}", begun.elapsed().as_secs_f64(), memory());
            let (found, times) = ask(&index, &vectors, &Filter::default()).await;
            println!("{:<28} recall@{K} {:.4}; {}", "no filter", recall(&exact, &found), spread(times));
            for ((name, filter), exact) in filters.iter().zip(&exact_filtered) {
                let (found, times) = ask(&index, &vectors, filter).await;
                println!("{name:<28} recall@{K} {:.4}; {}", recall(exact, &found), spread(times));
            }
            let added = (0..options.added).map(|number| {
                offset += 1;
                article(options.articles + number, offset, around(&stories, number, &mut draws))
            });
            let added: Vec<Article> = added.collect();
            let gone = added.iter().cloned().map(|mut article| {
                offset += 1;
                (article.offset, article.version.withdrawn) = (Offset(offset as u64), true);
                article
            });
            let gone: Vec<Article> = gone.collect();
            let all = Filter::default();
            let (took, (_, times)) = tokio::join!(apply(&index, added), ask(&index, &vectors, &all));
            println!("while {} are added ({:.1} s): {}", options.added, took.as_secs_f64(), spread(times));
            // The next graph is measured against the same scan.
            apply(&index, gone).await;
        }
    }
}

async fn open(dir: &Path, settings: &HnswSettings) -> EmbeddedArticles {
    EmbeddedArticles::open_with(dir, settings).await.expect("the folder is ours")
}

async fn apply(index: &EmbeddedArticles, articles: Vec<Article>) -> Duration {
    let (begun, next) = (Instant::now(), articles.last().map_or(Offset(0), |article| article.offset.next()));
    index.apply(articles, &[next]).await.expect("the articles are whole");
    begun.elapsed()
}

fn around(stories: &[Vec<f32>], number: usize, draws: &mut Draws) -> Vec<f32> {
    stories[number % stories.len()].iter().zip(draws.vector()).map(|(story, noise)| story + noise).collect()
}

/// One article a minute; eight sections.
fn article(number: usize, offset: usize, vector: Vec<f32>) -> Article {
    let version = ArticleVersion {
        article_id: number as i64,
        category: format!("section {}", number % 8),
        published: number as i64 * 60_000,
        vector,
        ..ArticleVersion::default()
    };
    Article { id: ArticleId(number as i64), offset: Offset(offset as u64), version }
}

/// Filters that leave less and less.
fn filters(articles: usize, exact: &[Vec<Hit>]) -> Vec<(&'static str, Filter)> {
    let since = |share: f64| Filter {
        published_from: Some(Timestamp((articles as f64 * (1.0 - share)) as i64 * 60_000)),
        ..Filter::default()
    };
    let read = exact.iter().flat_map(|hits| hits.iter().take(1)).take(50).map(|hit| hit.article.id).collect();
    let sections = Filter { categories: vec!["section 1".into(), "section 5".into()], ..Filter::default() };
    vec![
        ("without 50 articles", Filter { exclude: read, ..Filter::default() }),
        ("the newer half", since(0.5)),
        ("two sections of eight", sections),
        ("the newest tenth", since(0.1)),
        ("the newest twentieth", since(0.05)),
        ("the newest hundredth", since(0.01)),
    ]
}

/// The hits of each query, asked one after the other, and how long each took.
async fn ask(
    index: &EmbeddedArticles,
    vectors: &[Vec<f32>],
    filter: &Filter,
) -> (Vec<Vec<Hit>>, Vec<Duration>) {
    let (mut found, mut times) = (Vec::new(), Vec::new());
    for vector in vectors {
        let query = NearestQuery { vector: vector.clone(), k: K, filter: filter.clone() };
        let begun = Instant::now();
        found.extend(index.nearest(vec![query]).await.expect("the query is whole"));
        times.push(begun.elapsed());
    }
    (found, times)
}

fn recall(exact: &[Vec<Hit>], found: &[Vec<Hit>]) -> f64 {
    let (mut both, mut all) = (0, 0);
    for (exact, found) in exact.iter().zip(found) {
        let found: BTreeSet<ArticleId> = found.iter().map(|hit| hit.article.id).collect();
        all += exact.len();
        both += exact.iter().filter(|hit| found.contains(&hit.article.id)).count();
    }
    both as f64 / all as f64
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms", at(0.5), at(0.99), at(1.0))
}

/// The resident memory of this process.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("? kB");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(f64::NAN);
    format!("{:.0} MB resident", kilobytes / 1024.0)
}
