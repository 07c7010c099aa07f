//! Elasticsearch: articles as documents, found by approximate kNN over a `dense_vector`.
//!
//! An alias stands in front of the real index. A document is written with the offset of its version as external version, so
//! that writes may be repeated and come in any order. A search brings numbers and offsets alone; the articles come from memory, as long as
//! the offsets agree, so that a request that asks for known articles costs one round trip. The server's scores of quantized
//! vectors decide who is found; the cosines given back are computed here, exactly, as the embedded make does.
//!
//! The marker is a document of the index, and its id holds the index's own: the marker of an index that was deleted means
//! nothing to the next one.

mod address;
mod bulk;
mod cache;
mod document;
mod fetch;
mod index;
mod query;
mod wire;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use abovefold_engine::{EngineError, Result};
use abovefold_schemas::{ArticleId, Offset};
use async_trait::async_trait;
use bytes::Bytes;
use elasticsearch::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use self::{
    bulk::Written,
    cache::RecentArticles,
    index::{Incarnation, IndexPlan},
    query::{MultiSearchAnswer, SearchAnswer, Seen},
    wire::{Answer, Patience, Request, Wire, reason_of},
};
use super::{
    Article, ArticleIndex, ArticleSettings, Filter, Hit, NearestQuery, TitleWords,
    filter::{Sieve, check_k, check_version, checked_direction, ranked},
};

/// Articles in Elasticsearch 8 or 9.
pub struct ElasticArticles {
    wire: Wire,
    alias: String,
    plan: IndexPlan,
    num_candidates: Option<usize>,
    for_searches: Patience,
    for_writes: Patience,
    recent: Mutex<RecentArticles>,
    /// The index as it was last seen.
    incarnation: Mutex<Option<Incarnation>>,
}

impl fmt::Debug for ElasticArticles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticArticles").field("at", &self.wire.shown).finish_non_exhaustive()
    }
}

impl ElasticArticles {
    /// Reads `http(s)://[user:password@]host:port/index`. The server is spoken to when it is first needed.
    ///
    /// # Errors
    /// When the URL, the credentials or the certificate cannot be used.
    pub fn new(url: &str, settings: &ArticleSettings) -> Result<Self> {
        let (address, transport) = address::connect(url, settings)?;
        Ok(Self {
            wire: Wire::new(transport, address.to_string()),
            plan: IndexPlan::new(&address.alias, settings),
            alias: address.alias,
            num_candidates: settings.num_candidates,
            // A reader waits for a search, and there is something else to show; nobody waits for a write.
            for_searches: Patience {
                timeout: Duration::from_millis(settings.search_timeout_ms),
                attempts: 2,
                first_wait: Duration::from_millis(50),
            },
            for_writes: Patience {
                timeout: Duration::from_millis(settings.write_timeout_ms),
                attempts: 6,
                first_wait: Duration::from_millis(200),
            },
            recent: Mutex::new(RecentArticles::new(settings.cached_articles)),
            incarnation: Mutex::new(None),
        })
    }

