//! Whether this program can serve, edge by edge.

use std::{future::Future, sync::Arc, time::Duration};

use abovefold_engine::Result;
use abovefold_operators::query::Fallback;
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, Seen};

/// How long an edge may take to show that it is there.
const LIMIT: Duration = Duration::from_secs(2);
/// What keeps a worker that rests from folding.
const RESTS: &str = "the worker of this process rests until POST /admin/worker/resume";

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
    /// Why it is not another one that serves; absent where it is the one that should.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Something that failed, and what serves in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct InItsPlace {
    /// `state`, `articles`, `ranker`, `gpu`, or `model` where it is not the one that should serve.
    failed: String,
    /// The path of answers (`served_by`), in words where it is more than that.
    serves: String,
}

impl InItsPlace {
    fn new(failed: &str, serves: &str) -> Self {
        Self { failed: failed.into(), serves: serves.into() }
    }
}

impl From<Fallback> for InItsPlace {
    fn from(Fallback { failed, serves }: Fallback) -> Self {
        Self::new(failed, serves)
    }
}

/// How this program is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`; `degraded` where an edge is down and a fallback serves, no model is there or not the one that should be, or readers do not see
    /// what they should; `down`.
    pub(super) status: &'static str,
    pub(super) edges: Edges,
    /// Null where there is none.
    pub(super) model: Option<ModelHealth>,
    /// The namespace that readers see.
    namespace: String,
    /// Why readers do not see the namespace that `live` points to, which partitions stand still and why, or why another model should serve; null
    /// where all is well.
    reason: Option<String>,
    /// Whether the worker of this process rests because an operator wants it to (`POST /admin/worker/pause`).
    paused: bool,
    /// What serves in the place of what failed; empty where all is well.
    fallbacks: Vec<InItsPlace>,
}

/// Whether it can serve: 503 where it cannot.
#[utoipa::path(get, path = "/health", tag = "operations", responses(
    (status = 200, description = "It serves", body = Health), (status = 503, description = "It cannot serve", body = Health)))]
pub(super) async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let (seen, error) = (app.seen(), app.models.shown().trouble);
    let (reason, paused) = (reason(&app), app.admin.session.pause.is_set());
    let edges = edges(&app).await;
    let fallbacks = fallbacks(&seen, &edges, error.as_deref());
    let model = model(&seen).map(|model| ModelHealth { error, ..model });
    let well = |edge: &EdgeHealth| edge.status == "ok";
    // Without the article edge, only what is in memory can be served.
    let serves = well(&edges.articles) || seen.query.articles_in_memory() > 0;
    let edges_well = well(&edges.log) && well(&edges.state) && well(&edges.articles);
    let all_well = edges_well && model.is_some() && reason.is_none() && fallbacks.is_empty();
    let (code, status) = match (serves, all_well) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "down"),
        (true, true) => (StatusCode::OK, "ok"),
        (true, false) => (StatusCode::OK, "degraded"),
    };
    (
        code,
        Json(Health { status, edges, model, namespace: seen.namespace.clone(), reason, paused, fallbacks }),
    )
}

/// What serves in the place of what failed: as the read path found it at its last calls, and as the edges are now.
pub(super) fn fallbacks(seen: &Seen, edges: &Edges, error: Option<&str>) -> Vec<InItsPlace> {
    let mut found = seen.query.fallbacks();
    for (edge, fallback) in [(&edges.state, Fallback::STATE), (&edges.articles, Fallback::ARTICLES)] {
        if edge.status != "ok" && !found.contains(&fallback) {
            found.push(fallback);
        }
    }
    let last_good = error.zip(seen.model.as_ref());
    let last_good = last_good
        .map(|(_, model)| InItsPlace::new("model", &format!("the last good one, {}", model.version)));
    found.into_iter().map(InItsPlace::from).chain(last_good).collect()
}

/// Why readers do not see what they should, what stands still, or why another model should serve; `None` where all is well.
pub(super) fn reason(app: &App) -> Option<String> {
    let rests = || app.admin.session.pause.is_set().then(|| RESTS.to_owned());
    let trouble = app.reading.trouble().or_else(|| stopped(app)).or_else(rests);
    trouble.or_else(|| app.models.shown().trouble)
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
        error: None,
    })
}

async fn ask(app: &App, question: impl Future<Output = Result<String>>) -> EdgeHealth {
    match app.runtime.timeout(LIMIT, question).await {
        Some(Ok(detail)) => EdgeHealth { status: "ok", detail },
        Some(Err(error)) => EdgeHealth { status: "down", detail: error.to_string() },
        None => EdgeHealth { status: "down", detail: format!("no answer within {} s", LIMIT.as_secs()) },
    }
}
