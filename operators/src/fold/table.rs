//! The article table: vectors as of any moment of the log, for the fold.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use abovefold_engine::{
    EngineError, Result,
    log::{Log, LogReader, Position, Record},
};
use abovefold_schemas::{ArticleId, ArticleVersion, Kept, Offset, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

/// The width of an article's vector.
pub const WIDTH: usize = 768;

/// One version's vector and from when it counts.
#[derive(Clone, Debug)]
struct VectorVersion {
    /// `None`: known from the start of the namespace.
    since: Option<Timestamp>,
    vector: Arc<[f32]>,
}

/// Every version of every article's vector, read from the topic `articles`; all that is cloned from one table is that table.
///
/// Versions below the namespace's base offsets are known from the start; a later one counts for events whose log time is after its
/// own; before the first there is none, for good.
#[derive(Clone)]
pub struct ArticleTable {
    /// So many times it was asked to catch up.
    asked: Arc<AtomicU64>,
    versions: Arc<Mutex<Versions>>,
}

/// What was read of the topic.
pub struct Versions {
    log: Arc<dyn Log>,
    topic: String,
    base: Vec<Offset>,
    next: Vec<Offset>,
    reader: Option<Box<dyn LogReader>>,
    versions: BTreeMap<ArticleId, Vec<VectorVersion>>,
    /// Whoever asked no later than this has what the topic had then.
    caught_up_for: u64,
}

impl std::fmt::Debug for ArticleTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArticleTable").finish_non_exhaustive()
    }
}

impl ArticleTable {
    /// An empty table over a topic, for a namespace with these base offsets (one a partition).
    pub fn new(log: Arc<dyn Log>, topic: &str, base: Vec<Offset>) -> Self {
        let (topic, next, reader) = (topic.into(), Vec::new(), None);
        let versions =
            Versions { log, topic, base, next, reader, versions: BTreeMap::new(), caught_up_for: 0 };
        Self { asked: Arc::default(), versions: Arc::new(Mutex::new(versions)) }
    }

    /// Reads the topic to the end that it has now. Of those who ask while it is read, one reads for all.
    ///
    /// # Errors
    /// When the log cannot be read, or a record of the topic is no article version.
    pub async fn catch_up(&self) -> Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut versions = self.versions.lock().await;
        if versions.caught_up_for >= mine {
            return Ok(());
        }
        // What is read from here on is read for whoever has asked by now.
        let all = self.asked.load(Ordering::SeqCst);
        versions.catch_up().await?;
        versions.caught_up_for = all;
        Ok(())
    }

    /// The versions, to look things up in.
    pub async fn versions(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().await
    }
}

impl Versions {
    async fn catch_up(&mut self) -> Result<()> {
        let bounds = self.log.bounds(&self.topic).await?;
        if self.next.len() != bounds.len() {
            self.next = bounds.iter().map(|bounds| bounds.begin).collect();
            self.reader = None;
            self.versions.clear();
        }
        while self.next.iter().zip(&bounds).any(|(next, bounds)| *next < bounds.end) {
            let run = match &mut self.reader {
                Some(reader) => reader.next().await?,
                none => {
                    let positions = (0..)
                        .zip(&self.next)
                        .map(|(partition, offset)| Position { partition, offset: *offset });
                    none.insert(self.log.read(&self.topic, positions.collect()).await?).next().await?
                }
            };
            for record in &run.records {
                self.take(run.partition, record)?;
            }
            self.next[run.partition as usize] = run.next;
        }
        Ok(())
    }

    fn take(&mut self, partition: u32, record: &Record) -> Result<()> {
        let version = ArticleVersion::from_kept(&record.value).map_err(|error| {
            EngineError::user(
                format!("read {}, partition {partition}, offset {}", self.topic, record.offset),
                error.to_string(),
            )
        })?;
        let base = self.base.get(partition as usize).copied().unwrap_or_default();
        let since = (record.offset >= base).then_some(record.time);
        let vector = if version.vector.len() == WIDTH { version.vector } else { vec![0.0; WIDTH] };
        let versions = self.versions.entry(ArticleId(version.article_id)).or_default();
        if since.is_none() {
            // Of what is known from the start, only the last version is ever looked up.
            versions.clear();
        }
        versions.push(VectorVersion { since, vector: vector.into() });
        Ok(())
    }

    /// The vector of an article for an event of this log time; `None` where no version counts yet.
    pub fn as_of(&self, article: ArticleId, log_time: Timestamp) -> Option<Arc<[f32]>> {
        let versions = self.versions.get(&article)?;
        let counting =
            versions.iter().rev().find(|version| version.since.is_none_or(|since| since < log_time))?;
        Some(counting.vector.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use abovefold_engine::log::{MemoryLog, NewRecord};

    use super::*;

    async fn publish(log: &MemoryLog, article: i64) {
        let version =
            ArticleVersion { article_id: article, vector: vec![0.5; WIDTH], ..ArticleVersion::default() };
        log.append("articles", vec![NewRecord::keyed(article.to_string(), version.to_kept())]).await.unwrap();
    }

    #[tokio::test]
    async fn one_reads_for_all_who_ask_meanwhile_and_for_none_who_asks_later() {
        let log = MemoryLog::new(Arc::new(|| Timestamp(5)));
        log.create_topic("articles", 1).await.unwrap();
        publish(&log, 1).await;
        let table = ArticleTable::new(Arc::new(log.clone()), "articles", vec![Offset(0)]);
        let held = table.versions().await;
        let others = table.clone();
        let release = async { drop(held) };
        let (one, other, ()) = futures::join!(table.catch_up(), others.catch_up(), release);
        one.unwrap();
        other.unwrap();
        assert_eq!(table.versions().await.caught_up_for, 2, "the first of them read for both");
        assert!(table.versions().await.as_of(ArticleId(1), Timestamp(6)).is_some());

        publish(&log, 2).await;
        table.catch_up().await.unwrap();
        let versions = table.versions().await;
        assert!(versions.as_of(ArticleId(2), Timestamp(6)).is_some());
        assert!(versions.as_of(ArticleId(2), Timestamp(5)).is_none(), "not before its own time");
    }
}
