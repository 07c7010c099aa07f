//! Whether this program can serve, edge by edge.

use std::{future::Future, sync::Arc, time::Duration};

use abovefold_engine::Result;
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, Seen};

/// How long an edge may take to show that it is there.
const LIMIT: Duration = Duration::from_secs(2);

/// How an edge is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct EdgeHealth {
    /// `ok` or `down`.
    pub(super) status: &'static str,
    /// In words.
    pub(super) detail: String,
}

/// The three edges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Edges {
    pub(super) log: EdgeHealth,
    pub(super) state: EdgeHealth,
    pub(super) articles: EdgeHealth,
}

/// The model in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ModelHealth {
    /// From its card.
    version: String,
    /// `f32` or `bf16`.
    precision: String,
    /// `cpu` or `cuda`.
    device: String,
    /// The hash of its weights.
    digest: String,
}

/// How this program is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`; `degraded` where an edge is down and a fallback serves, no model is there, or readers do not see what they should; `down`.
    pub(super) status: &'static str,
    pub(super) edges: Edges,
    /// Null where there is none.
    pub(super) model: Option<ModelHealth>,
    /// The namespace that readers see.
    namespace: String,
    /// Why readers do not see the namespace that `live` points to, or which partitions stand still and why; null where all is well.
    reason: Option<String>,
}

/// Whether it can serve: 503 where it cannot.
#[utoipa::path(get, path = "/health", tag = "operations", responses(
    (status = 200, description = "It serves", body = Health), (status = 503, description = "It cannot serve", body = Health)))]
pub(super) async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let (seen, reason) = (app.seen(), app.reading.trouble().or_else(|| stopped(&app)));
    let (edges, model) = (edges(&app).await, model(&seen));
    let well = |edge: &EdgeHealth| edge.status == "ok";
    // Without the article edge, only what is in memory can be served.
    let serves = well(&edges.articles) || seen.query.articles_in_memory() > 0;
    let edges_well = well(&edges.log) && well(&edges.state) && well(&edges.articles);
    let all_well = edges_well && model.is_some() && reason.is_none();
    let (code, status) = match (serves, all_well) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "down"),
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
    };
    (code, Json(Health { status, edges, model, namespace: seen.namespace.clone(), reason }))
}

/// The partitions that stand still, in one line.
fn stopped(app: &App) -> Option<String> {
    let stopped = app.troubles.list();
    let lines = stopped
        .iter()
        .map(|(dataflow, partition, why)| format!("{dataflow} stopped partition {partition}: {why}"));
    (!stopped.is_empty()).then(|| lines.collect::<Vec<_>>().join("; "))
}

/// Asks all edges at once.
pub(super) async fn edges(app: &App) -> Edges {
    let log = async {
        let bounds = app.log.bounds(&app.events_topic).await?;
        let records: u64 = bounds.iter().map(|bounds| bounds.end.0 - bounds.begin.0).sum();
        Ok(format!("{records} events in {} partitions", bounds.len()))
    };
    let (log, state, articles) =
        tokio::join!(ask(app, log), ask(app, app.store.check()), ask(app, app.articles.check()));
    Edges { log, state, articles }
}

/// The model in force.
pub(super) fn model(seen: &Seen) -> Option<ModelHealth> {
    seen.model.as_ref().map(|facts| ModelHealth {
        version: facts.version.clone(),
        precision: facts.precision.to_string(),
        device: facts.device_class.clone(),
        digest: facts.digest.clone(),
    })
}

async fn ask(app: &App, question: impl Future<Output = Result<String>>) -> EdgeHealth {
    match app.runtime.timeout(LIMIT, question).await {
        Some(Ok(detail)) => EdgeHealth { status: "ok", detail },
        Some(Err(error)) => EdgeHealth { status: "down", detail: error.to_string() },
        None => EdgeHealth { status: "down", detail: format!("no answer within {} s", LIMIT.as_secs()) },
    }
}
