//! The read path: a request goes through operators of the same runtime as the write path and comes out as a slate.
//!
//! ```text
//! requests -> state -> retrieve -> features -> rerank -> compose (its rules) -> explain -> answer -> impressions
//! ```
//!
//! Requests that wait together travel as one batch: one read of the store for each partition involved, one search, one pass of
//! the reranker. No failure of an edge stops the dataflow: every step has a named fallback, and the slate's `served_by` says which path it took.
//!
//! | what fails | what serves |
//! |---|---|
//! | no trees, or trees broken | `reranker` all the same: the networks' order |
//! | networks broken or slow | `trees`: the trees' order, without the networks' columns; without trees `knn`, the order of the cosines |
//! | the networks' GPU lost | `reranker` all the same, on the processor |
//! | state store down, reader without reads | `trending` (`preferences` where the reader chose topics) |
//! | article edge down | `cached`: the reader's cached candidates, in the ranker's order, from the articles that are kept in memory; else `trending` from memory |
//! | nothing was ever read | `newest` |
//!
//! The model may be replaced while requests are under way ([`Query::swap_model`]): a batch is ordered by the one that it began with.
//! Where an [`Experiment`] runs, each request is served by the settings of its reader's arm; see [`arms`].
//!
//! [`Query`] is the handle. See [`state`], [`retrieve`], [`features`], [`rerank`], [`compose`], [`explain`] and
//! [`answer`] for the steps.

pub mod after;
pub mod answer;
pub mod arms;
mod batch;
pub mod cache;
pub mod compose;
mod cosines;
mod edge;
pub mod explain;
pub mod exposures;
pub mod features;
mod fill;
pub mod impressions;
pub mod ladder;
mod load;
pub mod metrics;
pub mod model;
pub mod probe;
pub mod ranker;
pub mod request;
pub mod rerank;
pub mod retrieve;
pub mod settings;
mod shared;
mod source;
mod sources;
pub mod state;
pub mod trending;
mod vectors;

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Dataflow, Graph, Runtime, Watched,
    log::{Position, partition_of},
    state::{StateStore, Tag},
};
use abovefold_schemas::{
    Kept, Offset, ReaderId, Timestamp, keys::reader_key, state::ActiveReader, state::ReaderState,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    articles::{Article, ArticleIndex},
    features::ColumnRanker,
    learning::Learned,
};
use after::After;
pub use arms::{Arm, Experiment};
use batch::Asked;
pub use exposures::Exposures;
pub use impressions::Impressions;
pub use ladder::Fallback;
pub use model::ServingModel;
pub use probe::probe;
pub use ranker::Ranker;
pub use request::{Explanation, Pick, QueryError, ReaderSeen, Request, ServedBy, Slate, Source, StateSeen};
pub use settings::{Budgets, Composition, QuerySettings, RankBy};
use shared::Shared;
pub use trending::Trending;
use vectors::PreparedArticles;

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
    watched: Arc<Watched>,
}

impl Query {
    /// Starts the dataflow and the mirror of the trends. Must be called inside a tokio runtime.
    pub fn start(context: QueryContext) -> Self {
        let impressions = context.impressions.clone();
        // At a past moment nothing of what was shown since had been shown.
        let followed = impressions.clone().filter(|_| !context.past);
        let exposures = followed.map(|impressions| Exposures::follow(&context.runtime, impressions));
        let shared = Arc::new(Shared::new(context, exposures));
        let (requests, waiting) = mpsc::channel(shared.settings.waiting_requests);
        let queue = impressions.map(|log| impressions::Queue::start(&shared.runtime, log));
        let flow = dataflow(&shared, waiting, queue);
        let watched = Arc::new(flow.watched());
        shared.runtime.spawn(async move {
            if let Err(error) = flow.finish().await {
                tracing::error!(%error, "the read path stopped");
            }
        });
        Trending::keep_fresh(&shared.trending, shared.settings.trends_every());
        PreparedArticles::keep_fresh(&shared);
        Self { shared, requests, watched }
    }

    /// The steps of the dataflow over these edges. Nothing is started, and no edge is asked.
    pub fn describe(context: QueryContext) -> Graph {
        let shared = Arc::new(Shared::new(context, None));
        let (_requests, waiting) = mpsc::channel(shared.settings.waiting_requests);
        dataflow(&shared, waiting, None).graph().clone()
    }

