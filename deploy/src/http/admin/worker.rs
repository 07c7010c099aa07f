//! The worker of this process: it rests, or goes on.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{App, problem::Problem};

/// Whether the worker rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct WorkerState {
    paused: bool,
}

/// Lets the worker take nothing more from the log. It stays in its group, finishes what it has begun, and goes on after `POST /admin/worker/resume` or a restart.
#[utoipa::path(post, path = "/admin/worker/pause", operation_id = "pause_worker", tag = "operations", responses(
    (status = 200, description = "It rests", body = WorkerState),
    (status = 409, description = "This process has no worker", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn pause(State(app): State<Arc<App>>) -> Result<Json<WorkerState>, Problem> {
    set(&app, true)
}

/// Lets the worker go on.
#[utoipa::path(post, path = "/admin/worker/resume", operation_id = "resume_worker", tag = "operations", responses(
    (status = 200, description = "It goes on", body = WorkerState),
    (status = 409, description = "This process has no worker", body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn resume(State(app): State<Arc<App>>) -> Result<Json<WorkerState>, Problem> {
    set(&app, false)
}

fn set(app: &App, paused: bool) -> Result<Json<WorkerState>, Problem> {
    if !app.admin.works() {
        let detail = "this process serves and folds nothing; ask the one that runs `abovefold process` or `abovefold run`";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    app.admin.session.pause.set(paused);
    Ok(Json(WorkerState { paused }))
}
