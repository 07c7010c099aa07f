//! The write path of a process: dataflows that run beside each other until they are told to stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use abovefold_engine::{Admit, Dataflow, EngineError, Pause, Result as EngineResult, Task, Watched};
use abovefold_models::Inference;
use abovefold_operators::{
    fold::SessionModel,
    indexer::Indexer,
    learning::LearnerFlow,
    pipeline::{WorkerContext, intake, write_path},
};
use abovefold_schemas::{Offset, records::NamespaceRecord};
use anyhow::Context;

use crate::{edges::Edges, namespaces::Namespaces, session::Session};

/// Records of an epoch of a replay into the embedded store, without a model: a value is written once for many records.
const REPLAY_RECORDS: usize = 32_768;
/// The same with a model, whose hidden states make a reader's value many times larger: some 30 MB an epoch.
const REPLAY_RECORDS_WITH_MODEL: usize = 4_096;

/// Records of an epoch of a backlog into Redis without a model: who reads or is read often is written once for many reads. Redis is held by
/// one for some 30 ms.
const REDIS_BACKLOG_RECORDS_WITHOUT_MODEL: usize = 16_384;

/// Dataflows that run.
#[derive(Debug)]
pub struct Worker {
    /// Becomes true when the worker finds its namespace dropped.
    dropped: Arc<AtomicBool>,
    flows: Vec<Task<EngineResult<()>>>,
    /// What they are made of, with their counters.
    pub watched: Vec<Watched>,
}

/// What the dataflows of this session share.
fn context(session: &Session, namespace: &NamespaceRecord, dropped: &Arc<AtomicBool>) -> WorkerContext {
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
        admit: Some(admit(&session.edges, namespace, dropped)),
        stop: session.stop.clone(),
        pause: session.pause.clone(),
        troubles: session.troubles.clone(),
        runtime: session.background.clone(),
    }
}

/// Lets a partition get its first marker, or go on from one that this worker did not write, only while the topic `namespaces` has the namespace as it was when the worker began.
fn admit(edges: &Edges, namespace: &NamespaceRecord, dropped: &Arc<AtomicBool>) -> Admit {
    let (edges, dropped) = (edges.clone(), dropped.clone());
    let (name, created) = (namespace.name.clone(), namespace.created);
    Admit::new(move |tag| {
        let (edges, dropped, name) = (edges.clone(), dropped.clone(), name.clone());
        async move {
            let namespaces = Namespaces::read(&edges).await.map_err(|error| match error.downcast() {
                Ok(error) => error,
                Err(error) => EngineError::outside(format!("look up the namespace of {tag}"), error),
            })?;
            if namespaces.records.get(&name).is_some_and(|record| record.created == created) {
                return Ok(());
            }
            dropped.store(true, Ordering::Relaxed);
            Err(EngineError::user(
                format!("fold {tag}"),
                format!(
                    "the namespace {name} was dropped, and this worker of it ends; `abovefold namespace list` shows what is there"
                ),
            ))
        }
    })
}

fn learner(session: &Session, context: &WorkerContext) -> LearnerFlow {
    LearnerFlow {
        log: context.log.clone(),
        topics: context.topics.clone(),
        partitions: context.partitions,
        steps: context.steps.clone(),
        group: context.group.clone(),
        member: context.member.clone(),
        settings: session.config.learner.clone(),
        stop: context.stop.clone(),
        runtime: context.runtime.clone(),
    }
}

fn session_model(inference: Option<Inference>) -> Option<Arc<dyn SessionModel>> {
    inference.map(|inference| Arc::new(inference) as Arc<dyn SessionModel>)
}

impl Worker {
    /// Starts the write path of a namespace, the intake, the indexer, and the learner where it is enabled.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn start(
        session: &Session,
        namespace: &NamespaceRecord,
        inference: Option<Inference>,
    ) -> anyhow::Result<Self> {
        let dropped = Arc::default();
        let mut context = context(session, namespace, &dropped);
        let unset = session.config.window.backlog_records == 0;
        if unset && !session.config.embeds_state() && inference.is_none() {
            context.window.backlog_records = REDIS_BACKLOG_RECORDS_WITHOUT_MODEL;
        }
        let mut worker = Self { dropped, flows: Vec::new(), watched: Vec::new() };
        worker.add(session, write_path(&context, namespace, session_model(inference), None));
        worker.add(session, intake(&context).await?);
        let indexer = Indexer {
            log: session.edges.log.clone(),
            topic: session.edges.topics.articles.clone(),
            index: session.edges.articles.clone(),
            stop: session.stop.clone(),
            runtime: session.background.clone(),
        };
        worker.watched.push(Watched::bare(Indexer::graph()));
        worker.flows.push(session.background.spawn(indexer.run()));
        if session.config.learner.enabled {
            worker.watched.push(Watched::bare(LearnerFlow::graph()));
            let learner = learner(session, &context);
            worker.flows.push(session.background.spawn(async move {
                // Readers' state does not depend on it: everything else goes on.
                if let Err(error) = learner.run().await {
                    tracing::error!(%error, "this process learns no more from what readers read");
                }
                Ok(())
            }));
        }
        Ok(worker)
    }

    /// Starts only the write path, up to `until`.
    pub fn replay(
        session: &Session,
        namespace: &NamespaceRecord,
        inference: Option<Inference>,
        until: Option<Vec<Offset>>,
    ) -> Self {
        let dropped = Arc::default();
        let mut context = context(session, namespace, &dropped);
        // It is the worker of the namespace that readers see who rests.
        context.pause = Pause::default();
        // A replay has nobody to wait for: an epoch is cut as soon as the one before is written.
        context.window.length = std::time::Duration::ZERO;
        // Every epoch of it has a backlog behind it: there is one size.
        context.window.backlog_records = 0;
        context.window.max_records = match session.config.window.replay_records {
            0 if !session.config.embeds_state() && inference.is_none() => REDIS_BACKLOG_RECORDS_WITHOUT_MODEL,
            0 if !session.config.embeds_state() => context.window.max_records,
            0 if inference.is_some() => REPLAY_RECORDS_WITH_MODEL,
            0 => REPLAY_RECORDS,
            records => records,
        };
        let mut worker = Self { dropped, flows: Vec::new(), watched: Vec::new() };
        worker.add(session, write_path(&context, namespace, session_model(inference), until));
        worker
    }

    fn add(&mut self, session: &Session, flow: Dataflow) {
        self.watched.push(flow.watched());
        self.flows.push(session.background.spawn(flow.finish()));
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

    /// As [`Worker::finish`], for a process that readers see another namespace of by now: that the worker's own was dropped is said in one line,
    /// and everything else goes on.
    ///
    /// # Errors
    /// The first other failure.
    pub async fn finish_beside_readers(self) -> anyhow::Result<()> {
        let dropped = self.dropped;
        // The write path is the first; it alone belongs to a namespace.
        let flows = self.flows.into_iter().enumerate().map(|(place, flow)| {
            let dropped = dropped.clone();
            async move {
                match flow.await.context("run a dataflow")? {
                    Err(error) if place == 0 && dropped.load(Ordering::Relaxed) => {
                        tracing::warn!("{error}");
                        Ok(())
                    }
                    ended => ended.map_err(anyhow::Error::from),
                }
            }
        });
        futures::future::try_join_all(flows).await?;
        Ok(())
    }
}
