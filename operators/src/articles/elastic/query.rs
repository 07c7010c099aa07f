//! Searches: bodies, and what of their answers is used.

use abovefold_schemas::{ArticleId, Offset};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Filter;

/// The most candidates that Elasticsearch looks at per shard.
const MOST_CANDIDATES: usize = 10_000;
/// Number and offset are brought from doc values: neither ids nor documents are read from disk.
const NUMBERS: [&str; 2] = ["article_id", "offset"];
const NO_DOCUMENT: &str = "_none_";

/// An article in the version that a search has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: ArticleId,
    pub(super) offset: Offset,
}

/// One part of the answer to `_msearch`, or the answer to `_search`.
#[derive(Debug, Deserialize)]
pub(super) struct SearchAnswer {
    #[serde(default)]
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) error: Value,
    #[serde(default)]
    hits: SearchHits,
}

#[derive(Debug, Default, Deserialize)]
struct SearchHits {
    #[serde(default)]
    hits: Vec<SearchHit>,
}

#[derive(Debug, Deserialize)]
struct SearchHit {
    fields: HitFields,
}

#[derive(Debug, Deserialize)]
struct HitFields {
    article_id: [i64; 1],
    offset: [u64; 1],
}

/// The answer to `_msearch`.
#[derive(Debug, Deserialize)]
pub(super) struct MultiSearchAnswer {
    pub(super) responses: Vec<SearchAnswer>,
}

impl SearchAnswer {
    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = |hit: &SearchHit| Seen {
            id: ArticleId(hit.fields.article_id[0]),
            offset: Offset(hit.fields.offset[0]),
        };
        self.hits.hits.iter().map(seen).collect()
    }
}

/// The line that goes before each search of `_msearch`. Half an answer would be taken for a whole one.
pub(super) const SEARCH_HEADER: &str = "{\"allow_partial_search_results\":false}\n";

#[derive(Debug, Serialize)]
struct NearestSearch<'a> {
    size: usize,
    stored_fields: &'static str,
    docvalue_fields: [&'static str; 2],
    knn: Knn<'a>,
}

#[derive(Debug, Serialize)]
struct Knn<'a> {
    field: &'static str,
    query_vector: &'a [f32],
    k: usize,
    num_candidates: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Value>,
}

/// The nearest by cosine, as one line.
pub(super) fn nearest(direction: &[f32], k: usize, candidates: Option<usize>, filter: &Filter) -> String {
    let num_candidates = candidates.unwrap_or_else(|| (2 * k).max(200)).clamp(k, MOST_CANDIDATES);
    // Withdrawn articles have no vector, so without a filter of the caller's the graph is searched without one.
    let filter = (*filter != Filter::default()).then(|| conditions(filter));
    let knn = Knn { field: "vector", query_vector: direction, k, num_candidates, filter };
    let search = NearestSearch { size: k, stored_fields: NO_DOCUMENT, docvalue_fields: NUMBERS, knn };
    let mut line = serde_json::to_string(&search).expect("a search has no keys that are no texts");
    line.push('\n');
    line
}

/// The articles published last.
pub(super) fn newest(k: usize, filter: &Filter) -> Bytes {
    latest(k, &[conditions(filter)])
}

/// Those of them whose titles have all words of a text, the last of which may be unfinished.
pub(super) fn titled(text: &str, k: usize, filter: &Filter) -> Bytes {
    let words = json!({"match_bool_prefix": {"title": {"query": text, "operator": "and"}}});
    latest(k, &[conditions(filter), words])
}

fn latest(k: usize, conditions: &[Value]) -> Bytes {
    let body = json!({
        "size": k,
        "stored_fields": NO_DOCUMENT,
        "docvalue_fields": NUMBERS,
        "query": {"bool": {"filter": conditions}},
        "sort": [{"published": "desc"}, {"article_id": "asc"}],
        "track_total_hits": false,
    });
    body.to_string().into()
}

/// What counts the articles that are not withdrawn. The marker's document has no such field.
pub(super) fn count() -> Bytes {
    json!({"query": conditions(&Filter::default())}).to_string().into()
}

fn conditions(filter: &Filter) -> Value {
    let mut must = vec![json!({"term": {"withdrawn": false}})];
    if filter.published_from.is_some() || filter.published_until.is_some() {
        let mut range = json!({});
        if let Some(from) = filter.published_from {
            range["gte"] = from.0.into();
        }
        if let Some(until) = filter.published_until {
            range["lte"] = until.0.into();
        }
        must.push(json!({"range": {"published": range}}));
    }
    if !filter.categories.is_empty() {
        must.push(json!({"terms": {"category": filter.categories}}));
    }
    let mut conditions = json!({"filter": must});
    if !filter.exclude.is_empty() {
        let ids: Vec<String> = filter.exclude.iter().map(ToString::to_string).collect();
        conditions["must_not"] = json!([{"ids": {"values": ids}}]);
    }
    json!({"bool": conditions})
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::Timestamp;

    use super::*;

    #[test]
    fn a_search_is_one_line_with_the_vector_and_the_filter_inside() {
        let filter = Filter {
            exclude: vec![ArticleId(7)],
            published_from: Some(Timestamp(5)),
            published_until: None,
            categories: vec!["news \"}".into()],
        };
        let line = nearest(&[0.5, -1.0], 10, None, &filter);
        assert_eq!(line.matches('\n').count(), 1);
        let body: Value = serde_json::from_str(&line).unwrap();
        let knn = &body["knn"];
        assert_eq!(knn["query_vector"], json!([0.5, -1.0]));
        assert_eq!((&knn["k"], &knn["num_candidates"], &body["size"]), (&json!(10), &json!(200), &json!(10)));
        let filter = &knn["filter"]["bool"];
        assert_eq!(filter["must_not"], json!([{"ids": {"values": ["7"]}}]));
        assert_eq!(filter["filter"][1], json!({"range": {"published": {"gte": 5}}}));
        assert_eq!(filter["filter"][2], json!({"terms": {"category": ["news \"}"]}}));
    }

    #[test]
    fn without_a_filter_the_graph_is_searched_without_one() {
        let body: Value = serde_json::from_str(&nearest(&[1.0], 300, Some(10), &Filter::default())).unwrap();
        assert!(body["knn"]["filter"].is_null());
        assert_eq!(body["knn"]["num_candidates"], 300, "never fewer than k");
        let body: Value = serde_json::from_str(&nearest(&[1.0], 9_000, None, &Filter::default())).unwrap();
        assert_eq!(body["knn"]["num_candidates"], 10_000, "never more than the server takes");
    }

    #[test]
    fn titles_are_searched_among_what_passes_the_filter() {
        let body: Value = serde_json::from_slice(&titled("council \"}", 5, &Filter::default())).unwrap();
        let filter = &body["query"]["bool"]["filter"];
        assert_eq!(filter[0]["bool"]["filter"][0], json!({"term": {"withdrawn": false}}));
        assert_eq!(
            filter[1]["match_bool_prefix"]["title"],
            json!({"query": "council \"}", "operator": "and"})
        );
        assert_eq!((&body["size"], &body["sort"][0]), (&json!(5), &json!({"published": "desc"})));
    }
}
