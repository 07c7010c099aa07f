//! Topics of a test, and a stream through them in which everything happens that folds and intake know.

use abovefold_engine::log::{Log, NewRecord};
use abovefold_schemas::{ArticleVersion, Kept};

use super::newsroom;

/// Partitions of each topic.
pub const PARTITIONS: u32 = 4;
/// Articles that have a vector; the stream has some more.
pub const ARTICLES: i64 = 12;
/// Readers of the stream.
const READERS: u64 = 25;

/// Waits for asynchronous work.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

/// Makes the two topics that a worker folds from, and fills that of the articles.
pub async fn make_topics(log: &dyn Log, events: &str, articles: &str) {
    for topic in [events, articles] {
        log.create_topic(topic, PARTITIONS).await.unwrap();
    }
    let version = |article_id: i64| {
        let vector = newsroom::vector(article_id);
        let version =
            ArticleVersion { article_id, title: newsroom::title(article_id), vector, ..Default::default() };
        NewRecord::keyed(article_id.to_string(), version.to_kept())
    };
    append(log, articles, (0..ARTICLES).map(version).collect()).await;
}

/// A stream from a seed; with strays, some records lie in partitions that are not their reader's home.
pub fn stream(seed: u64, records: usize, with_strays: bool) -> Vec<NewRecord> {
    let records = newsroom::stream(seed, records, READERS, ARTICLES as u64);
    records
        .into_iter()
        .enumerate()
        .map(|(number, (key, value))| {
            let stray = with_strays && number % 29 == 7;
            NewRecord {
                partition: stray.then_some(number as u32 % PARTITIONS),
                ..NewRecord::keyed(key, value)
            }
        })
        .collect()
}

/// Appends, which has to succeed.
pub async fn append(log: &dyn Log, topic: &str, records: Vec<NewRecord>) {
    log.append(topic, records).await.unwrap();
}

/// The end of each partition.
pub async fn ends(log: &dyn Log, topic: &str) -> Vec<u64> {
    log.bounds(topic).await.unwrap().iter().map(|bounds| bounds.end.0).collect()
}
