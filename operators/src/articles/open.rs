//! The article edge by its URL.

use std::{path::Path, sync::Arc};

use abovefold_engine::{EngineError, Result};

use super::{ArticleIndex, ArticleSettings, elastic::ElasticArticles, embedded::EmbeddedArticles};

/// Opens the article edge: `file:DIR` keeps it in this process and in `DIR/articles.redb`, `http(s)://[user:password@]host:port/index` in
/// Elasticsearch, where `index` is an alias.
///
/// Elasticsearch is not spoken to yet: a process may start while it is down.
///
/// # Errors
/// When the URL or a setting is wrong, or when another process holds the folder.
pub async fn open(url: &str, settings: &ArticleSettings) -> Result<Arc<dyn ArticleIndex>> {
    if let Some(dir) = url.strip_prefix("file:") {
        if dir.is_empty() {
            return Err(EngineError::user(
                "open the articles at file:",
                "no folder is named: write file:DIR",
            ));
        }
        return Ok(Arc::new(EmbeddedArticles::open_with(Path::new(dir), &settings.hnsw).await?));
    }
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(Arc::new(ElasticArticles::new(url, settings)?));
    }
    // The rest of the URL may hold a password.
    let scheme = url.split_once(':').map_or("no scheme", |(scheme, _)| scheme);
    Err(EngineError::user(
        "open the articles",
        format!("{scheme} is not known: write file:DIR, http://host:port/index or https://host:port/index"),
    ))
}
