//! The write path of a process: dataflows that run beside each other until they are told to stop.

use std::sync::Arc;

use abovefold_engine::{Dataflow, Graph, Result as EngineResult, Task};
use abovefold_models::Inference;
use abovefold_operators::{
    indexer::Indexer,
    fold::SessionModel,
    pipeline::{WorkerContext, intake, write_path},
};
use abovefold_schemas::{Offset, records::NamespaceRecord};
use anyhow::Context;


use crate::session::Session;

/// Dataflows that run.
#[derive(Debug)]
pub struct Worker {
    flows: Vec<Task<EngineResult<()>>>,
    /// What they are made of.
    pub graphs: Vec<Graph>,
}

/// What the dataflows of this session share.
pub fn context(session: &Session) -> WorkerContext {
    let config = &session.config;
    WorkerContext {
        log: session.edges.log.clone(),
        store: session.edges.store.clone(),
        topics: session.edges.topics.clone(),
        partitions: session.edges.partitions,
        window: config.window(),
        fold: config.fold(),
        steps: config.steps(),
        group: config.group.clone(),
        member: Some(config.member.clone()).filter(|member| !member.is_empty()),
        stop: session.stop.clone(),
        troubles: session.troubles.clone(),
        runtime: session.runtime.clone(),
    }
}

fn session_model(inference: Option<Inference>) -> Option<Arc<dyn SessionModel>> {
    inference.map(|inference| Arc::new(inference) as Arc<dyn SessionModel>)
}

impl Worker {
    /// Starts the write path of a namespace, the intake and the indexer.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn start(
        session: &Session,
        namespace: &NamespaceRecord,
        inference: Option<Inference>,
    ) -> anyhow::Result<Self> {
        let context = context(session);
        let mut worker = Self { flows: Vec::new(), graphs: Vec::new() };
        worker.add(session, write_path(&context, namespace, session_model(inference), None));
        worker.add(session, intake(&context).await?);
        let indexer = Indexer {
            log: session.edges.log.clone(),
            topic: session.edges.topics.articles.clone(),
            index: session.edges.articles.clone(),
            stop: session.stop.clone(),
            runtime: session.runtime.clone(),
        };
        worker.graphs.push(Indexer::graph());
        worker.flows.push(session.runtime.spawn(indexer.run()));
        Ok(worker)
    }

    /// Starts only the write path, up to `until`.
    pub fn replay(
        session: &Session,
        namespace: &NamespaceRecord,
        inference: Option<Inference>,
        until: Option<Vec<Offset>>,
    ) -> Self {
        let mut context = context(session);
        // A replay has nobody to wait for: an epoch is cut as soon as the one before is written.
        context.window.length = std::time::Duration::ZERO;
        let mut worker = Self { flows: Vec::new(), graphs: Vec::new() };
        worker.add(session, write_path(&context, namespace, session_model(inference), until));
        worker
    }

    fn add(&mut self, session: &Session, flow: Dataflow) {
        self.graphs.push(flow.graph().clone());
        self.flows.push(session.runtime.spawn(flow.finish()));
    }

    /// Waits until all have ended, or one has failed.
    ///
    /// # Errors
    /// The first failure.
    pub async fn finish(self) -> anyhow::Result<()> {
        let flows = self
            .flows
            .into_iter()
            .map(|flow| async move { flow.await.context("run a dataflow")?.map_err(anyhow::Error::from) });
        futures::future::try_join_all(flows).await?;
        Ok(())
    }
}
