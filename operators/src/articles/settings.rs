//! What can be set about the article edge beside its URL.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::HnswSettings;

/// Settings of the article edge. All but `hnsw` concern Elasticsearch.
///
/// `Debug` masks the secrets; `Serialize` does not (it is meant for reading defaults, not for showing).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArticleSettings {
    /// An API key as Elasticsearch gives it out (`encoded`: Base64 of `id:key`). Goes before user and password.
    pub api_key: Option<String>,
    /// A user's name, where the URL holds none.
    pub user: Option<String>,
    /// That user's password.
    pub password: Option<String>,
    /// A PEM file with the certificates that the server's certificate may be signed by, beside the well-known ones.
    pub ca_certificate: Option<PathBuf>,
    /// The name of the vector space. It becomes part of the index's name, and an index of another space is refused.
    pub vector_space: Option<String>,
    /// How vectors are indexed: `int8_hnsw`, `hnsw`, `bbq_hnsw`, `int4_hnsw`, or one of the exact ones, `flat`, `int8_flat`.
    /// Takes effect when the index is made.
    pub index_type: String,
    /// Links per node of the HNSW graph.
    pub m: u32,
    /// Candidates that are looked at when a node is linked.
    pub ef_construction: u32,
    /// Candidates that a search looks at per shard; unset: twice `k`, at least 200.
    pub num_candidates: Option<usize>,
    /// Primary shards of the index. Takes effect when it is made.
    pub shards: u32,
    /// Replicas of each shard; unset: one as soon as there is a second node. Takes effect when the index is made.
    pub replicas: Option<u32>,
    /// How many articles this process keeps in memory, so that a search brings numbers only.
    pub cached_articles: usize,
    /// How long one attempt of a search may take, in milliseconds.
    pub search_timeout_ms: u64,
    /// How long one attempt of anything else may take, in milliseconds.
    pub write_timeout_ms: u64,
    /// The graph of the embedded make. In a configuration it has a section of its own.
    #[serde(skip)]
    pub hnsw: HnswSettings,
}

impl Default for ArticleSettings {
    fn default() -> Self {
        Self {
            api_key: None,
            user: None,
            password: None,
            ca_certificate: None,
            vector_space: None,
            index_type: "int8_hnsw".into(),
            m: 16,
            ef_construction: 100,
            num_candidates: None,
            shards: 1,
            replicas: None,
            cached_articles: 50_000,
            search_timeout_ms: 2_000,
            write_timeout_ms: 30_000,
            hnsw: HnswSettings::default(),
        }
    }
}

impl fmt::Debug for ArticleSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = |secret: &Option<String>| secret.as_ref().map(|_| "***");
        f.debug_struct("ArticleSettings")
            .field("api_key", &masked(&self.api_key))
            .field("user", &self.user)
            .field("password", &masked(&self.password))
            .field("ca_certificate", &self.ca_certificate)
            .field("vector_space", &self.vector_space)
            .field("index_type", &self.index_type)
            .field("m", &self.m)
            .field("ef_construction", &self.ef_construction)
            .field("num_candidates", &self.num_candidates)
            .field("shards", &self.shards)
            .field("replicas", &self.replicas)
            .field("cached_articles", &self.cached_articles)
            .field("search_timeout_ms", &self.search_timeout_ms)
            .field("write_timeout_ms", &self.write_timeout_ms)
            .field("hnsw", &self.hnsw)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_when_settings_are_shown() {
        let settings = ArticleSettings {
            api_key: Some("KEY-SECRET".into()),
            password: Some("WORD-SECRET".into()),
            ..ArticleSettings::default()
        };
        assert!(!format!("{settings:?}").contains("SECRET"));
    }
}
