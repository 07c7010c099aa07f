//! The dataflows of the program as graphs: the real ones, built over edges that do nothing, and never started.

use std::sync::Arc;

use abovefold_engine::{
    EngineError, Graph, Result, Runtime, Troubles, WindowSettings,
    log::{Bounds, Log, LogMember, LogReader, Membership, NewRecord, Position},
    state::MemoryStore,
};
use abovefold_schemas::{ArticleId, Offset, Timestamp, records::NamespaceRecord};
use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    articles::{Article, ArticleIndex, Filter, Hit, NearestQuery},
    fold::FoldSettings,
    indexer::Indexer,
    learning::LearnerFlow,
    pipeline::{Topics, WorkerContext, intake_from, write_path},
    query::{Query, QueryContext, QuerySettings},
    steps::Steps,
};

/// The dataflows of the program as graphs: write path (with these steps of the configuration), intake, articles, read path.
pub fn graphs(steps: &Steps) -> Vec<Graph> {
    let (_stop, stopped) = watch::channel(false);
    let (runtime, topics) = (Runtime::real(), Topics::default());
    let context = WorkerContext {
        log: Arc::new(Nowhere),
        store: Arc::new(MemoryStore::new()),
        partitions: 1,
        window: WindowSettings::default(),
        fold: FoldSettings::default(),
        steps: steps.clone(),
        group: String::new(),
        member: None,
        admit: None,
        stop: stopped,
        pause: abovefold_engine::Pause::default(),
        troubles: Troubles::none(),
        runtime: runtime.clone(),
        topics: topics.clone(),
    };
    let query = QueryContext {
        runtime,
        namespace: String::new(),
        partitions: 1,
        events_topic: topics.user_events,
        store: context.store.clone(),
        articles: Arc::new(Nowhere),
        ranker: None,
        trees: None,
        learned: None,
        impressions: None,
        past: false,
        settings: QuerySettings::default(),
        experiment: None,
    };
    vec![
        write_path(&context, &NamespaceRecord::default(), None, None).graph().clone(),
        intake_from(&context, Vec::new()).graph().clone(),
        Indexer::graph(),
        LearnerFlow::graph(),
        Query::describe(query),
    ]
}

/// An edge that is only there to be named.
#[derive(Debug)]
struct Nowhere;

impl Nowhere {
    fn refuse<T>() -> Result<T> {
        Err(EngineError::ours("use an edge", "it is only there so that a dataflow can be described"))
    }
}

#[async_trait]
impl Log for Nowhere {
    async fn partitions(&self, _topic: &str) -> Result<Option<u32>> {
        Self::refuse()
    }

    async fn create_topic(&self, _topic: &str, _partitions: u32) -> Result<u32> {
        Self::refuse()
    }

    async fn append(&self, _topic: &str, _records: Vec<NewRecord>) -> Result<Vec<Position>> {
        Self::refuse()
    }

    async fn bounds(&self, _topic: &str) -> Result<Vec<Bounds>> {
        Self::refuse()
    }

    async fn offsets_at(&self, _topic: &str, _time: Timestamp) -> Result<Vec<Offset>> {
        Self::refuse()
    }

    async fn read(&self, _topic: &str, _from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        Self::refuse()
    }

    async fn join(&self, _topic: &str, _membership: Membership) -> Result<Box<dyn LogMember>> {
        Self::refuse()
    }
}

#[async_trait]
impl ArticleIndex for Nowhere {
    async fn apply(&self, _versions: Vec<Article>, _marker: &[Offset]) -> Result<()> {
        Self::refuse()
    }

    async fn marker(&self) -> Result<Vec<Offset>> {
        Self::refuse()
    }

    async fn nearest(&self, _queries: Vec<NearestQuery>) -> Result<Vec<Vec<Hit>>> {
        Self::refuse()
    }

    async fn get(&self, _ids: &[ArticleId]) -> Result<Vec<Option<Arc<Article>>>> {
        Self::refuse()
    }

    async fn newest(&self, _k: usize, _filter: &Filter) -> Result<Vec<Arc<Article>>> {
        Self::refuse()
    }

    async fn count(&self) -> Result<usize> {
        Self::refuse()
    }

    async fn refresh(&self) -> Result<()> {
        Self::refuse()
    }

    async fn check(&self) -> Result<String> {
        Self::refuse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graphs_are_those_of_the_real_dataflows() {
        let none = graphs(&Steps::default());
        let lines: Vec<String> = none.iter().map(Graph::to_text).collect();
        assert_eq!(
            lines,
            [
                "write: user_events -> decode -> window -> key by reader -> embed -> sink",
                "intake: user_events -> look -> window -> intake -> sink",
                "articles: articles -> article index",
                "learner: user_events -> learner -> learned",
                "query: requests -> state -> retrieve -> features -> rerank -> freshness -> fatigue -> stories -> diversity -> sections -> choice -> exploration -> compose -> explain -> answer",
            ]
        );
        let tables: Vec<String> = none.iter().map(Graph::to_table).collect();
        assert!(tables[0].contains("Feed<RecordRun> "), "{}", tables[0]);
        assert!(tables.iter().map(|table| table.lines().count()).sum::<usize>() < 50, "one screen");
        let mut rows = tables.iter().flat_map(|table| table.lines().skip(1));
        assert!(rows.all(|line| line.len() <= 100), "{tables:#?}");
    }
}
