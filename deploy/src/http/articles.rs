//! Articles.

use std::{cmp::Reverse, collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use abovefold_operators::articles::{Article as Stored, Filter, TitleWords};
use abovefold_schemas::{ArticleId, Timestamp};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    answers::{Article, Card},
    fields::{self, Parameters},
    problem::Problem,
};

/// How long the article edge may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The latest articles that sections are looked for in.
const LATEST: usize = 100;
/// The longest text that titles are searched for, in bytes.
pub(super) const MOST_WORDS: usize = 128;
/// The end of the year 9999, in milliseconds since 1970.
const LAST_MOMENT: i64 = 253_402_300_799_999;

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
    match by_number(&app, id).await? {
        None => Err(Problem::missing(format!("there is no article {id}"))),
        Some(article) if article.version.withdrawn => {
            Err(Problem::new(StatusCode::GONE, format!("article {id} was withdrawn")))
        }
        Some(article) => Ok(Json(article.as_ref().into())),
    }
}

/// Articles: those published last or those read most, of one section or of all, published since a moment, with words in their titles.
#[utoipa::path(get, path = "/articles", tag = "reading",
    params(("category" = Option<String>, Query, description = "Only this section"),
        ("sort" = Option<String>, Query, description = "`newest`, unless told otherwise, or `most_read`: of late, and only what was read"),
        ("since" = Option<String>, Query, description = "Only what was published after this moment: RFC 3339, or milliseconds since 1970"),
        ("q" = Option<String>, Query, description = "Only where all these words are in the title; the last may be unfinished; at most 128 bytes"),
        ("limit" = Option<u32>, Query, description = "How many, at most 100; 20 unless told otherwise")),
    responses((status = 200, description = "Latest or most read first", body = [Card]),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(parameters): Parameters,
) -> Result<Json<Vec<Card>>, Problem> {
    let found = Wanted::of(&parameters)?.find(&app).await?;
    Ok(Json(found.iter().map(|article| article.as_ref().into()).collect()))
}

/// A section of the paper.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Section {
    category: String,
    /// How many of the articles that were looked at are in it.
    articles: usize,
}

/// The paper's sections as of late: those of the articles that are read most, and of the latest ones.
#[utoipa::path(get, path = "/articles/sections", tag = "reading",
    responses((status = 200, description = "Most articles first", body = [Section])))]
pub(super) async fn sections(State(app): State<Arc<App>>) -> Result<Json<Vec<Section>>, Problem> {
    let sections = counted_sections(&app).await?;
    Ok(Json(sections.into_iter().map(|(category, articles)| Section { category, articles }).collect()))
}

/// Sections, and how many of the articles that were looked at are in each; most first.
pub(super) async fn counted_sections(app: &App) -> Result<Vec<(String, usize)>, Problem> {
    let latest = Wanted::newest(LATEST).find(app).await?;
    let most_read = app.seen().query.most_read(usize::MAX, |_| true);
    let articles: BTreeMap<ArticleId, Arc<Stored>> =
        latest.into_iter().chain(most_read).map(|article| (article.id, article)).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for article in articles.into_values().filter(|article| !article.version.category.is_empty()) {
        *counts.entry(article.version.category.clone()).or_default() += 1;
    }
    let mut sections: Vec<(String, usize)> = counts.into_iter().collect();
    sections.sort_by_key(|(_, articles)| Reverse(*articles));
    Ok(sections)
}

/// In what order articles are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The latest first.
    #[default]
    Newest,
    /// The most read of late first.
    MostRead,
}

/// Which articles are listed.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) limit: usize,
    pub(super) sort: Sort,
    /// Only this section, if one is named.
    pub(super) category: Option<String>,
    /// Only what was published after this moment.
    pub(super) since: Option<Timestamp>,
    /// Only titles with these words.
    pub(super) words: Option<String>,
}

impl Wanted {
    /// So many, the latest of all.
    pub(super) fn newest(limit: usize) -> Self {
        Self { limit, sort: Sort::Newest, category: None, since: None, words: None }
    }

    fn of(parameters: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let given = |name: &str| parameters.get(name).filter(|text| !text.is_empty());
        let sort = match parameters.get("sort").map(String::as_str) {
            None | Some("newest") => Sort::Newest,
            Some("most_read") => Sort::MostRead,
            Some(_) => return Err(Problem::field("sort", "is neither newest nor most_read")),
        };
        let moment = |text: &String| {
            let moment = Timestamp::parse(text).filter(|moment| (0..=LAST_MOMENT).contains(&moment.0));
            let reason = "is no moment from 1970 to 9999, as RFC 3339 or in milliseconds since 1970";
            moment.ok_or_else(|| Problem::field("since", reason))
        };
        if given("q").is_some_and(|words| words.len() > MOST_WORDS) {
            return Err(Problem::field("q", &format!("has more than {MOST_WORDS} bytes")));
        }
        Ok(Self {
            limit: fields::number(parameters, "limit", 1..=100, 20)?,
            sort,
            category: given("category").cloned(),
            since: parameters.get("since").map(moment).transpose()?,
            words: given("q").cloned(),
        })
    }

    /// The articles themselves.
    pub(super) async fn find(&self, app: &App) -> Result<Vec<Arc<Stored>>, Problem> {
        let filter = Filter {
            categories: self.category.iter().cloned().collect(),
            published_from: self.since.map(|since| Timestamp(since.0 + 1)),
            ..Filter::default()
        };
        match (self.sort, &self.words) {
            (Sort::Newest, None) => bounded(app, app.articles.newest(self.limit, &filter)).await,
            (Sort::Newest, Some(text)) => bounded(app, app.articles.titled(text, self.limit, &filter)).await,
            (Sort::MostRead, text) => {
                let words = text.as_deref().map(TitleWords::of);
                let wanted = |article: &Stored| {
                    let version = &article.version;
                    self.category.as_ref().is_none_or(|category| version.category == *category)
                        && self.since.is_none_or(|since| version.published > since.0)
                        && words.as_ref().is_none_or(|words| {
                            words.as_ref().is_some_and(|words| words.are_in(&version.title))
                        })
                };
                Ok(app.seen().query.most_read(self.limit, wanted))
            }
        }
    }
}

/// The article of a number, withdrawn or not.
pub(super) async fn by_number(app: &App, id: ArticleId) -> Result<Option<Arc<Stored>>, Problem> {
    Ok(bounded(app, app.articles.get(&[id])).await?.pop().flatten())
}

async fn bounded<T>(
    app: &App,
    call: impl Future<Output = abovefold_engine::Result<T>>,
) -> Result<T, Problem> {
    let answer = app.runtime.timeout(LIMIT, call).await;
    Ok(answer.ok_or_else(|| Problem::unavailable("the article edge did not answer within 5 s"))??)
}
