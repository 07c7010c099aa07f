//! The HTTP interface: the newspaper, what it asks of the read path, and what it puts into the log.
//!
//! Every answer that is no success is `application/problem+json` (RFC 9457) and names the field that is to blame. `docs/` lists the
//! endpoints; `/openapi.json` describes them.
//!
//! A request passes, in this order: [`transport`] (connections, and how long they may take), [`dress`] (security headers, the form of
//! errors, metrics), [`guard`] (who asks, whether it may, and how often), and its route, which reads a bounded body and passes on the
//! client's [`deadline`].

mod admin;
mod answers;
mod articles;
mod deadline;
mod docs;
mod dress;
mod events;
mod fields;
mod guard;
mod guarded;
mod health;
mod keys;
mod limits;
mod live;
pub mod metrics;
mod models;
mod ops;
mod origin;
mod portraits;
mod printed;
mod problem;
mod readers;
mod reading;
mod recommend;
mod session;
mod sessions;
mod shapes;
mod site;
mod stored;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod unique;

use std::{fmt, sync::Arc, time::Duration};

use abovefold_engine::{Runtime, Troubles, log::Log, state::StateStore};
use abovefold_operators::articles::ArticleIndex;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower_http::compression::CompressionLayer;

pub use admin::{Admin, start};
pub use guard::Guard;
pub use keys::Keys;
pub use reading::{Reading, Seen};
pub use transport::{Transport, serve};

use crate::models::Models;

/// The greatest body that is taken, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

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
    /// What operators work with.
    pub admin: Admin,
    /// Who may ask, and how much.
    pub guard: Arc<Guard>,
    /// How long the body of a request may take.
    pub body_time: Duration,
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
    let guard = app.guard.clone();
    let cors = guard.cors();
    let router = Router::new()
        .route("/health", get(health::health))
        .route("/event", post(events::post_event))
        .route("/recommend", post(recommend::post_recommend))
        .route("/demo/{user_id}", get(readers::demo))
        // A reader may be called `active`, too.
        .route("/users/active", get(readers::active).delete(events::forget_active))
        .route("/users/{user_id}", axum::routing::delete(events::forget))
        .route("/users/{user_id}/preferences", post(events::post_preferences))
        .route("/users/{user_id}/events", get(stored::events))
        .route(session::PATH, get(session::show).post(session::sign_in).delete(session::sign_out))
        .route("/readers/demo", get(portraits::demo_readers))
        .route("/articles", get(articles::list))
        .route("/articles/sections", get(articles::sections))
        .route("/articles/{article_id}", get(articles::article))
        .route("/articles/{article_id}/related", get(recommend::related))
        .route("/metrics", get(metrics::render))
        .route("/admin/models", get(models::list_models))
        .route("/admin/models/{name}/promote", post(models::promote))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/ops", get(ops::frame))
        .route("/ops/plain", get(ops::page))
        .merge(admin::routes())
        .route(docs::STYLE_PATH, get(docs::style))
        .merge(printed::routes())
        .with_state(app)
        .fallback(site::serve)
        .layer(from_fn_with_state(guard, guard::admit))
        .layer(from_fn(dress::dress))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CompressionLayer::new());
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// The interface as an OpenAPI document, for `abovefold openapi` and the types of the site.
pub fn openapi_json() -> String {
    format!("{:#}", docs::document())
}