    /// The index as it is now; made where there is none.
    async fn ensure(&self) -> Result<Incarnation> {
        let now = self.plan.ensure(&self.wire, self.for_writes).await?;
        let mut known = self.incarnation.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| *known != now) {
            self.recent().clear();
        }
        *known = Some(now.clone());
        Ok(now)
    }

    async fn known(&self) -> Result<Incarnation> {
        let known = self.incarnation.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) => Ok(known),
            None => self.ensure().await,
        }
    }

    /// Nothing that is done under this lock can leave it half changed.
    fn recent(&self) -> MutexGuard<'_, RecentArticles> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marker_path(&self, incarnation: &Incarnation) -> String {
        format!("{}/_doc/marker-{}", self.alias, incarnation.uuid)
    }

    async fn ask(&self, tried: &str, path: &str, query: &[(&str, &str)], body: Bytes) -> Result<Answer> {
        let path = format!("{}/{path}", self.alias);
        let request = Request { method: Method::Post, path: &path, query, body: Some(body) };
        let answer = self.wire.send(tried, request, self.for_searches).await?;
        if answer.status == 404 { Err(self.no_index(tried)) } else { Ok(answer) }
    }

    fn no_index(&self, tried: &str) -> EngineError {
        let reason = format!(
            "there is no index behind the alias {}: `abovefold process` makes it and fills it",
            self.alias
        );
        self.wire.outside(tried, reason)
    }

    /// What a search finds, latest first.
    async fn latest(&self, tried: &str, search: Bytes, filter: &Filter) -> Result<Vec<Arc<Article>>> {
        let whole = [("allow_partial_search_results", "false")];
        let answer: SearchAnswer =
            self.ask(tried, "_search", &whole, search).await?.read(&self.wire, tried)?;
        let seen = answer.seen();
        let articles = self.resolve(&seen).await?;
        // An article may have changed since the search saw it.
        let sieve = Sieve::new(filter);
        let mut latest: Vec<Arc<Article>> = seen
            .iter()
            .filter_map(|seen| articles.get(&seen.id))
            .filter(|article| sieve.admits(article))
            .cloned()
            .collect();
        latest.sort_by_key(|article| (std::cmp::Reverse(article.version.published), article.id));
        Ok(latest)
    }

    /// The server's version, where we may ask for it.
    async fn server_version(&self) -> Result<String> {
        let query = [("filter_path", "nodes.*.version")];
        let request = Request { method: Method::Get, path: "_nodes/_local", query: &query, body: None };
        let once = Patience { attempts: 1, ..self.for_searches };
        // Without the right to monitor the cluster, reading and writing still work.
        let Ok(answer) = self.wire.send("ask Elasticsearch for its version", request, once).await else {
            return Ok("Elasticsearch".into());
        };
        let nodes: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let node = nodes["nodes"].as_object().and_then(|nodes| nodes.values().next());
        let version = node.and_then(|node| node["version"].as_str());
        Ok(version.map_or("Elasticsearch".into(), |version| format!("Elasticsearch {version}")))
    }

    fn emptied(&self) -> EngineError {
        self.wire.outside(
            "write articles",
            "the index was deleted meanwhile and is made again, empty: read its marker and go on from there",
        )
    }
}

#[async_trait]
impl ArticleIndex for ElasticArticles {
    async fn apply(&self, versions: Vec<Article>, marker: &[Offset]) -> Result<()> {
        const TRIED: &str = "move the marker of the articles";
        for article in &versions {
            check_version(&article.version)?;
        }
        let incarnation = self.known().await?;
        let articles = versions.into_iter().map(Arc::new).collect();
        if bulk::write(&self.wire, &self.alias, articles, self.for_writes).await? == Written::NoIndex {
            self.ensure().await?;
            return Err(self.emptied());
        }
        let path = self.marker_path(&incarnation);
        let body = Bytes::from(json!({"marker": {"next": marker}}).to_string());
        let query = [("require_alias", "true")];
        let request = Request { method: Method::Put, path: &path, query: &query, body: Some(body) };
        let answer = self.wire.send(TRIED, request, self.for_writes).await?;
        if answer.status >= 300 && answer.status != 404 {
            return Err(self.wire.unexpected(TRIED, &answer));
        }
        // The articles may have gone into one index and the marker into the next; then it says nothing there.
        if answer.status == 404 || self.ensure().await? != incarnation {
            self.ensure().await?;
            return Err(self.emptied());
        }
        Ok(())
    }

    async fn marker(&self) -> Result<Vec<Offset>> {
        const TRIED: &str = "read the marker of the articles";
        let path = self.marker_path(&self.ensure().await?);
        let request = Request { method: Method::Get, path: &path, query: &[], body: None };
        let answer = self.wire.send(TRIED, request, self.for_writes).await?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let mut document: Value = answer.read(&self.wire, TRIED)?;
        serde_json::from_value(document["_source"]["marker"]["next"].take()).map_err(|error| {
            self.wire.user(
                TRIED,
                format!("it cannot be read ({error}): delete the index, then it is filled again"),
            )
        })
    }

