//! One sample: counters and looks become a snapshot.

use abovefold_engine::Watched;
use abovefold_schemas::Timestamp;

use super::{
    counters::{Counters, Flow},
    history::Series,
    look::Looked,
    rates::Compared,
    snapshot::{
        ArmState, CacheState, EdgeState, FlowState, GruState, HttpState, NodeState, PartitionState,
        RouteState, ServedByState, Snapshot, StoppedState,
    },
};
use crate::http::{App, Seen, admin::log_counts, health};

/// The percentiles that are said.
const SHARES: [f64; 3] = [0.5, 0.95, 0.99];
/// Partitions that have a curve of their own.
const MOST_LAGS: usize = 32;

/// The dataflows that this process runs, the read path last.
pub(super) fn flows<'a>(app: &'a App, seen: &'a Seen) -> impl Iterator<Item = &'a Watched> {
    app.admin.watched.iter().chain([seen.query.watched().as_ref()])
}

/// All counters now.
pub(super) fn count(app: &App, seen: &Seen, now: Timestamp) -> Counters {
    let mut counters = Counters::read(&(app.metrics)(), now);
    counters.flows = flows(app, seen)
        .map(|flow| Flow {
            name: flow.graph.name.clone(),
            edges: flow.edges.iter().map(|edge| edge.read(now)).collect(),
            nodes: flow.nodes.iter().map(|node| node.read()).collect(),
        })
        .collect();
    counters
}

/// A snapshot of this moment.
pub(super) fn sample(app: &App, seen: &Seen, compared: &Compared, looked: &Looked, seq: u64) -> Snapshot {
    let flows = flow_states(flows(app, seen), compared);
    let partitions = partition_states(app, seen, looked);
    let (gru, cache, http) = (gru(seen, compared), cache(compared), http(compared));
    let trouble = app.models.shown().trouble;
    let rest = &looked.rest;
    let fallbacks = rest.edges.as_ref().map(|edges| health::fallbacks(seen, edges, trouble.as_deref()));
    Snapshot {
        at_ms: compared.now.at.0,
        seq,
        series: series(compared, &flows, &partitions, &gru, &cache, &http, rest.dead_letters),
        namespace: seen.namespace.clone(),
        watermark: seen.query.now().map(|now| now.to_rfc3339()),
        works: app.admin.works(),
        paused: app.admin.session.pause.is_set(),
        flows,
        partitions,
        gru,
        cache,
        http,
        served_by: served_by(compared),
        arms: arms(app, seen, compared),
        dead_letters: rest.dead_letters,
        namespaces: rest.namespaces.clone(),
        model: health::model(seen),
        models: rest.models.clone(),
        edges: rest.edges.clone(),
        fallbacks: fallbacks.unwrap_or_default(),
        reason: health::reason(app),
        log: log_counts(),
        time_machines: app.admin.machines.states(),
        pages: app.admin.live.pages(),
    }
}

fn flow_states<'a>(flows: impl Iterator<Item = &'a Watched>, compared: &Compared) -> Vec<FlowState> {
    let state = |(place, flow): (usize, &Watched)| {
        let counted = compared.now.flows.get(place);
        let edge = |(number, (from, to)): (usize, &(usize, usize))| match counted?.edges.get(number) {
            Some(_) => Some(edge_state(compared, place, number, (*from, *to))),
            None => Some(bare_state(compared, &flow.graph.name, number, (*from, *to))),
        };
        let node =
            |held: &abovefold_engine::Held| NodeState { held_rows: held.rows, open_windows: held.windows };
        FlowState {
            name: flow.graph.name.clone(),
            edges: flow.graph.edges.iter().enumerate().filter_map(edge).collect(),
            nodes: counted.map_or_else(Vec::new, |counted| counted.nodes.iter().map(node).collect()),
        }
    };
    flows.enumerate().map(state).collect()
}

