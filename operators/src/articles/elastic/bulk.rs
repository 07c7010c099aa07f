//! Writes: documents by external version, many in one request.

use std::sync::Arc;

use abovefold_engine::Result;
use bytes::Bytes;
use elasticsearch::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::Article,
    document::Document,
    wire::{Patience, Request, Wire, beside, pause, reason_of},
};

/// Bytes of a request after which another one begins.
const BODY_BYTES: usize = 6 << 20;
const TRIED: &str = "write articles";

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Every article is durable, in this version or a later one.
    All,
    /// There is no index behind the alias any more.
    NoIndex,
}

#[derive(Debug, Deserialize)]
struct BulkAnswer {
    errors: bool,
    #[serde(default)]
    items: Vec<BulkItem>,
}

#[derive(Debug, Deserialize)]
struct BulkItem {
    index: ItemResult,
}

#[derive(Debug, Deserialize)]
struct ItemResult {
    #[serde(rename = "_id")]
    id: String,
    status: u16,
    #[serde(default)]
    error: Value,
}

/// Writes all articles. A document is replaced by a higher offset alone, so order and repeats do not matter.
pub(super) async fn write(
    wire: &Wire,
    alias: &str,
    articles: Vec<Arc<Article>>,
    patience: Patience,
) -> Result<Written> {
    let mut rest = articles;
    while !rest.is_empty() {
        let all = rest;
        let (body, now, later) = beside(move || body(all)).await?;
        if write_some(wire, alias, body, now, patience).await? == Written::NoIndex {
            return Ok(Written::NoIndex);
        }
        rest = later;
    }
    Ok(Written::All)
}

/// One request, and again those documents for which the server was too busy.
async fn write_some(
    wire: &Wire,
    alias: &str,
    mut body: Bytes,
    mut articles: Vec<Arc<Article>>,
    patience: Patience,
) -> Result<Written> {
    // Without an alias the server might make an index of its own taste under that name.
    let path = format!("{alias}/_bulk");
    let query =
        [("require_alias", "true"), ("filter_path", "errors,items.*._id,items.*.status,items.*.error")];
    let mut failed = 0;
    loop {
        let request = Request { method: Method::Post, path: &path, query: &query, body: Some(body.clone()) };
        let answer = wire.send(TRIED, request, patience).await?;
        if answer.status == 404 {
            return Ok(Written::NoIndex);
        }
        let answer: BulkAnswer = answer.read(wire, TRIED)?;
        if !answer.errors {
            return Ok(Written::All);
        }
        let mut busy = Vec::new();
        for BulkItem { index: item } in &answer.items {
            match item.status {
                // An older version, or this one once more: what is there stays.
                0..300 | 409 => {}
                404 => return Ok(Written::NoIndex),
                429 | 503 => busy.push(item),
                _ => {
                    let reason = reason_of(&item.error).unwrap_or_else(|| format!("status {}", item.status));
                    return Err(wire.user(TRIED, format!("article {} is refused: {reason}", item.id)));
                }
            }
        }
        let Some(first) = busy.first() else { return Ok(Written::All) };
        failed += 1;
        let Some(wait) = patience.wait_after(failed) else {
            let reason = reason_of(&first.error).unwrap_or_else(|| format!("status {}", first.status));
            return Err(wire.outside(
                TRIED,
                format!("{} articles are not taken: {reason} ({failed} attempts)", busy.len()),
            ));
        };
        articles.retain(|article| busy.iter().any(|item| item.id == article.id.to_string()));
        pause(wait).await;
        let again = articles.clone();
        (body, articles, _) = beside(move || self::body(again)).await?;
    }
}

/// As many articles as one request takes (at least one), those articles, and the rest.
fn body(mut articles: Vec<Arc<Article>>) -> (Bytes, Vec<Arc<Article>>, Vec<Arc<Article>>) {
    let mut body = Vec::new();
    let mut taken = 0;
    for article in &articles {
        if body.len() > BODY_BYTES {
            break;
        }
        // External versions begin at 1 for the first offset, 0.
        let version = article.offset.0 + 1;
        let action =
            json!({"index": {"_id": article.id.to_string(), "version": version, "version_type": "external"}});
        body.extend_from_slice(action.to_string().as_bytes());
        body.push(b'\n');
        serde_json::to_writer(&mut body, &Document::of(article))
            .expect("a document has no keys that are no texts");
        body.push(b'\n');
        taken += 1;
    }
    let rest = articles.split_off(taken);
    (body.into(), articles, rest)
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::{ArticleId, ArticleVersion, Offset};

    use super::*;

    #[test]
    fn large_articles_are_spread_over_requests_and_none_is_lost() {
        let article = |id: i64| {
            let version = ArticleVersion { body: "x".repeat(4 << 20), ..ArticleVersion::default() };
            Arc::new(Article { id: ArticleId(id), offset: Offset(0), version })
        };
        let mut rest: Vec<_> = (0..5).map(article).collect();
        let mut seen = Vec::new();
        while !rest.is_empty() {
            let (bytes, now, later) = body(rest);
            assert!(bytes.len() < 2 * BODY_BYTES && bytes.ends_with(b"\n"));
            seen.push(now.len());
            rest = later;
        }
        assert_eq!(seen, [2, 2, 1]);
    }
}
