//! `process`, `serve`, `run`: the write path, the read path, both.

use std::{sync::Arc, time::Duration};

use abovefold_engine::Graph;
use abovefold_models::Inference;
use abovefold_operators::query::{Impressions, Query, QueryContext, Ranker};
use abovefold_schemas::records::NamespaceRecord;
use anyhow::Context;
use tokio::net::TcpListener;

use crate::{
    edges::reached,
    http::{self, App},
    namespaces, owner,
    session::Session,
    telemetry,
    worker::Worker,
};

/// The write path alone.
pub async fn process(session: Session) -> anyhow::Result<()> {
    telemetry::start_metrics()?;
    let (namespace, inference) = prepare(&session).await?;
    let _owner = own(&session).await?;
    namespaces::check_worker(&namespace, inference.as_ref().map(Inference::facts), &session.config.steps())?;
    session.output.line(format!("processing namespace {} of {}", namespace.name, session.config.log_url()));
    Worker::start(&session, &namespace, inference).await?.finish().await
}

/// The read path and the site alone.
pub async fn serve(session: Session) -> anyhow::Result<()> {
    // A port in use shows before a namespace is made.
    let listener = bind(&session).await?;
    let (namespace, inference) = prepare(&session).await?;
    listen_on(&session, listener, &namespace, inference, Vec::new()).await
}

/// Write path and read path in one process.
pub async fn run(session: Session) -> anyhow::Result<()> {
    // A port in use shows before a namespace is made.
    let listener = bind(&session).await?;
    let (namespace, inference) = prepare(&session).await?;
    namespaces::check_worker(&namespace, inference.as_ref().map(Inference::facts), &session.config.steps())?;
    let _owner = own(&session).await?;
    let worker = Worker::start(&session, &namespace, inference.clone()).await?;
    let graphs = worker.graphs.clone();
    let reading = listen_on(&session, listener, &namespace, inference, graphs);
    tokio::try_join!(reading, worker.finish())?;
    Ok(())
}

/// The namespace and the model of this process.
pub async fn prepare(session: &Session) -> anyhow::Result<(NamespaceRecord, Option<Inference>)> {
    // A wrong address shows now; an article edge that goes away later has its fallbacks.
    reached(session.edges.articles.check().await)?;
    let inference = session.model()?.map(|(_, inference)| inference);
    if inference.is_none() {
        tracing::warn!(
            "there is no model: reads are folded without an embedding, and trending articles are served; see `abovefold train`"
        );
    }
    let facts = inference.as_ref().map(Inference::facts);
    let steps = session.config.steps();
    let namespace =
        namespaces::resolve(&session.edges, &session.runtime, &session.config.namespace, facts, &steps)
            .await?;
    Ok((namespace, inference))
}

/// Answers for the embedded home, where there is one.
pub async fn own(session: &Session) -> anyhow::Result<Option<owner::OwnerGuard>> {
    if session.config.is_embedded() { owner::announce(session).await.map(Some) } else { Ok(None) }
}

/// Takes the port.
pub async fn bind(session: &Session) -> anyhow::Result<TcpListener> {
    let address = &session.config.http.listen;
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}: choose another one by --listen, or stop what uses it"))
}

/// The read path of a namespace, as a handle.
pub fn query(session: &Session, namespace: &NamespaceRecord, inference: Option<Inference>) -> Query {
    Query::start(QueryContext {
        runtime: session.runtime.clone(),
        namespace: namespace.name.clone(),
        partitions: session.edges.partitions,
        events_topic: session.edges.topics.user_events.clone(),
        store: session.edges.store.clone(),
        articles: session.edges.articles.clone(),
        ranker: inference.map(|inference| Arc::new(inference) as Arc<dyn Ranker>),
        impressions: Some(Impressions {
            log: session.edges.log.clone(),
            topic: session.edges.topics.impressions.clone(),
        }),
        settings: session.config.query.clone(),
    })
}

/// Serves until the process is told to stop.
pub async fn listen_on(
    session: &Session,
    listener: TcpListener,
    namespace: &NamespaceRecord,
    inference: Option<Inference>,
    graphs: Vec<Graph>,
) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    let model = inference.as_ref().map(|inference| inference.facts().clone());
    let query = query(session, namespace, inference);
    query.refresh().await;
    let rendered = metrics.clone();
    let app = App {
        runtime: session.runtime.clone(),
        namespace: namespace.name.clone(),
        partitions: session.edges.partitions,
        events_topic: session.edges.topics.user_events.clone(),
        query,
        log: session.edges.log.clone(),
        store: session.edges.store.clone(),
        articles: session.edges.articles.clone(),
        model,
        metrics: Arc::new(move || rendered.render()),
        graphs,
    };
    session.output.line(format!("The Daily Chronicle is at http://{}/", listener.local_addr()?));
    let upkeep = session.runtime.clone();
    let upkeep = session.runtime.spawn(async move {
        loop {
            upkeep.sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    let mut stop = session.stop.clone();
    let shutdown = async move {
        // A closed channel is a stop as well.
        stop.wait_for(|stop| *stop).await.ok();
    };
    let served = http::serve(listener, http::router(Arc::new(app)), shutdown).await.context("serve HTTP");
    upkeep.abort();
    served
}
