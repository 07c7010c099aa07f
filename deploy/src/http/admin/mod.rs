//! What operators see and do over HTTP, beside `/metrics` and the models: the numbers of the operations page, dead letters, namespaces, the log's last
//! lines, the worker, and the time machine. What the commands do as well is done by their code.

pub(super) mod dead_letters;
mod log;
pub(super) mod machines;
pub(super) mod namespaces;
mod worker;

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use abovefold_engine::Watched;
use axum::{
    Router,
    routing::{delete, get, post},
};
use utoipa::OpenApi;

pub(super) use self::log::log_counts;
use super::{
    App,
    live::{self, Live},
};
use crate::{session::Session, time_machine::TimeMachines};

/// How often time machines that nobody looks at are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// What operators work with.
pub struct Admin {
    /// Configuration and edges, as commands have them.
    pub(super) session: Session,
    /// The dataflows of this process beside the read path; none where it only serves.
    pub(super) watched: Vec<Watched>,
    pub(super) live: Arc<Live>,
    pub(super) machines: TimeMachines,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("watched", &self.watched.len()).finish_non_exhaustive()
    }
}

impl Admin {
    /// Over a process with these dataflows beside its read path.
    pub fn new(session: &Session, watched: Vec<Watched>) -> Self {
        let machines = TimeMachines::new(session);
        Self { session: session.clone(), watched, live: Live::new(), machines }
    }

    /// Whether this process folds.
    pub(super) fn works(&self) -> bool {
        !self.watched.is_empty()
    }
}

/// Starts what works beside the requests, until the interface is gone.
pub fn start(app: &Arc<App>) {
    live::start(app);
    app.runtime.spawn(sweep(Arc::downgrade(app)));
}

async fn sweep(app: Weak<App>) {
    if let Some(app) = app.upgrade() {
        app.admin.machines.clear().await;
    }
    while let Some(app) = app.upgrade() {
        app.admin.machines.sweep();
        let runtime = app.runtime.clone();
        drop(app);
        runtime.sleep(SWEEP_EVERY).await;
    }
}

/// The routes under `/admin/`.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/admin/live", get(live::live))
        .route("/admin/log", get(log::lines))
        .route("/admin/dead-letters", get(dead_letters::list))
        .route("/admin/dead-letters/put-back", post(dead_letters::put_back))
        .route("/admin/dead-letters/{id}", get(dead_letters::show))
        .route("/admin/namespaces", get(namespaces::list))
        .route("/admin/namespaces/{ns}/promote", post(namespaces::promote))
        .route("/admin/worker/pause", post(worker::pause))
        .route("/admin/worker/resume", post(worker::resume))
        .route("/admin/time-machine", get(machines::list).post(machines::start))
        .route("/admin/time-machine/slate", get(machines::slate))
        .route("/admin/time-machine/{id}", delete(machines::remove))
}

/// Their part of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    paths(
        live::live,
        log::lines,
        dead_letters::list,
        dead_letters::show,
        dead_letters::put_back,
        namespaces::list,
        namespaces::promote,
        worker::pause,
        worker::resume,
        machines::list,
        machines::start,
        machines::slate,
        machines::remove
    ),
    components(schemas(live::History, live::Snapshot))
)]
pub(super) struct Document;
