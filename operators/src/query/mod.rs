//! The read path: a request goes through operators of the same runtime as the write path and comes out as a slate.
//!
//! ```text
//! requests -> state -> retrieve -> features -> rerank -> compose -> answer -> impressions
//! ```
//!
//! Requests that wait together travel as one batch: one read of the store for each partition involved, one search, one pass of
//! the reranker. No failure of an edge stops the dataflow: every step has a named fallback, and the slate's `served_by` says which path it took.
//!
//! | what fails | what serves |
//! |---|---|
//! | no trees, or trees broken | `reranker` all the same: the networks' order |
//! | no ranker, ranker broken or slow | `knn`: candidates in the order of their cosine |
//! | state store down, reader without reads | `trending` (`preferences` where the reader chose topics) |
//! | article edge down | `trending`, from the articles that are kept in memory |
//! | nothing was ever read | `newest` |
//!
//! Where an [`Experiment`] runs, each request is served by the settings of its reader's arm; see [`arms`].
//!
//! [`Query`] is the handle. See [`state`], [`retrieve`], [`features`], [`rerank`], [`compose`] and [`answer`] for the steps.

pub mod after;
pub mod answer;
pub mod arms;
mod batch;
pub mod cache;
pub mod compose;
mod cosines;
mod edge;
pub mod features;
mod fill;
pub mod impressions;
pub mod metrics;
pub mod ranker;
pub mod request;
pub mod rerank;
pub mod retrieve;
pub mod settings;
mod shared;
mod source;
pub mod state;
pub mod trending;
mod vectors;

use std::sync::Arc;

use abovefold_engine::{
    Dataflow, Graph, Runtime,
    log::{Position, partition_of},
    state::{StateStore, Tag},
};
use abovefold_schemas::{
    Kept, Offset, ReaderId, Timestamp, keys::reader_key, state::ActiveReader, state::ReaderState,
};
use tokio::sync::{mpsc, oneshot};

use crate::{articles::ArticleIndex, features::ColumnRanker, learning::Learned};
use after::After;
pub use arms::{Arm, Experiment};
use batch::Asked;
pub use impressions::Impressions;
pub use ranker::Ranker;
pub use request::{Explanation, Pick, QueryError, ReaderSeen, Request, ServedBy, Slate, Source, StateSeen};
pub use settings::{QuerySettings, RankBy};
use shared::Shared;
pub use trending::Trending;

/// What the read path stands on.
#[derive(Debug)]
pub struct QueryContext {
    /// The clock, tasks and chance.
    pub runtime: Runtime,
    /// The namespace whose state readers see.
    pub namespace: String,
    /// Partitions of the events' topic, which is also where a reader's home is found.
    pub partitions: u32,
    /// The events' topic, by which a token of another log is told.
    pub events_topic: String,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The article edge.
    pub articles: Arc<dyn ArticleIndex>,
    /// The networks that order candidates; without them they stay in the order of their cosine.
    pub ranker: Option<Arc<dyn Ranker>>,
    /// The trees above the networks; without them the networks' order counts.
    pub trees: Option<Arc<ColumnRanker>>,
    /// What was learned of articles and readers, if a learner is followed.
    pub learned: Option<Arc<Learned>>,
    /// Where slates that were served are logged, if anywhere.
    pub impressions: Option<Impressions>,
    /// Whether the namespace stands at a past moment: then nothing is served that was published after its watermark.
    pub past: bool,
    /// Limits, times and sizes.
    pub settings: QuerySettings,
    /// The arms that readers are shared out among, if an experiment runs; in `settings` then only what belongs to the whole counts.
    pub experiment: Option<Experiment>,
}

/// A handle to the running read path. It ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Query {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Asked>,
    graph: Arc<Graph>,
}

impl Query {
    /// Starts the dataflow and the mirror of the trends. Must be called inside a tokio runtime.
    pub fn start(context: QueryContext) -> Self {
        let impressions = context.impressions.clone();
        let shared = Arc::new(Shared::new(context));
        let (requests, waiting) = mpsc::channel(shared.settings.waiting_requests);
        let queue = impressions.map(|log| impressions::Queue::start(&shared.runtime, log));
        let flow = dataflow(&shared, waiting, queue);
        let graph = Arc::new(flow.graph().clone());
        shared.runtime.spawn(async move {
            if let Err(error) = flow.finish().await {
                tracing::error!(%error, "the read path stopped");
            }
        });
        Trending::keep_fresh(&shared.trending, shared.settings.trends_every());
        Self { shared, requests, graph }
    }

    /// The steps of the dataflow over these edges. Nothing is started, and no edge is asked.
    pub fn describe(context: QueryContext) -> Graph {
        let shared = Arc::new(Shared::new(context));
        let (_requests, waiting) = mpsc::channel(shared.settings.waiting_requests);
        dataflow(&shared, waiting, None).graph().clone()
    }

