//! The small dataflow `articles` -> article index: versions from the topic into the edge, with a marker of its own.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    EngineError, Graph, Node, Result, Runtime,
    log::{Bounds, Log, Position, RecordRun},
};
use abovefold_schemas::{ArticleId, ArticleVersion, Kept, Offset};
use tokio::sync::watch;

use crate::{
    articles::{Article, ArticleIndex, check_version},
    metrics::ARTICLES_INDEXED,
};

/// How long nothing is written before the edge's own marker is looked at again.
const IDLE_CHECK: Duration = Duration::from_secs(5);

/// Fills the article edge from the topic `articles`, from the edge's own marker on, until it is stopped.
#[derive(Debug)]
pub struct Indexer {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The topic.
    pub topic: String,
    /// The edge.
    pub index: Arc<dyn ArticleIndex>,
    /// Becomes true when it shall end.
    pub stop: watch::Receiver<bool>,
    /// Clock.
    pub runtime: Runtime,
}

impl Indexer {
    /// What it is made of. It is one task, since after a failure its source has to begin again from the edge's own marker.
    pub fn graph() -> Graph {
        let nodes = vec![Node::source::<RecordRun>("articles"), Node::sink::<RecordRun>("article index")];
        Graph::line("articles", nodes)
    }

    /// Runs until it is stopped. An edge that is out of reach is tried again.
    ///
    /// # Errors
    /// When the log cannot be read or the edge refuses a version for good.
    pub async fn run(mut self) -> Result<()> {
        let mut stop = self.stop.clone();
        loop {
            let outcome = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                outcome = self.follow() => outcome,
            };
            match outcome {
                Err(error) if error.retry => {
                    tracing::warn!(%error, "articles not indexed yet, trying again");
                    self.runtime.sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error),
                Ok(()) => {}
            }
        }
    }

    async fn follow(&mut self) -> Result<()> {
        let bounds = self.log.bounds(&self.topic).await?;
        let mut marker = start(&self.index.marker().await?, &bounds);
        let positions = (0..).zip(&marker).map(|(partition, offset)| Position { partition, offset: *offset });
        let mut reader = self.log.read(&self.topic, positions.collect()).await?;
        loop {
            let Some(run) = self.runtime.timeout(IDLE_CHECK, reader.next()).await else {
                // An index that was deleted while nothing was written has no marker: it is filled again.
                if self.index.marker().await? != marker && marker.iter().any(|next| next.0 > 0) {
                    return Ok(());
                }
                continue;
            };
            let run = run?;
            let versions = versions(&self.topic, &run)?;
            let count = versions.len() as u64;
            marker[run.partition as usize] = run.next;
            self.index.apply(versions, &marker).await?;
            metrics::counter!(ARTICLES_INDEXED).increment(count);
        }
    }
}

/// The marker, with a place for each partition that the topic has.
fn start(marker: &[Offset], bounds: &[Bounds]) -> Vec<Offset> {
    bounds
        .iter()
        .enumerate()
        .map(|(p, bounds)| marker.get(p).copied().unwrap_or(bounds.begin).max(bounds.begin))
        .collect()
}

/// An article whose vector the edge would refuse is taken in without one: it can be read and counted, and is not searched for.
fn without_a_bad_vector(mut version: ArticleVersion) -> ArticleVersion {
    if let Err(error) = check_version(&version) {
        tracing::warn!(article = version.article_id, %error, "the article is taken in without its vector");
        version.vector = Vec::new();
    }
    version
}

/// The article versions of a run.
fn versions(topic: &str, run: &RecordRun) -> Result<Vec<Article>> {
    run.records
        .iter()
        .map(|record| {
            let version = ArticleVersion::from_kept(&record.value).map_err(|error| {
                EngineError::user(
                    format!("read {topic}, partition {}, offset {}", run.partition, record.offset),
                    error.to_string(),
                )
            })?;
            Ok(Article {
                id: ArticleId(version.article_id),
                offset: record.offset,
                version: without_a_bad_vector(version),
            })
        })
        .collect()
}
