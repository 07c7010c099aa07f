//! What every answer gets: security headers, the one form of errors, and its place in the metrics.

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{
    metrics,
    problem::{PROBLEM_JSON, Problem},
};

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const SECURITY: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The words of a rejection that are passed on, in bytes.
const REASON_BYTES: usize = 1_024;

/// Dresses the answer of any route.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("site", MatchedPath::as_str).to_string();
    let method = request.method().clone();
    let mut response = as_problem(next.run(request).await, &method).await;
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if !response.headers().contains_key(header::CACHE_CONTROL) {
        // What a reader sees changes with every read.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let status = response.status().as_u16().to_string();
    ::metrics::counter!(metrics::REQUESTS, "route" => route.clone(), "status" => status).increment(1);
    ::metrics::histogram!(metrics::REQUEST_SECONDS, "route" => route).record(began.elapsed());
    response
}

/// Brings rejections that are not ours (axum's own) into the one form.
async fn as_problem(response: Response, method: &Method) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let kind =
        response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let plain = kind.is_empty() || kind.starts_with("text/plain");
    if !plain || kind == PROBLEM_JSON {
        return response;
    }
    let reason = to_bytes(response.into_body(), REASON_BYTES).await.unwrap_or_default();
    let reason = String::from_utf8_lossy(&reason).trim().to_string();
    let detail = match (status, reason.is_empty()) {
        // axum adds the header after this.
        (StatusCode::METHOD_NOT_ALLOWED, _) => {
            format!("{method} is not answered here; the header Allow says what is")
        }
        (_, true) => "the request was refused".to_string(),
        (_, false) => reason,
    };
    let mut response = Problem::new(status, detail).into_response();
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}
