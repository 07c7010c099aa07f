//! `index`: articles and their vectors into the topic `articles`.

use std::{path::Path, time::Duration};

use abovefold_engine::log::NewRecord;
use abovefold_models::ModelFolder;
use abovefold_schemas::{ArticleVersion, Kept};
use anyhow::Context;

use crate::{dataset, session::Session};

/// Articles of one append.
const CHUNK: usize = 250;

/// Writes every article of a data folder as a new version; with `wait`, until the article edge has it.
pub async fn run(session: &Session, data: &Path, wait: bool) -> anyhow::Result<()> {
    let folder = session.path(data);
    let model = session.config.model_folder();
    let versions =
        tokio::task::spawn_blocking(move || versions(&folder, model.as_deref())).await.context("index")??;
    let total = versions.len();
    let with_vector = versions.iter().filter(|version| !version.vector.is_empty()).count();
    for (chunk, done) in versions.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        let records = chunk
            .iter()
            .map(|version| NewRecord::keyed(version.article_id.to_string(), version.to_kept()))
            .collect();
        session.edges.log.append(&session.edges.topics.articles, records).await?;
        session.output.progress("writing articles", (done + chunk.len()) as u64, total as u64);
    }
    session.output.line(format!("{total} articles written, {with_vector} of them with a vector"));
    if wait { indexed(session).await } else { Ok(()) }
}

/// Waits until the article edge has everything that the topic holds now, which takes a `process` or `run` that folds it.
///
/// # Errors
/// When log or edge do not answer.
pub async fn indexed(session: &Session) -> anyhow::Result<()> {
    let ends = session.edges.log.bounds(&session.edges.topics.articles).await?;
    loop {
        let marker = session.edges.articles.marker().await?;
        let missing: u64 = ends
            .iter()
            .enumerate()
            .map(|(p, b)| b.end.0.saturating_sub(marker.get(p).map_or(b.begin.0, |next| next.0)))
            .sum();
        if missing == 0 {
            session.edges.articles.refresh().await?;
            session.output.line(format!("{} articles can be found", session.edges.articles.count().await?));
            return Ok(());
        }
        let total: u64 = ends.iter().map(|bounds| bounds.end.0).sum();
        session.output.progress("waiting for the article edge", total - missing, total);
        session.runtime.sleep(Duration::from_millis(100)).await;
    }
}

/// The articles of a folder with their vectors.
fn versions(folder: &Path, model: Option<&Path>) -> anyhow::Result<Vec<ArticleVersion>> {
    let data = dataset::open(folder)?;
    let articles = data.articles()?;
    let model = model.map(ModelFolder::load).transpose().context("load the model, for its text vectors")?;
    let mut vectors = dataset::vectors(&data, &articles, model.as_ref())?.by_article;
    let versions = articles.into_iter().map(|article| ArticleVersion {
        article_id: article.article_id.0,
        title: article.title,
        subtitle: article.subtitle,
        body: article.body,
        category: article.category,
        topics: article.topics,
        published: article.published_time.0,
        vector: vectors.remove(&article.article_id).unwrap_or_default(),
        withdrawn: false,
    });
    Ok(versions.collect())
}