/// An edge that counts.
fn edge_state(compared: &Compared, flow: usize, number: usize, (from, to): (usize, usize)) -> EdgeState {
    let read = |counters: &Counters| {
        let edges = counters.flows.get(flow).map(|flow| &flow.edges);
        edges.and_then(|edges| edges.get(number)).copied().unwrap_or_default()
    };
    let now = read(&compared.now);
    let waited = compared.rate(|counters| read(counters).waited.as_secs_f64());
    EdgeState {
        from,
        to,
        rows_per_s: compared.rate(|counters| read(counters).rows as f64).map(short),
        messages_per_s: compared.rate(|counters| read(counters).messages as f64).map(short),
        rows: Some(now.rows),
        queued: Some(now.queued),
        capacity: Some(now.capacity),
        waited: waited.map(|share| short(share.min(1.0))),
    }
}

/// An edge within one task, of which only what the task itself counts is known.
fn bare_state(compared: &Compared, flow: &str, number: usize, (from, to): (usize, usize)) -> EdgeState {
    let of: Option<fn(&Counters) -> f64> = match (flow, number) {
        ("articles", _) => Some(|counters| counters.articles_indexed),
        ("learner", 0) => Some(|counters| counters.learned_reads),
        ("learner", _) => Some(|counters| counters.learned_rows),
        _ => None,
    };
    EdgeState {
        from,
        to,
        rows_per_s: of.and_then(|of| compared.rate(of)).map(short),
        messages_per_s: None,
        rows: of.map(|of| of(&compared.now) as u64),
        queued: None,
        capacity: None,
        waited: None,
    }
}

