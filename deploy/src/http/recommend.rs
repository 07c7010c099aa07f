//! Slates: the front page's and those of related stories.

use std::sync::Arc;

use abovefold_operators::query::Request;
use axum::{
    Json,
    extract::{Path, Query, State},
};
use utoipa::ToSchema;

use super::{
    App,
    answers::Slate,
    deadline::Deadline,
    fields::{self, Body, Fields, Parameters},
    keys::Caller,
    problem::Problem,
};

/// The most articles of a slate.
const MAX_K: usize = 100;
/// The most articles that a request leaves out.
const MAX_EXCLUDED: usize = 1_000;
/// The most sections that a request names, and the longest of their names in bytes.
pub(super) const MAX_CATEGORIES: (usize, usize) = (20, 128);
/// Related stories at the foot of an article, unless told otherwise.
const RELATED: usize = 3;

/// What is asked for. Only `user_id` is required.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads, for the OpenAPI document")]
pub(super) struct RecommendRequest {
    /// At most 128 bytes; a number is taken as its text.
    user_id: String,
    /// How many.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    k: Option<u32>,
    /// The token of an event that should be counted in.
    after: Option<String>,
    /// The page that the slate is for, as for related stories.
    article_id: Option<i64>,
    /// At most 1,000 articles to leave out.
    exclude: Option<Vec<i64>>,
    /// Only articles of these sections, at most 20.
    categories: Option<Vec<String>>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    #[schema(minimum = 0, maximum = 4)]
    device_type: Option<u8>,
    /// Say of each article why it is there.
    explain: Option<bool>,
}

/// The best articles for a reader, now.
#[utoipa::path(post, path = "/recommend", tag = "reading", request_body = RecommendRequest, responses(
    (status = 200, description = "Best first", body = Slate),
    (status = 400, description = "No JSON object", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is missing, mistyped or out of its range", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Nothing to serve from", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn post_recommend(
    State(app): State<Arc<App>>,
    caller: Caller,
    Deadline(deadline): Deadline,
    Body(body): Body,
) -> Result<Json<Slate>, Problem> {
    answer(&app, &caller, Request { deadline, ..read(&body)? }).await
}

/// Stories near to an article, for a reader.
#[utoipa::path(get, path = "/articles/{article_id}/related", tag = "reading",
    params(("article_id" = i64, Path, description = "The page"), ("user_id" = String, Query, description = "The reader"),
        ("k" = Option<u32>, Query, description = "How many; 3 unless told otherwise"),
        ("after" = Option<String>, Query, description = "The token of an event that should be counted in")),
    responses((status = 200, description = "Best first", body = Slate),
        (status = 422, description = "A parameter is missing or wrong", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn related(
    State(app): State<Arc<App>>,
    caller: Caller,
    Deadline(deadline): Deadline,
    Path(article_id): Path<String>,
    Query(parameters): Parameters,
) -> Result<Json<Slate>, Problem> {
    let page = fields::article(&article_id)?;
    let reader = parameters.get("user_id").ok_or_else(|| Problem::field("user_id", "is missing"))?;
    let request = Request {
        k: fields::number(&parameters, "k", 1..=MAX_K, RELATED)?,
        page: Some(page),
        after: parameters.get("after").cloned(),
        deadline,
        ..Request::new(fields::reader("user_id", reader)?)
    };
    answer(&app, &caller, request).await
}

async fn answer(app: &App, caller: &Caller, request: Request) -> Result<Json<Slate>, Problem> {
    caller.may_act_for(&request.reader)?;
    let page = request.page.map(|page| page.0);
    let seen = app.reading.seen_by(&request.reader);
    let slate = seen.query.recommend(request).await?;
    Ok(Json(Slate::of(slate, &seen.namespace, page)))
}

fn read(body: &[u8]) -> Result<Request, Problem> {
    let fields = Fields::parse(body)?;
    let default = Request::new(fields.reader("user_id")?);
    Ok(Request {
        k: fields.integer("k", 1..=MAX_K as i64)?.map_or(default.k, |k| k as usize),
        after: fields.text("after")?.filter(|token| !token.is_empty()),
        page: fields.integer("article_id", i64::MIN..=i64::MAX)?.map(abovefold_schemas::ArticleId),
        exclude: fields.article_ids("exclude", MAX_EXCLUDED)?,
        categories: fields.texts("categories", MAX_CATEGORIES)?,
        device_type: fields.integer("device_type", 0..=4)?.map(|device| device as u8),
        explain: fields.flag("explain")?.unwrap_or(false),
        ..default
    })
}
