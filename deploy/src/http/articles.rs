//! Articles.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use abovefold_operators::articles::Filter;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};

use super::{
    App,
    answers::{Article, Card},
    fields::{self, Parameters},
    problem::Problem,
};

/// How long the article edge may take.
const LIMIT: Duration = Duration::from_secs(5);

/// An article, to be read.
#[utoipa::path(get, path = "/articles/{article_id}", tag = "reading", params(("article_id" = i64, Path, description = "The article")),
    responses((status = 200, description = "The article", body = Article),
        (status = 404, description = "There is no such article", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "It was withdrawn", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn article(
    State(app): State<Arc<App>>,
    Path(article_id): Path<String>,
) -> Result<Json<Article>, Problem> {
    let id = fields::article(&article_id)?;
    match bounded(&app, app.articles.get(&[id])).await?.pop().flatten() {
        None => Err(Problem::missing(format!("there is no article {id}"))),
        Some(article) if article.version.withdrawn => {
            Err(Problem::new(StatusCode::GONE, format!("article {id} was withdrawn")))
        }
        Some(article) => Ok(Json(article.as_ref().into())),
    }
}

/// The articles published last, of one section or of all.
#[utoipa::path(get, path = "/articles", tag = "reading",
    params(("category" = Option<String>, Query, description = "Only this section"),
        ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 unless told otherwise")),
    responses((status = 200, description = "Latest first", body = [Card]),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(parameters): Parameters,
) -> Result<Json<Vec<Card>>, Problem> {
    let limit = fields::number(&parameters, "limit", 1..=100, 20)?;
    let filter = Filter { categories: category(&parameters), ..Filter::default() };
    let newest = bounded(&app, app.articles.newest(limit, &filter)).await?;
    Ok(Json(newest.iter().map(|article| article.as_ref().into()).collect()))
}

fn category(parameters: &BTreeMap<String, String>) -> Vec<String> {
    parameters.get("category").filter(|category| !category.is_empty()).cloned().into_iter().collect()
}

async fn bounded<T>(
    app: &App,
    call: impl Future<Output = abovefold_engine::Result<T>>,
) -> Result<T, Problem> {
    let answer = app.runtime.timeout(LIMIT, call).await;
    Ok(answer.ok_or_else(|| Problem::unavailable("the article edge did not answer within 5 s"))??)
}