fn partition_states(app: &App, seen: &Seen, looked: &Looked) -> Vec<PartitionState> {
    let watermarks = seen.query.watermarks();
    let stopped = app.troubles.list();
    let state = |partition: u32| {
        let place = partition as usize;
        let bounds = looked.bounds.get(place);
        let marker = looked.markers.get(place).copied().flatten();
        let is_here = |(_, number, _): &&(&'static str, u32, String)| *number == partition;
        PartitionState {
            partition,
            marker: marker.map(|marker| marker.0),
            log_begin: bounds.map(|bounds| bounds.begin.0),
            log_end: bounds.map(|bounds| bounds.end.0),
            lag: bounds.zip(marker).map(|(bounds, marker)| bounds.end.0.saturating_sub(marker.0)),
            watermark: watermarks.get(place).copied().flatten().map(|watermark| watermark.to_rfc3339()),
            stopped: stopped
                .iter()
                .filter(is_here)
                .map(|(dataflow, _, reason)| StoppedState {
                    dataflow: (*dataflow).into(),
                    reason: reason.clone(),
                })
                .collect(),
        }
    };
    (0..app.partitions).map(state).collect()
}

fn gru(seen: &Seen, compared: &Compared) -> GruState {
    let tile = seen.model.as_ref().map(|facts| facts.tile);
    let steps = compared.rate(|counters| counters.gru_steps);
    let tiles = compared.rate(|counters| counters.gru_tiles);
    let fill = steps.zip(tiles).zip(tile).filter(|((_, tiles), tile)| *tiles > 0.0 && *tile > 0);
    GruState {
        steps_per_s: steps.map(short),
        batch_fill: fill.map(|((steps, tiles), tile)| short((steps / (tiles * tile as f64)).min(1.0))),
        tile,
    }
}

fn cache(compared: &Compared) -> CacheState {
    let hits = |counters: &Counters| counters.cache.get("hit").copied().unwrap_or_default();
    let misses = |counters: &Counters| {
        let missed = ["miss", "stale"].iter().filter_map(|what| counters.cache.get(*what));
        missed.sum::<f64>()
    };
    let since = |of: &dyn Fn(&Counters) -> f64| {
        let before = compared.long_ago.as_ref().map_or(0.0, |then| of(then));
        (of(&compared.now) - before).max(0.0)
    };
    let (hit, missed) = (since(&hits), since(&misses));
    CacheState {
        hits_per_s: compared.rate(hits).map(short),
        misses_per_s: compared.rate(misses).map(short),
        hit_rate: (hit + missed > 0.0).then(|| short(hit / (hit + missed))),
    }
}

/// Whether a route is for readers and publishers.
fn is_public(route: &str) -> bool {
    let operators = ["/admin/", "/ops", "/metrics", "/health"];
    !operators.iter().any(|prefix| route.starts_with(prefix))
}

fn http(compared: &Compared) -> HttpState {
    let sum = |counters: &Counters, of: fn(&super::counters::Route) -> f64| {
        let routes = counters.routes.iter().filter(|(route, _)| is_public(route));
        routes.map(|(_, route)| of(route)).sum::<f64>()
    };
    let route = |name: &String| {
        let requests =
            |counters: &Counters| counters.routes.get(name).map_or(0.0, |counted| counted.requests);
        let [p50_ms, p95_ms, p99_ms] =
            compared.percentiles(|route| route == name, SHARES).map(|ms| ms.map(short));
        p50_ms.is_some().then(|| RouteState {
            route: name.clone(),
            requests_per_s: compared.rate(requests).map(short),
            p50_ms,
            p95_ms,
            p99_ms,
        })
    };
    let [p50_ms, p95_ms, p99_ms] = compared.percentiles(is_public, SHARES).map(|ms| ms.map(short));
    HttpState {
        requests_per_s: compared.rate(|counters| sum(counters, |route| route.requests)).map(short),
        errors_per_s: compared.rate(|counters| sum(counters, |route| route.errors)).map(short),
        p50_ms,
        p95_ms,
        p99_ms,
        routes: compared.now.routes.keys().filter_map(route).collect(),
    }
}

fn served_by(compared: &Compared) -> Vec<ServedByState> {
    let state = |(name, total): (&String, &f64)| ServedByState {
        served_by: name.clone(),
        per_s: compared.rate(|counters| counters.served_by.get(name).copied().unwrap_or_default()).map(short),
        total: *total as u64,
    };
    compared.now.served_by.iter().map(state).collect()
}

fn arms(app: &App, seen: &Seen, compared: &Compared) -> Vec<ArmState> {
    let Some(experiment) = seen.query.experiment() else { return Vec::new() };
    let total = |counters: &Counters, name: &str| counters.arms.get(name).copied().unwrap_or_default();
    let state = |arm: &std::sync::Arc<abovefold_operators::query::Arm>| ArmState {
        name: arm.name.clone(),
        share: short(experiment.share(arm)),
        namespace: app.reading.of_arm(&arm.name).map(|seen| seen.namespace.clone()),
        per_s: compared.rate(|counters| total(counters, &arm.name)).map(short),
        total: total(&compared.now, &arm.name) as u64,
    };
    experiment.arms().iter().map(state).collect()
}

/// The numbers that have a curve.
fn series(
    compared: &Compared,
    flows: &[FlowState],
    partitions: &[PartitionState],
    gru: &GruState,
    cache: &CacheState,
    http: &HttpState,
    dead_letters: Option<u64>,
) -> Series {
    let lags = partitions.iter().map(|partition| partition.lag.map(|lag| lag as f64));
    let all: Option<f64> = lags.clone().sum();
    let waited = flows.iter().flat_map(|flow| &flow.edges).filter_map(|edge| edge.waited);
    let windows = flows.iter().filter(|flow| flow.name == "write").flat_map(|flow| &flow.nodes);
    let open = windows.map(|node| node.open_windows as f64).sum::<f64>();
    let works = flows.iter().any(|flow| flow.name == "write");
    let events = compared
        .now
        .folded()
        .and_then(|_| compared.rate(|counters| counters.folded().unwrap_or_default() as f64));
    let mut series: Series = [
        ("lag", all),
        ("events_per_s", events.map(short)),
        ("requests_per_s", http.requests_per_s),
        ("p50_ms", http.p50_ms),
        ("p95_ms", http.p95_ms),
        ("p99_ms", http.p99_ms),
        ("gru_steps_per_s", gru.steps_per_s),
        ("gru_batch_fill", gru.batch_fill),
        ("cache_hit_rate", cache.hit_rate),
        ("dead_letters", dead_letters.map(|count| count as f64)),
        ("open_windows", works.then_some(open)),
        ("busiest_edge_waited", waited.reduce(f64::max)),
    ]
    .map(|(name, number)| (name.to_owned(), number))
    .into();
    let lags = lags.enumerate().take(MOST_LAGS);
    series.extend(lags.map(|(partition, lag)| (format!("lag.{partition}"), lag)));
    series
}

/// With four decimals: a page draws no more.
fn short(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}
