//! What the steps of the read path share.

use std::sync::Arc;

use abovefold_engine::{
    Runtime,
    log::partition_of,
    state::{StateStore, Tag},
};
use abovefold_schemas::{ReaderId, Timestamp};

use super::{
    Arm, Experiment, Exposures, QueryContext, QuerySettings, ServingModel, after, edge::Edge, fill::Newest,
    load::Load, model::ModelInForce, trending::Trending, vectors::PreparedArticles,
};
use crate::{articles::ArticleIndex, learning::Learned};

/// What the steps of the read path share.
#[derive(Debug)]
pub struct Shared {
    pub(super) runtime: Runtime,
    pub(super) namespace: String,
    pub(super) partitions: u32,
    pub(super) topic_hash: u32,
    pub(super) store: Arc<dyn StateStore>,
    pub(super) articles: Arc<dyn ArticleIndex>,
    pub(super) model: ModelInForce,
    pub(super) learned: Option<Arc<Learned>>,
    /// What was shown of late; nothing where no impressions are logged, or at a past moment, when nothing of it had been shown yet.
    pub(super) exposures: Option<Arc<Exposures>>,
    past: bool,
    /// What belongs to the whole; what can differ from request to request is in the arm's.
    pub(super) settings: QuerySettings,
    pub(super) experiment: Option<Experiment>,
    /// The arm of all readers where no experiment runs.
    everybody: Arc<Arm>,
    pub(super) trending: Arc<Trending>,
    pub(super) newest: Newest,
    pub(super) prepared: PreparedArticles,
    pub(super) state_edge: Edge,
    pub(super) articles_edge: Edge,
    pub(super) ranker_edge: Edge,
    pub(super) load: Arc<Load>,
}

impl Shared {
    pub(super) fn new(context: QueryContext, exposures: Option<Arc<Exposures>>) -> Self {
        let QueryContext {
            runtime,
            namespace,
            partitions,
            events_topic,
            store,
            articles,
            ranker,
            trees,
            learned,
            past,
            settings,
            experiment,
            ..
        } = context;
        let edge = |name, limit_ms| Edge::new(name, runtime.clone(), limit_ms, settings.edge_pause_ms);
        let tags = (0..partitions).map(|partition| Tag { namespace: namespace.clone(), partition }).collect();
        let trending = Trending::new(runtime.clone(), tags, store.clone(), articles.clone(), &settings);
        Self {
            topic_hash: after::topic_hash(&events_topic),
            trending: Arc::new(trending),
            newest: Newest::default(),
            prepared: PreparedArticles::default(),
            state_edge: edge("state", settings.state_limit_ms),
            articles_edge: edge("articles", settings.articles_limit_ms),
            ranker_edge: edge("ranker", settings.ranker_limit_ms),
            load: Arc::default(),
            namespace,
            partitions,
            store,
            articles,
            model: ModelInForce::new(ServingModel { ranker, trees }),
            learned,
            exposures,
            past,
            everybody: Arc::new(Arm::everybody(settings.clone())),
            settings,
            experiment,
            runtime,
        }
    }

    /// The tag of a partition.
    pub(super) fn tag(&self, partition: u32) -> Tag {
        Tag { namespace: self.namespace.clone(), partition }
    }

    /// The tag under which a reader's state lies.
    pub(super) fn home(&self, reader: &ReaderId) -> Tag {
        self.tag(partition_of(reader.as_bytes(), self.partitions))
    }

    /// The arm that a reader is served by.
    pub(super) fn arm(&self, reader: &ReaderId) -> Arc<Arm> {
        self.experiment.as_ref().map_or(&self.everybody, |experiment| experiment.arm_of(reader)).clone()
    }

    /// Nothing that was published after this moment is served: the watermark of a namespace that stands at a past moment.
    pub(super) fn published_until(&self) -> Option<Timestamp> {
        self.trending.view().now.filter(|_| self.past)
    }

    /// Nothing that was published before this moment is served, where articles have a greatest age.
    pub(super) fn published_from(&self) -> Option<Timestamp> {
        let hours = i64::from(self.settings.oldest_hours);
        let now = self.trending.view().now.unwrap_or_else(|| self.runtime.now());
        (hours > 0).then(|| Timestamp(now.0 - hours * 3_600_000))
    }
}