    async fn nearest(&self, queries: Vec<NearestQuery>) -> Result<Vec<Vec<Hit>>> {
        const TRIED: &str = "find the nearest articles";
        let directions = queries.iter().map(checked_direction).collect::<Result<Vec<_>>>()?;
        let mut body = String::new();
        for (query, direction) in queries.iter().zip(&directions).filter(|(query, _)| query.k > 0) {
            body.push_str(query::SEARCH_HEADER);
            body.push_str(&query::nearest(direction, query.k, self.num_candidates, &query.filter));
        }
        if body.is_empty() {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let answer: MultiSearchAnswer =
            self.ask(TRIED, "_msearch", &[], body.into()).await?.read(&self.wire, TRIED)?;
        for part in &answer.responses {
            if let Some(reason) = reason_of(&part.error) {
                return Err(match part.status {
                    Some(404) => self.no_index(TRIED),
                    Some(400..429) => self.wire.user(TRIED, reason),
                    _ => self.wire.outside(TRIED, reason),
                });
            }
        }
        let mut parts = answer.responses.iter().map(SearchAnswer::seen);
        let lists: Vec<Vec<Seen>> = queries
            .iter()
            .map(|query| if query.k == 0 { Vec::new() } else { parts.next().unwrap_or_default() })
            .collect();
        let articles = self.resolve(&lists.concat()).await?;
        let hits = lists.iter().zip(&queries).zip(&directions).map(|((seen, query), direction)| {
            // An article may have changed since the search saw it.
            let sieve = Sieve::new(&query.filter);
            let still =
                seen.iter().filter_map(|seen| articles.get(&seen.id)).filter(|article| sieve.admits(article));
            let found = still.filter(|article| !article.version.vector.is_empty()).cloned();
            ranked(direction, found, query.k)
        });
        Ok(hits.collect())
    }

    async fn get(&self, ids: &[ArticleId]) -> Result<Vec<Option<Arc<Article>>>> {
        self.get_by_number(ids).await
    }

    async fn newest(&self, k: usize, filter: &Filter) -> Result<Vec<Arc<Article>>> {
        const TRIED: &str = "list the newest articles";
        check_k(k)?;
        if k == 0 {
            return Ok(Vec::new());
        }
        self.latest(TRIED, query::newest(k, filter), filter).await
    }

    async fn titled(&self, text: &str, k: usize, filter: &Filter) -> Result<Vec<Arc<Article>>> {
        const TRIED: &str = "find articles by their titles";
        check_k(k)?;
        if k == 0 || TitleWords::of(text).is_none() {
            return Ok(Vec::new());
        }
        self.latest(TRIED, query::titled(text, k, filter), filter).await
    }

    async fn count(&self) -> Result<usize> {
        const TRIED: &str = "count the articles";
        #[derive(Deserialize)]
        struct CountAnswer {
            count: usize,
        }
        let answer: CountAnswer =
            self.ask(TRIED, "_count", &[], query::count()).await?.read(&self.wire, TRIED)?;
        Ok(answer.count)
    }

    async fn refresh(&self) -> Result<()> {
        const TRIED: &str = "refresh the articles";
        self.ask(TRIED, "_refresh", &[], Bytes::new()).await?.read::<Value>(&self.wire, TRIED).map(drop)
    }

    async fn check(&self) -> Result<String> {
        let alias = &self.alias;
        let found = self.plan.find(&self.wire, self.for_searches).await?;
        let server = self.server_version().await?;
        Ok(match found {
            Some(incarnation) => {
                format!("{server}, {} articles in {} (alias {alias})", self.count().await?, incarnation.index)
            }
            None => format!("{server}, no index {alias} yet: `abovefold process` makes it"),
        })
    }
}