    /// Answers a request with a slate. A request that waits for an `after` waits here and holds up nobody.
    ///
    /// One that could not be answered before its deadline, since so many wait, is refused before it waits, and so is one that would wait for longer than
    /// `queue_ms` where that is no burst; one whose deadline passes is not worked on any further.
    ///
    /// # Errors
    /// When the token is none of this log, when too many requests wait, when the deadline passes, or when there is nothing at all to serve
    /// from.
    pub async fn recommend(&self, mut request: Request) -> Result<Slate, QueryError> {
        let watch = metrics::Stopwatch::start();
        let (runtime, settings) = (&self.shared.runtime, &self.shared.settings);
        let usual = || Timestamp(runtime.now().0.saturating_add_unsigned(settings.deadline_ms));
        let deadline = *request.deadline.get_or_insert_with(usual);
        let fresh = match &request.after {
            Some(token) => self.wait_for(self.after(token)?, self.left(deadline) / 2).await,
            None => true,
        };
        let left = self.left(deadline);
        self.admit(left)?;
        let (reply, answer) = oneshot::channel();
        let arm = self.shared.arm(&request.reader);
        self.requests.try_send(Asked { request, arm, fresh, reply, watch }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => busy("full"),
            mpsc::error::TrySendError::Closed(_) => QueryError::Stopped,
        })?;
        match runtime.timeout(left, answer).await {
            Some(Ok(Err(QueryError::Late))) | None => Err(late()),
            Some(Ok(answered)) => answered,
            Some(Err(_)) => Err(QueryError::Stopped),
        }
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

    /// Puts another model in place, and returns the one that it replaces: batches that begin from now on are ordered by it, those under way
    /// by the one that they began with. It has to understand the same session embeddings; see [`probe()`] for the rest.
    pub fn swap_model(&self, model: ServingModel) -> Arc<ServingModel> {
        self.shared.model.replace(model)
    }

    /// The model that a batch which begins now is ordered by.
    pub fn model(&self) -> Arc<ServingModel> {
        self.shared.model.take()
    }

    /// What serves in the place of something that failed, as of its last call.
    pub fn fallbacks(&self) -> Vec<Fallback> {
        ladder::fallbacks(&self.shared)
    }

    /// Brings the trends and articles in memory up to date now; they are every few seconds anyway.
    pub async fn refresh(&self) {
        self.shared.trending.refresh().await;
        self.shared.prepared.renew(&self.shared).await;
    }

    /// The readers seen last, latest first, merged over partitions.
    pub fn active_readers(&self, limit: usize) -> Vec<ActiveReader> {
        let view = self.shared.trending.view();
        view.active.iter().take(limit).cloned().collect()
    }

    /// The articles read most, most first and none that was withdrawn: of the trends in memory, those that `wanted` lets pass.
    pub fn most_read(&self, limit: usize, wanted: impl Fn(&Article) -> bool) -> Vec<Arc<Article>> {
        let view = self.shared.trending.view();
        let articles = view.top.iter().map(|trend| &trend.article);
        articles.filter(|article| wanted(article)).take(limit).cloned().collect()
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
        &self.watched.graph
    }

    /// The dataflow's steps with their counters.
    pub fn watched(&self) -> &Arc<Watched> {
        &self.watched
    }

    /// The watermark of each partition, by its number: the latest event time folded there. `None` where nothing was.
    pub fn watermarks(&self) -> Vec<Option<Timestamp>> {
        self.shared.trending.view().watermarks.clone()
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

    /// The time until a moment; nothing where it has passed.
    fn left(&self, deadline: Timestamp) -> Duration {
        let millis = deadline.0.saturating_sub(self.shared.runtime.now().0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Whether a request may wait that has so much time left.
    fn admit(&self, left: Duration) -> Result<(), QueryError> {
        if left.is_zero() {
            return Err(late());
        }
        let queued = self.requests.max_capacity() - self.requests.capacity();
        let wait = self.shared.settings.queue_limit();
        if self.shared.load.admits(queued, left, wait, Instant::now()) { Ok(()) } else { Err(busy("wait")) }
    }

    /// Whether the marker passed the token's event within the bound, and within `most`.
    async fn wait_for(&self, after: After, most: Duration) -> bool {
        let watch = metrics::Stopwatch::start();
        let tag = self.shared.tag(after.position.partition);
        let next = after.position.offset.next();
        let limit = self.shared.settings.after_wait().min(most);
        let waited = self.shared.runtime.timeout(limit, self.folded(&tag, next)).await;
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

/// A request that is refused at once.
fn busy(why: &'static str) -> QueryError {
    ::metrics::counter!(metrics::SHED, "why" => why).increment(1);
    QueryError::Busy
}

/// A request whose deadline passed.
fn late() -> QueryError {
    ::metrics::counter!(metrics::LATE).increment(1);
    QueryError::Late
}

/// The read path from the requests that wait to their answers.
fn dataflow(
    shared: &Arc<Shared>,
    waiting: mpsc::Receiver<Asked>,
    impressions: Option<impressions::Queue>,
) -> Dataflow {
    let mut flow = Dataflow::new("query", shared.runtime.clone());
    let of_source = shared.clone();
    let ranked = flow
        .source_loop(source::NAME, move |out| source::batches(waiting, of_source, out))
        .then(&mut flow, state::ReadState::new(shared.clone()))
        .then(&mut flow, retrieve::Retrieve::new(shared.clone()))
        .then(&mut flow, features::Features::new(shared.clone()))
        .then(&mut flow, rerank::Rerank::new(shared.clone()));
    compose::compose(ranked, &mut flow, shared)
        .then(&mut flow, explain::Explain::new(shared.clone()))
        .sink(&mut flow, answer::Answer::new(shared.clone(), impressions));
    flow
}
