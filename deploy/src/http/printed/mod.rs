//! The newspaper as the server prints it: whole pages of HTML, which are read without JavaScript, and which the site's script takes over where
//! it runs.
//!
//! A page is the site's own `index.html` with its content put into the root element ([`shell`]). Whoever may not read the newspaper, where keys
//! are configured, gets that frame alone; so does everybody while the article edge is down, and the script says what is wrong.

mod markup;
mod sheet;
mod shell;
mod words;

use std::sync::Arc;

use abovefold_operators::articles::Article as Stored;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use serde_json::{Value, json};

use self::{markup::Front, sheet::Sheet};
use super::{
    App,
    answers::{Article, Card},
    articles::{self, MOST_WORDS, Sort, Wanted, by_number},
    fields::{self, Parameters},
    problem::Problem,
    site,
};

/// The latest articles that a front page is set from.
const LATEST: usize = 60;
/// The stories at its top, which are those read most.
const LEADING: usize = 7;
/// The stories of a section's page, and of a search's.
const LISTED: usize = 40;
/// Further stories at the foot of an article.
const FURTHER: usize = 4;
/// A page's description, in characters.
const DESCRIPTION: usize = 200;

/// A page, ready to be put into the site's frame.
#[derive(Debug)]
struct Page {
    /// What kind of page it is, for the script: `front`, `article`, `section`, `search`, `missing`.
    kind: &'static str,
    status: StatusCode,
    /// Before the newspaper's name; the name alone where there is none.
    title: Option<String>,
    description: Option<String>,
    /// HTML.
    content: String,
    /// What the script need not ask for again.
    data: Value,
}

/// The pages that have content of the server's.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(front))
        .route("/article/{article_id}", get(article))
        .route("/section/{name}", get(section))
        .route("/search", get(search))
}

/// What is asked for.
enum Asked {
    Front,
    /// Whatever stands in the place of a number.
    Article(String),
    Section(String),
    /// Words of a title.
    Search(String),
}

async fn front(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    answer(&app, Asked::Front, &headers).await
}

async fn article(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    answer(&app, Asked::Article(id), &headers).await
}

async fn section(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&app, Asked::Section(name), &headers).await
}

async fn search(
    State(app): State<Arc<App>>,
    Query(mut parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let words = parameters.remove("q").unwrap_or_default();
    answer(&app, Asked::Search(words), &headers).await
}

/// The page, where whoever asks may read it and it can be had; the frame alone otherwise.
async fn answer(app: &App, asked: Asked, headers: &HeaderMap) -> Response {
    if !app.guard.may_read(headers) {
        return site::frame(headers);
    }
    match print(app, asked, headers).await {
        Ok((page, sheet)) => shell::answer(page, sheet.words, app.guard.is_open(), headers),
        Err(problem) => {
            tracing::debug!(?problem, "a page is answered without its content");
            site::frame(headers)
        }
    }
}

async fn print(app: &App, asked: Asked, headers: &HeaderMap) -> Result<(Page, Sheet), Problem> {
    let mut sections: Vec<String> =
        articles::counted_sections(app).await?.into_iter().map(|(section, _)| section).collect();
    sections.sort_unstable();
    let sheet = Sheet { words: words::of(headers), sections, now: app.runtime.now() };
    let page = match asked {
        Asked::Front => print_front(app, &sheet).await,
        Asked::Article(id) => print_article(app, &id, &sheet).await,
        Asked::Section(name) => print_section(app, name, &sheet).await,
        Asked::Search(text) => print_search(app, text.trim(), &sheet).await,
    };
    Ok((page?, sheet))
}

async fn print_front(app: &App, sheet: &Sheet) -> Result<Page, Problem> {
    let most_read = Wanted { sort: Sort::MostRead, ..Wanted::newest(LEADING) };
    let (most_read, latest) = (most_read.find(app).await?, Wanted::newest(LATEST).find(app).await?);
    let front = Front::of(&most_read, &latest, LEADING);
    Ok(Page {
        kind: "front",
        status: StatusCode::OK,
        title: None,
        description: None,
        content: front.html(sheet),
        data: json!({"cards": cards(front.all())}),
    })
}

async fn print_article(app: &App, id: &str, sheet: &Sheet) -> Result<Page, Problem> {
    let Ok(id) = fields::article(id) else { return Ok(missing(sheet, StatusCode::NOT_FOUND)) };
    let article = match by_number(app, id).await? {
        None => return Ok(missing(sheet, StatusCode::NOT_FOUND)),
        Some(article) if article.version.withdrawn => return Ok(missing(sheet, StatusCode::GONE)),
        Some(article) => article,
    };
    let category = Some(article.version.category.clone()).filter(|category| !category.is_empty());
    let further = Wanted { category, ..Wanted::newest(FURTHER + 1) }.find(app).await?;
    let further: Vec<_> = further.into_iter().filter(|other| other.id != id).take(FURTHER).collect();
    let version = &article.version;
    let description = if version.subtitle.is_empty() { &version.body } else { &version.subtitle };
    Ok(Page {
        kind: "article",
        status: StatusCode::OK,
        title: Some(markup::title(version, sheet.words).into()),
        description: Some(description.chars().take(DESCRIPTION).collect()),
        content: markup::article(version, &further, sheet),
        data: json!({"article": Article::from(article.as_ref())}),
    })
}

async fn print_section(app: &App, name: String, sheet: &Sheet) -> Result<Page, Problem> {
    let found = Wanted { category: Some(name.clone()), ..Wanted::newest(LISTED) }.find(app).await?;
    if found.is_empty() {
        return Ok(missing(sheet, StatusCode::NOT_FOUND));
    }
    Ok(Page {
        kind: "section",
        status: StatusCode::OK,
        content: markup::section(&name, &found, sheet),
        title: Some(name),
        description: None,
        data: json!({"cards": cards(&found)}),
    })
}

async fn print_search(app: &App, asked: &str, sheet: &Sheet) -> Result<Page, Problem> {
    // Nothing is found for no words, nor for too many.
    let found = match asked.is_empty() || asked.len() > MOST_WORDS {
        true => Vec::new(),
        false => Wanted { words: Some(asked.into()), ..Wanted::newest(LISTED) }.find(app).await?,
    };
    Ok(Page {
        kind: "search",
        status: StatusCode::OK,
        title: Some(sheet.words.search.into()),
        description: None,
        content: markup::search(asked, &found, sheet),
        data: json!({"cards": cards(&found)}),
    })
}

fn cards<'a>(articles: impl IntoIterator<Item = &'a Arc<Stored>>) -> Vec<Card> {
    articles.into_iter().map(|article| article.as_ref().into()).collect()
}

fn missing(sheet: &Sheet, status: StatusCode) -> Page {
    let words = sheet.words;
    let (title, text) = match status == StatusCode::GONE {
        true => (words.withdrawn, words.withdrawn_text),
        false => (words.missing, words.missing_text),
    };
    Page {
        kind: "missing",
        status,
        title: Some(title.into()),
        description: None,
        content: markup::missing(title, text, sheet),
        data: json!({"status": status.as_u16()}),
    }
}
