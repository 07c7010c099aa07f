//! The real index behind the alias: how it is made, and what is asked of one that is there.

use abovefold_engine::Result;
use abovefold_models::WIDTH;
use bytes::Bytes;
use elasticsearch::http::Method;
use serde_json::{Map, Value, json};

use super::{
    super::ArticleSettings,
    wire::{Answer, Patience, Request, Wire},
};

/// The version of the mapping. It grows when documents of the old one no longer serve.
const FORMAT: u64 = 1;

/// One life of the index: deleted and made again, it has another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incarnation {
    /// The real index, such as `news-000001`.
    pub(super) index: String,
    /// The server's id of it.
    pub(super) uuid: String,
}

/// The index that an alias stands for, and how to make it.
#[derive(Clone, Debug)]
pub(super) struct IndexPlan {
    alias: String,
    settings: ArticleSettings,
}

impl IndexPlan {
    pub(super) fn new(alias: &str, settings: &ArticleSettings) -> Self {
        Self { alias: alias.to_owned(), settings: settings.clone() }
    }

    /// Finds the index, or makes it with the alias in front, and looks whether it can hold our articles.
    pub(super) async fn ensure(&self, wire: &Wire, patience: Patience) -> Result<Incarnation> {
        let tried = "look at the index of the articles";
        let get = || Request { method: Method::Get, path: &self.alias, query: &[], body: None };
        let mut answer = wire.send(tried, get(), patience).await?;
        if answer.status == 404 {
            self.create(wire, patience).await?;
            answer = wire.send(tried, get(), patience).await?;
            if answer.status == 404 {
                return Err(wire.user(
                    tried,
                    format!(
                        "the index {} is there but the alias {} is not: point the alias at it, or delete the index, then it is filled again",
                        self.index_name(),
                        self.alias
                    ),
                ));
            }
        }
        self.inspect(wire, tried, &answer)
    }

    /// Finds the index without making it; `None` where there is none.
    pub(super) async fn find(&self, wire: &Wire, patience: Patience) -> Result<Option<Incarnation>> {
        let tried = "look at the index of the articles";
        let get = Request { method: Method::Get, path: &self.alias, query: &[], body: None };
        let answer = wire.send(tried, get, patience).await?;
        if answer.status == 404 { Ok(None) } else { self.inspect(wire, tried, &answer).map(Some) }
    }

    async fn create(&self, wire: &Wire, patience: Patience) -> Result<()> {
        let tried = "make the index of the articles";
        let name = self.index_name();
        let body = Bytes::from(self.definition().to_string());
        let put = Request { method: Method::Put, path: &name, query: &[], body: Some(body) };
        let answer = wire.send(tried, put, patience).await?;
        // Somebody else, or our own earlier attempt, may have been quicker.
        let is_there = answer.status == 400 && answer.reason().contains("already exists");
        if answer.status >= 300 && !is_there {
            return Err(wire.unexpected(tried, &answer));
        }
        tracing::info!(articles = wire.shown, index = name, "made an empty index of articles");
        Ok(())
    }

    fn index_name(&self) -> String {
        match &self.settings.vector_space {
            Some(space) => {
                let fits = |character: &char| character.is_ascii_alphanumeric() || "-_.".contains(*character);
                let space: String = space.chars().filter(fits).collect::<String>().to_ascii_lowercase();
                format!("{}-{space}-000001", self.alias)
            }
            None => format!("{}-000001", self.alias),
        }
    }

