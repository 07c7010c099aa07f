//! Who is signed in: the endpoint behind the newspaper's own sign-in.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    fields::{Body, Fields},
    keys::Caller,
    origin,
    problem::Problem,
    sessions::SignedIn,
};

/// Its path.
pub(super) const PATH: &str = "/session";

/// Who is signed in, and what one may do without a key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// Null where nobody is.
    #[schema(required = true)]
    user_id: Option<String>,
    /// When the session ends, in RFC 3339; null where nobody is signed in.
    #[schema(required = true)]
    expires: Option<String>,
    /// Whether no keys are configured, so that anybody may take any name.
    open: bool,
    /// Whether `GET /readers/demo` shows readers to try.
    demo_readers: bool,
}

/// Who signs in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `sign_in` reads, for the OpenAPI document")]
pub(super) struct SignIn {
    /// At most 128 bytes; a number is taken as its text.
    user_id: String,
}

impl Session {
    fn of(app: &App, signed_in: Option<SignedIn>) -> Self {
        let (reader, expires) = signed_in.map(|session| (session.reader, session.expires)).unzip();
        Self {
            user_id: reader.map(|reader| reader.as_str().into()),
            expires: expires.map(|expires| expires.to_rfc3339()),
            open: app.guard.is_open(),
            demo_readers: app.guard.shows_demo_readers(),
        }
    }
}

/// Who is signed in, by the cookie of `POST /session`.
#[utoipa::path(get, path = "/session", tag = "reading",
    responses((status = 200, description = "The reader, or null", body = Session)))]
pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Json<Session> {
    let signed_in = app.guard.sessions().of(&headers, app.runtime.now());
    Json(Session::of(&app, signed_in))
}

/// Signs a reader in by a cookie that no script can read. Where keys are configured, it takes a key or the reader's token.
#[utoipa::path(post, path = "/session", tag = "reading", request_body = SignIn, responses(
    (status = 200, description = "The reader is signed in", body = Session,
        headers(("Set-Cookie" = String, description = "The session: HttpOnly, SameSite=Strict"))),
    (status = 400, description = "No JSON object", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "The token is of another reader, or a page of another origin asks", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is missing, mistyped or out of its range", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<impl IntoResponse, Problem> {
    origin::check_not_elsewhere(&headers)?;
    let reader = Fields::parse(&body)?.reader("user_id")?;
    caller.may_act_for(&reader)?;
    let (signed_in, cookie) = app.guard.sessions().begin(reader, app.runtime.now());
    let answer = Json(Session::of(&app, Some(signed_in)));
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), answer))
}

/// Signs out. The cookie is removed, also where it was none of ours.
#[utoipa::path(delete, path = "/session", tag = "reading", responses(
    (status = 204, description = "Nobody is signed in any more"),
    (status = 403, description = "A page of another origin asks", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    origin::check_not_elsewhere(&headers)?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, app.guard.sessions().end())])))
}
