//! The interface's own metrics, and all of the program's as Prometheus reads them.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, header},
};

use super::App;

/// Requests that were answered (counter, labels `route` and `status`).
pub const REQUESTS: &str = "abovefold_http_requests_total";
/// Seconds from a request's head to its answer's (histogram, label `route`).
pub const REQUEST_SECONDS: &str = "abovefold_http_request_seconds";

/// Connections that are open (gauge).
pub const CONNECTIONS: &str = "abovefold_http_connections";

/// Everything that this process counts.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain")))]
pub(super) async fn render(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 2], String) {
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "no-store")], (app.metrics)())
}