    /// Settings, mapping and alias, which the server takes as one.
    fn definition(&self) -> Value {
        let settings = &self.settings;
        let mut index_options = json!({"type": settings.index_type});
        if settings.index_type.ends_with("hnsw") {
            index_options["m"] = settings.m.into();
            index_options["ef_construction"] = settings.ef_construction.into();
        }
        // An explicit interval keeps an index that nobody searches for a while from falling behind.
        let mut index = json!({"number_of_shards": settings.shards, "refresh_interval": "1s"});
        match settings.replicas {
            Some(replicas) => index["number_of_replicas"] = replicas.into(),
            None => index["auto_expand_replicas"] = "0-1".into(),
        }
        // A longer keyword than Lucene takes would refuse the whole document.
        let keyword = json!({"type": "keyword", "ignore_above": 256});
        let kept_only = json!({"type": "text", "index": false});
        json!({
            "settings": {"index": index},
            "aliases": {&self.alias: {"is_write_index": true}},
            "mappings": {
                "dynamic": false,
                "_meta": {"format": FORMAT, "vector_space": settings.vector_space},
                "_source": {"excludes": ["vector"]},
                "properties": {
                    "article_id": {"type": "long"},
                    "offset": {"type": "long", "index": false},
                    "title": {"type": "text"},
                    "subtitle": kept_only,
                    "body": kept_only,
                    "category": keyword,
                    "topics": keyword,
                    // Milliseconds. The type `date` refuses some moments that a topic may hold.
                    "published": {"type": "long"},
                    "withdrawn": {"type": "boolean"},
                    "vector": {
                        "type": "dense_vector",
                        "dims": WIDTH,
                        "index": true,
                        "similarity": "cosine",
                        "index_options": index_options,
                    },
                    "marker": {"type": "object", "enabled": false},
                },
            },
        })
    }

    fn inspect(&self, wire: &Wire, tried: &str, answer: &Answer) -> Result<Incarnation> {
        let indices: Map<String, Value> = answer.read(wire, tried)?;
        let alias = &self.alias;
        let (index, found) = match indices.iter().next() {
            Some(only) if indices.len() == 1 => only,
            _ => {
                let names = indices.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(wire.user(
                    tried,
                    format!("the alias {alias} stands for several indices ({names}): leave it one"),
                ));
            }
        };
        if index == alias {
            return Err(wire.user(
                tried,
                format!("{alias} is an index, but an alias is needed so that the index can be exchanged: name another in the URL"),
            ));
        }
        let mappings = &found["mappings"];
        let vector = &mappings["properties"]["vector"];
        if mappings["_meta"]["format"] != FORMAT
            || vector["dims"] != WIDTH
            || vector["similarity"] != "cosine"
        {
            return Err(wire.user(
                tried,
                format!(
                    "the index {index} was not made by this version of Abovefold (it wants mapping {FORMAT}, {WIDTH} dimensions, cosine): \
                     name another in the URL, or delete it, then it is filled again"
                ),
            ));
        }
        let space = mappings["_meta"]["vector_space"].as_str();
        if space != self.settings.vector_space.as_deref() {
            return Err(wire.user(
                tried,
                format!(
                    "the index {index} holds vectors of the space {}, not of {}: name another index in the URL",
                    space.unwrap_or("without a name"),
                    self.settings.vector_space.as_deref().unwrap_or("without a name")
                ),
            ));
        }
        match found["settings"]["index"]["uuid"].as_str() {
            Some(uuid) => Ok(Incarnation { index: index.clone(), uuid: uuid.to_owned() }),
            None => {
                Err(wire
                    .outside(tried, "the answer names no uuid of the index; is this Elasticsearch 8 or 9?"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_index_has_no_graph_settings_and_the_space_is_in_the_name() {
        let settings = ArticleSettings {
            index_type: "flat".into(),
            vector_space: Some("Text 2/v1".into()),
            replicas: Some(2),
            ..ArticleSettings::default()
        };
        let plan = IndexPlan::new("news", &settings);
        assert_eq!(plan.index_name(), "news-text2v1-000001");
        let definition = plan.definition();
        assert_eq!(definition["mappings"]["properties"]["vector"]["index_options"], json!({"type": "flat"}));
        assert_eq!(definition["settings"]["index"]["number_of_replicas"], 2);
        let default = IndexPlan::new("news", &ArticleSettings::default());
        let options = &default.definition()["mappings"]["properties"]["vector"]["index_options"];
        assert_eq!(*options, json!({"type": "int8_hnsw", "m": 16, "ef_construction": 100}));
        assert_eq!(default.index_name(), "news-000001");
    }
}
