//! The HTTP interface: the newspaper, what it asks of the read path, and what it puts into the log.
//!
//! Every answer that is no success is `application/problem+json` (RFC 9457) and names the field that is to blame. `docs/` lists the
//! endpoints; `/openapi.json` describes them.

mod answers;
mod articles;
mod docs;
mod dress;
mod events;
mod fields;
mod health;
pub mod metrics;
mod models;
mod ops;
mod problem;
mod readers;
mod reading;
mod recommend;
mod site;
#[cfg(test)]
mod tests;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use abovefold_engine::{Graph, Runtime, Troubles, log::Log, state::StateStore};
use abovefold_operators::articles::ArticleIndex;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::from_fn,
    routing::{get, post},
    serve::ListenerExt,
};
use tokio::{net::TcpListener, sync::oneshot};
use tower_http::compression::CompressionLayer;

pub use reading::{Reading, Seen};

use crate::models::Models;

/// The greatest body that is taken, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long requests in flight may take once the program was asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// The metrics as Prometheus reads them.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What the interface stands on.
pub struct App {
    /// The clock.
    pub runtime: Runtime,
    /// What readers see: the read path of a namespace.
    pub reading: Arc<Reading>,
    /// The models of this process, which change while it serves.
    pub models: Arc<Models>,
    /// Partitions of the events' topic.
    pub partitions: u32,
    /// Where events go.
    pub events_topic: String,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// The article edge.
    pub articles: Arc<dyn ArticleIndex>,
    /// Partitions of this process that stand still.
    pub troubles: Troubles,
    /// Renders the metrics.
    pub metrics: MetricsText,
    /// The dataflows of this process beside the read path, for the operations page.
    pub graphs: Vec<Graph>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("reading", &self.reading).finish_non_exhaustive()
    }
}

impl App {
    /// What a request that begins now sees, to its end.
    fn seen(&self) -> Arc<Seen> {
        self.reading.seen()
    }
}

/// The routes of the contract and the site.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/event", post(events::post_event))
        .route("/recommend", post(recommend::post_recommend))
        .route("/demo/{user_id}", get(readers::demo))
        // A reader may be called `active`, too.
        .route("/users/active", get(readers::active).delete(events::forget_active))
        .route("/users/{user_id}", axum::routing::delete(events::forget))
        .route("/users/{user_id}/preferences", post(events::post_preferences))
        .route("/articles", get(articles::list))
        .route("/articles/{article_id}", get(articles::article))
        .route("/articles/{article_id}/related", get(recommend::related))
        .route("/metrics", get(metrics::render))
        .route("/admin/models", get(models::list))
        .route("/admin/models/{name}/promote", post(models::promote))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/ops", get(ops::page))
        .route(docs::STYLE_PATH, get(docs::style))
        .with_state(app)
        .fallback(site::serve)
        .layer(from_fn(dress::dress))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CompressionLayer::new())
}

/// Serves until `shutdown`, then until the requests in flight are answered, at most ten seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Answers are small and waited for: a packet should not wait for the next one.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let (asked, asked_to_stop) = oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        asked.send(()).ok();
    });
    let patience = async {
        // An error means that the server ended without having been asked, and then this branch loses.
        asked_to_stop.await.ok();
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    tokio::select! {
        biased;
        ended = server.into_future() => ended,
        () = patience => Ok(()),
    }
}

/// The interface as an OpenAPI document, for `abovefold openapi` and the types of the site.
pub fn openapi_json() -> String {
    format!("{:#}", docs::document())
}
