//! The bare search of Elasticsearch: what an answer would take if there were nothing but it.

use std::{sync::Arc, time::Instant};

use abovefold_engine::{
    log::partition_of,
    state::{StateStore, Tag, open},
};
use abovefold_schemas::{Kept, ReaderId, keys::reader_key, state::ReaderState};
use anyhow::Context;
use serde_json::json;

use super::{
    Options,
    client::Client,
    tally::{Outcome, Sample},
};

/// Candidates of a search, and what Elasticsearch is told to look at for them, as the program has them by default.
const K: usize = 100;
const CANDIDATES: usize = 200;
const PARTITIONS: u32 = 4;

/// Asks Elasticsearch what the program asks it, with the same vectors.
#[derive(Clone, Debug)]
pub struct Bare {
    store: Arc<dyn StateStore>,
    url: String,
}

impl Bare {
    /// One for these edges; `None` where they are embedded: then nobody but their owner can ask them.
    ///
    /// # Errors
    /// When the state store cannot be opened.
    pub async fn open(options: &Options) -> anyhow::Result<Option<Self>> {
        if !options.articles.starts_with("http") || !options.state.starts_with("redis") {
            return Ok(None);
        }
        let store = open(&options.state, &Default::default()).await.context("open the state")?;
        let url = format!("{}/_search", options.articles.trim_end_matches('/'));
        Ok(Some(Self { store, url }))
    }

    /// What a reader's search is made with; `None` where it has no session embedding.
    pub async fn search_of(&self, reader: &str) -> Option<String> {
        let reader = ReaderId::new(reader).ok()?;
        let partition = partition_of(reader.as_bytes(), PARTITIONS);
        let tag = Tag { namespace: "main".into(), partition };
        let snapshot = self.store.read(&tag, &[reader_key(&reader)], &[]).await.ok()?;
        let state = ReaderState::from_kept(&snapshot.values.into_iter().next()??.bytes).ok()?;
        let four = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let session: Vec<f32> = state.hidden[state.hidden.len() / 2..].chunks_exact(4).map(four).collect();
        let read: Vec<i64> = state.reads.iter().map(|read| read.article_id).collect();
        let filter = json!({"bool": {"must_not": [{"terms": {"article_id": read}}]}});
        let knn = json!({
            "field": "vector", "query_vector": session, "k": K, "num_candidates": CANDIDATES, "filter": filter,
        });
        let search = json!({
            "size": K, "stored_fields": "_none_", "docvalue_fields": ["article_id", "offset"], "knn": knn,
        });
        (!session.is_empty()).then(|| search.to_string())
    }

    /// One search, and how long it took.
    pub async fn search(&self, client: &Client, search: String) -> Sample {
        client.post(Instant::now(), &self.url, search).await.sample
    }
}

/// What is left of an answer's time without the bare search's; nothing where either failed.
pub fn share(answer: Sample, bare: Sample) -> Option<Sample> {
    let both = answer.outcome == Outcome::Answered && bare.outcome == Outcome::Answered;
    both.then(|| Sample { seconds: (answer.seconds - bare.seconds).max(0.0), ..answer })
}
