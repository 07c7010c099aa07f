//! Readers: what they read, and who was here lately.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use abovefold_operators::{articles::Article, query::Request};
use abovefold_schemas::{ArticleId, state::Read};
use axum::{
    Json,
    extract::{Path, Query, State},
};

use super::{
    App,
    answers::{ActiveReader, HistoryEntry, ReaderPage, Slate},
    deadline::Deadline,
    fields::{self, Parameters},
    keys::Caller,
    problem::Problem,
};

/// How long the article edge may take to say the titles of a history, which is shown without them otherwise.
pub(super) const TITLES: Duration = Duration::from_secs(2);

/// A reader's reads, newest first, and its recommendations.
#[utoipa::path(get, path = "/demo/{user_id}", tag = "reading",
    params(("user_id" = String, Path, description = "The reader"), ("k" = Option<u32>, Query, description = "How many recommendations; 10 unless told otherwise"),
        ("after" = Option<String>, Query, description = "The token of an event that should be counted in")),
    responses((status = 200, description = "The reader, who may be unknown", body = ReaderPage),
        (status = 503, description = "The state store is down", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn demo(
    State(app): State<Arc<App>>,
    caller: Caller,
    Deadline(deadline): Deadline,
    Path(user_id): Path<String>,
    Query(parameters): Parameters,
) -> Result<Json<ReaderPage>, Problem> {
    let reader = fields::reader("user_id", user_id)?;
    caller.may_act_for(&reader)?;
    let k = fields::number(&parameters, "k", 1..=100, 10)?;
    let after = parameters.get("after").cloned();
    let request = Request { k, after, deadline, ..Request::new(reader.clone()) };
    // First the slate, since that is what waits for `after`.
    let seen = app.reading.seen_by(&reader);
    let slate = Slate::of(seen.query.recommend(request).await?, &seen.namespace, None);
    let state = seen.query.reader(&reader).await?.state.unwrap_or_default();
    let left = deadline.map_or(TITLES, |deadline| left_of(TITLES, deadline.millis_since(app.runtime.now())));
    let articles = titles(&app, &state.reads, left).await;
    let entry =
        |read: &Read| HistoryEntry::of(read, articles.get(&ArticleId(read.article_id)).map(AsRef::as_ref));
    Ok(Json(ReaderPage {
        user_id: reader.as_str().into(),
        history: state.reads.iter().rev().map(entry).collect(),
        recommendations: slate.recommendations,
        topics: state.topics,
        served_by: slate.served_by,
        fresh: slate.fresh,
    }))
}

/// The lesser of a limit and the milliseconds that are left.
fn left_of(limit: Duration, millis: i64) -> Duration {
    limit.min(Duration::from_millis(millis.try_into().unwrap_or(0)))
}

pub(super) async fn titles(app: &App, reads: &[Read], limit: Duration) -> BTreeMap<ArticleId, Arc<Article>> {
    let mut ids: Vec<ArticleId> = reads.iter().map(|read| ArticleId(read.article_id)).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return BTreeMap::new();
    }
    let found = match app.runtime.timeout(limit, app.articles.get(&ids)).await {
        Some(Ok(found)) => found,
        Some(Err(error)) => {
            tracing::warn!(%error, "a history is shown without titles");
            Vec::new()
        }
        None => Vec::new(),
    };
    ids.into_iter().zip(found).filter_map(|(id, article)| Some((id, article?))).collect()
}

/// The readers seen last, latest first.
#[utoipa::path(get, path = "/users/active", tag = "reading",
    params(("limit" = Option<u32>, Query, description = "How many, at most 100; 20 unless told otherwise")),
    responses((status = 200, description = "Latest first", body = [ActiveReader]),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn active(
    State(app): State<Arc<App>>,
    Query(parameters): Parameters,
) -> Result<Json<Vec<ActiveReader>>, Problem> {
    let limit = fields::number(&parameters, "limit", 1..=100, 20)?;
    Ok(Json(app.seen().query.active_readers(limit).into_iter().map(ActiveReader::from).collect()))
}
