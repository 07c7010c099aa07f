//! What the metrics registry says, as far as the operations page draws it, at one moment.

use std::collections::BTreeMap;

use abovefold_engine::meter::{EdgeReading, Held};
use abovefold_models::metrics::{GRU_STEPS, GRU_TILES};
use abovefold_operators::{
    metrics::{ARTICLES_INDEXED, LEARNED_READS, LEARNED_ROWS},
    query::metrics::{ARM_REQUESTS, CACHE, REQUESTS as SLATES},
};
use abovefold_schemas::Timestamp;

use crate::http::metrics::{REQUEST_SECONDS, REQUESTS};

/// Counters that only rise, and gauges, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counters {
    pub(super) at: Timestamp,
    pub(super) gru_steps: f64,
    pub(super) gru_tiles: f64,
    /// By what became of cached candidates.
    pub(super) cache: BTreeMap<String, f64>,
    pub(super) served_by: BTreeMap<String, f64>,
    /// Requests by arm.
    pub(super) arms: BTreeMap<String, f64>,
    pub(super) routes: BTreeMap<String, Route>,
    pub(super) articles_indexed: f64,
    pub(super) learned_reads: f64,
    pub(super) learned_rows: f64,
    /// By dataflow.
    pub(super) flows: Vec<Flow>,
}

/// A dataflow's own counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Flow {
    pub(super) name: String,
    pub(super) edges: Vec<EdgeReading>,
    pub(super) nodes: Vec<Held>,
}

/// The requests of a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Route {
    pub(super) requests: f64,
    /// Those that were answered with a 5xx.
    pub(super) errors: f64,
    /// For each bound in seconds, how many took at most so long; the last bound is infinite.
    pub(super) buckets: Vec<(f64, f64)>,
}

impl Counters {
    /// Records that the write path of this process took in, and no replay beside it; `None` where it has none.
    pub(super) fn folded(&self) -> Option<u64> {
        let write = self.flows.iter().find(|flow| flow.name == "write")?;
        write.edges.first().map(|edge| edge.rows)
    }

    /// Out of the text that Prometheus reads. Lines that are none of these are passed over.
    pub(super) fn read(text: &str, at: Timestamp) -> Self {
        let mut counters = Self { at, ..Self::default() };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(Line::parse).for_each(|line| counters.take(line));
        counters
    }

    fn take(&mut self, line: Line<'_>) {
        let Line { name, value, .. } = line;
        match name {
            GRU_STEPS => self.gru_steps += value,
            GRU_TILES => self.gru_tiles += value,
            CACHE => *self.cache.entry(line.label("what")).or_default() += value,
            SLATES => *self.served_by.entry(line.label("served_by")).or_default() += value,
            ARM_REQUESTS => *self.arms.entry(line.label("arm")).or_default() += value,
            ARTICLES_INDEXED => self.articles_indexed += value,
            LEARNED_READS => self.learned_reads += value,
            LEARNED_ROWS => self.learned_rows += value,
            REQUESTS => {
                let route = self.routes.entry(line.label("route")).or_default();
                route.requests += value;
                if line.label("status").starts_with('5') {
                    route.errors += value;
                }
            }
            bucket if bucket.strip_suffix("_bucket") == Some(REQUEST_SECONDS) => {
                let bound = line.label("le").parse().unwrap_or(f64::INFINITY);
                self.routes.entry(line.label("route")).or_default().buckets.push((bound, value));
            }
            _ => {}
        }
    }
}

/// A sample in Prometheus' text format: `name{label="value",...} 1.5`.
struct Line<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (head, ""),
        };
        Some(Self { name, labels, value: value.parse().ok()? })
    }

    /// A label's value; empty where there is none.
    fn label(&self, name: &str) -> String {
        let mut rest = self.labels;
        while let Some((label, after)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut characters = after.char_indices();
            let mut end = after.len();
            while let Some((place, character)) = characters.next() {
                match character {
                    '"' => {
                        end = place + 1;
                        break;
                    }
                    '\\' => match characters.next() {
                        Some((_, 'n')) => value.push('\n'),
                        Some((_, other)) => value.push(other),
                        None => {}
                    },
                    other => value.push(other),
                }
            }
            if label.trim_start_matches(',') == name {
                return value;
            }
            rest = &after[end..];
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_text_is_read() {
        let text = "\
# HELP abovefold_http_requests_total Requests
abovefold_http_requests_total{route=\"/recommend\",status=\"200\"} 40
abovefold_http_requests_total{route=\"/recommend\",status=\"503\"} 2
abovefold_http_request_seconds_bucket{route=\"/recommend\",le=\"0.001\"} 30
abovefold_http_request_seconds_bucket{route=\"/recommend\",le=\"+Inf\"} 42
abovefold_http_request_seconds_sum{route=\"/recommend\"} 0.5
abovefold_models_gru_steps_total 120
abovefold_query_requests_total{served_by=\"trees\"} 5
abovefold_query_arm_requests_total{arm=\"a \\\"b\\\", c\",served_by=\"trees\"} 3
abovefold_query_arm_requests_total{arm=\"a \\\"b\\\", c\",served_by=\"knn\"} 1
nonsense
";
        let counters = Counters::read(text, Timestamp(5));
        let route = &counters.routes["/recommend"];
        assert_eq!((route.requests, route.errors), (42.0, 2.0));
        assert_eq!(route.buckets, [(0.001, 30.0), (f64::INFINITY, 42.0)]);
        assert!((counters.gru_steps - 120.0).abs() < 1e-9);
        assert_eq!(counters.served_by, [("trees".to_owned(), 5.0)].into());
        assert_eq!(counters.arms, [("a \"b\", c".to_owned(), 4.0)].into());
    }
}
