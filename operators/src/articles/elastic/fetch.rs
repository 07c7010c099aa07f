//! Articles by number: from memory where it holds the right version, from the server where not.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::Result;
use abovefold_schemas::ArticleId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::Article,
    ElasticArticles,
    document::Document,
    query::Seen,
    wire::{beside, reason_of},
};

#[derive(Debug, Deserialize)]
struct GetManyAnswer {
    docs: Vec<GetAnswer>,
}

#[derive(Debug, Deserialize)]
struct GetAnswer {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    found: bool,
    #[serde(rename = "_version", default)]
    version: u64,
    #[serde(rename = "_source")]
    document: Option<Document>,
    #[serde(default)]
    error: Value,
}

impl ElasticArticles {
    /// The articles that a search has seen, at least as new as it has seen them, each at most once.
    pub(super) async fn resolve(&self, seen: &[Seen]) -> Result<BTreeMap<ArticleId, Arc<Article>>> {
        let mut articles = BTreeMap::new();
        let mut missing = Vec::new();
        {
            let mut recent = self.recent();
            for Seen { id, offset } in seen {
                match recent.version(*id, *offset) {
                    Some(article) => drop(articles.insert(*id, article)),
                    None => missing.push(*id),
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        articles.extend(self.fetch(&missing).await?);
        Ok(articles)
    }

    /// Brings articles from the server into memory.
    async fn fetch(&self, ids: &[ArticleId]) -> Result<BTreeMap<ArticleId, Arc<Article>>> {
        // A thousand articles are some 15 MB.
        let mut fetched = BTreeMap::new();
        for ids in ids.chunks(1_000) {
            let docs = ids.iter().map(|id| json!({"_id": id.to_string()})).collect();
            for answer in self.get_many(docs).await? {
                if let Some(article) = self.article(answer)? {
                    self.recent().put(article.clone());
                    fetched.insert(article.id, article);
                }
            }
        }
        Ok(fetched)
    }

    /// `_mget`: as of now, whether searches can see it yet or not.
    async fn get_many(&self, docs: Vec<Value>) -> Result<Vec<GetAnswer>> {
        const TRIED: &str = "get articles";
        let answer = self.ask(TRIED, "_mget", &[], json!({"docs": docs}).to_string().into()).await?;
        if answer.status >= 300 {
            return Err(self.wire.unexpected(TRIED, &answer));
        }
        let read = beside(move || serde_json::from_slice::<GetManyAnswer>(&answer.body)).await?;
        let answer =
            read.map_err(|error| self.wire.outside(TRIED, format!("the answer cannot be read: {error}")))?;
        for doc in &answer.docs {
            if let Some(reason) = reason_of(&doc.error) {
                // With several shards, a missing index is told per document.
                let no_index = doc.error["type"] == "index_not_found_exception";
                return Err(if no_index { self.no_index(TRIED) } else { self.wire.outside(TRIED, reason) });
            }
        }
        Ok(answer.docs)
    }

    fn article(&self, answer: GetAnswer) -> Result<Option<Arc<Article>>> {
        let GetAnswer { id, document, .. } = answer;
        match document.map(Document::into_article) {
            None => Ok(None),
            Some(Some(article)) => Ok(Some(Arc::new(article))),
            Some(None) => Err(self.wire.user(
                "get articles",
                format!("the document {id} was not written by Abovefold: delete the index, then it is filled again"),
            )),
        }
    }

    /// The articles as they are now, in the order asked for. One round trip, a second one for what memory holds in an older version.
    pub(super) async fn get_by_number(&self, ids: &[ArticleId]) -> Result<Vec<Option<Arc<Article>>>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Of an article in memory only the version is asked for; all others come in the same round trip.
        let known: Vec<Option<Arc<Article>>> = {
            let mut recent = self.recent();
            ids.iter().map(|id| recent.any(*id)).collect()
        };
        let docs = ids.iter().zip(&known).map(|(id, known)| match known {
            Some(_) => json!({"_id": id.to_string(), "_source": false}),
            None => json!({"_id": id.to_string()}),
        });
        let mut articles = BTreeMap::new();
        let mut stale = Vec::new();
        for (answer, known) in self.get_many(docs.collect()).await?.into_iter().zip(known) {
            match known {
                Some(known) if answer.found && answer.version == known.offset.next().0 => {
                    articles.insert(known.id, known);
                }
                Some(known) if answer.found => stale.push(known.id),
                _ => {
                    if let Some(article) = self.article(answer)? {
                        self.recent().put(article.clone());
                        articles.insert(article.id, article);
                    }
                }
            }
        }
        articles.extend(self.fetch(&stale).await?);
        Ok(ids.iter().map(|id| articles.get(id).cloned()).collect())
    }
}