    /// Answers a request with a slate. A request that waits for an `after` waits here and holds up nobody.
    ///
    /// # Errors
    /// When the token is none of this log, when too many requests wait, or when there is nothing at all to serve from.
    pub async fn recommend(&self, request: Request) -> Result<Slate, QueryError> {
        let watch = metrics::Stopwatch::start();
        let fresh = match &request.after {
            Some(token) => self.wait_for(self.after(token)?).await,
            None => true,
        };
        let (reply, answer) = oneshot::channel();
        let arm = self.shared.arm(&request.reader);
        self.requests.try_send(Asked { request, arm, fresh, reply, watch }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => QueryError::Busy,
            mpsc::error::TrySendError::Closed(_) => QueryError::Stopped,
        })?;
        answer.await.map_err(|_| QueryError::Stopped)?
    }

    /// A reader's state, straight from the store.
    ///
    /// # Errors
    /// When the store does not answer in time or holds bytes that this program cannot read.
    pub async fn reader(&self, reader: &ReaderId) -> Result<ReaderSeen, QueryError> {
        let (tag, key) = (self.shared.home(reader), reader_key(reader));
        let read = self.shared.store.read(&tag, std::slice::from_ref(&key), &[]);
        let mut snapshot = self.shared.state_edge.call(read).await.map_err(QueryError::State)?;
        let value = snapshot.values.pop().flatten();
        let version = value.as_ref().map(|value| value.version);
        let state = value.map(|value| ReaderState::from_kept(&value.bytes)).transpose();
        let state = state.map_err(|error| QueryError::State(error.to_string()))?;
        Ok(ReaderSeen { partition: tag.partition, marker: snapshot.marker, version, state })
    }

    /// Brings the trends in memory up to date now; they are every second anyway.
    pub async fn refresh(&self) {
        self.shared.trending.refresh().await;
    }

    /// The readers seen last, latest first, merged over partitions.
    pub fn active_readers(&self, limit: usize) -> Vec<ActiveReader> {
        let view = self.shared.trending.view();
        view.active.iter().take(limit).cloned().collect()
    }

    /// The namespace's watermark: the latest event time folded. `None` where nothing was.
    pub fn now(&self) -> Option<Timestamp> {
        self.shared.trending.view().now
    }

    /// How many articles could be served from memory if the article edge were down.
    pub fn articles_in_memory(&self) -> usize {
        self.shared.trending.view().top.len() + self.shared.newest.kept().len()
    }

    /// The experiment that runs, if one does.
    pub fn experiment(&self) -> Option<&Experiment> {
        self.shared.experiment.as_ref()
    }

    /// The dataflow's steps.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The token by which a request waits until the event at `position` is folded.
    pub fn token(&self, position: Position) -> String {
        After { topic: self.shared.topic_hash, position }.encode()
    }

    /// The partition where a reader is at home.
    pub fn home(&self, reader: &ReaderId) -> u32 {
        partition_of(reader.as_bytes(), self.shared.partitions)
    }

    fn after(&self, token: &str) -> Result<After, QueryError> {
        let after = After::decode(token).map_err(QueryError::Token)?;
        if after.topic != self.shared.topic_hash || after.position.partition >= self.shared.partitions {
            return Err(QueryError::Token("is a token of another log".into()));
        }
        Ok(after)
    }

    /// Whether the marker passed the token's event within the bound.
    async fn wait_for(&self, after: After) -> bool {
        let watch = metrics::Stopwatch::start();
        let tag = self.shared.tag(after.position.partition);
        let next = after.position.offset.next();
        let waited =
            self.shared.runtime.timeout(self.shared.settings.after_wait(), self.folded(&tag, next)).await;
        watch.record(metrics::AFTER_SECONDS);
        let fresh = match waited {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot wait for a marker");
                false
            }
            None => false,
        };
        if !fresh {
            ::metrics::counter!(metrics::STALE).increment(1);
        }
        fresh
    }

    async fn folded(&self, tag: &Tag, next: Offset) -> abovefold_engine::Result<()> {
        // Most tokens are older than the page that they came from: those wake no worker.
        let seen = self.shared.store.read(tag, &[], &[]).await?;
        if seen.marker.is_some_and(|marker| marker.next >= next) {
            return Ok(());
        }
        self.shared.store.hurry(tag, next).await?;
        self.shared.store.wait_for(tag, next).await.map(|_| ())
    }
}

/// The read path from the requests that wait to their answers.
fn dataflow(
    shared: &Arc<Shared>,
    waiting: mpsc::Receiver<Asked>,
    impressions: Option<impressions::Queue>,
) -> Dataflow {
    let mut flow = Dataflow::new("query", shared.runtime.clone());
    let together = (shared.settings.batch, shared.settings.batches_in_flight);
    flow.source_loop("requests", move |out| source::batches(waiting, together, out))
        .then(&mut flow, state::ReadState::new(shared.clone()))
        .then(&mut flow, retrieve::Retrieve::new(shared.clone()))
        .then(&mut flow, features::Features::new(shared.clone()))
        .then(&mut flow, rerank::Rerank::new(shared.clone()))
        .then(&mut flow, compose::Compose::new(shared.clone()))
        .sink(&mut flow, answer::Answer::new(shared.clone(), impressions));
    flow
}
