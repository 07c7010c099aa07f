//! What a page is told: the history once, then one snapshot after the other. Each is whole, so that a page may miss some.

use abovefold_engine::Graph;
use serde::Serialize;
use utoipa::ToSchema;

use super::history::{Curves, Series};
use crate::http::{
    admin::{machines::MachineState, namespaces::NamespaceState},
    health::{Edges, InItsPlace, ModelHealth},
    models::NamedModel,
};

/// An event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what server-sent events are made of, for the OpenAPI document")]
pub(in crate::http) struct LiveEvent {
    /// `history` once, then `snapshot` again and again.
    event: String,
    /// JSON by the schema `History` or `Snapshot`.
    data: String,
}

/// The first event, `history`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct History {
    /// How often snapshots come, in milliseconds.
    pub(super) every_ms: u64,
    /// The dataflows that this process runs.
    #[schema(value_type = Vec<DataflowGraph>)]
    pub(super) graphs: Vec<Graph>,
    /// The last quarter of an hour, a point a second.
    #[serde(flatten)]
    pub(super) curves: Curves,
}

/// A dataflow as it describes itself.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the engine's own type, which knows nothing of OpenAPI")]
pub(in crate::http) struct DataflowGraph {
    /// Its name.
    name: String,
    /// Its steps, sources first.
    nodes: Vec<DataflowNode>,
    /// From which node to which, by their place in `nodes`.
    edges: Vec<[usize; 2]>,
}

/// A step of a dataflow.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the engine's own type, which knows nothing of OpenAPI")]
pub(in crate::http) struct DataflowNode {
    name: String,
    /// `source`, `operator` or `sink`.
    kind: String,
    /// The type of what goes in; null for a source.
    takes: Option<String>,
    /// The type of what comes out; null for a sink.
    emits: Option<String>,
}

/// Every other event, `snapshot`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Snapshot {
    /// Milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Counts the samples of this process, those that no page was told included.
    pub(super) seq: u64,
    /// The next point of each curve of the history, by name.
    #[schema(value_type = std::collections::BTreeMap<String, Option<f64>>)]
    pub(super) series: Series,
    /// The namespace that readers see.
    pub(super) namespace: String,
    /// Its watermark (RFC 3339); null where nothing is folded.
    pub(super) watermark: Option<String>,
    /// Whether this process folds, and not only serves.
    pub(super) works: bool,
    /// Whether its worker rests because an operator wants it to.
    pub(super) paused: bool,
    /// One for each of the history's graphs, in their order.
    pub(super) flows: Vec<FlowState>,
    /// By number.
    pub(super) partitions: Vec<PartitionState>,
    pub(super) gru: GruState,
    pub(super) cache: CacheState,
    pub(super) http: HttpState,
    /// Slates by the path that served them.
    pub(super) served_by: Vec<ServedByState>,
    /// The arms of the experiment, if one runs.
    pub(super) arms: Vec<ArmState>,
    /// How many there are; null where the log does not say.
    pub(super) dead_letters: Option<u64>,
    pub(super) namespaces: Vec<NamespaceState>,
    /// The model that serves; null where none does.
    pub(super) model: Option<ModelHealth>,
    /// Those of the models folder.
    pub(super) models: Vec<NamedModel>,
    /// Null before they were looked at.
    pub(super) edges: Option<Edges>,
    /// What serves in the place of what failed.
    pub(super) fallbacks: Vec<InItsPlace>,
    /// Why readers do not see what they should, or what stands still; null where all is well.
    pub(super) reason: Option<String>,
    pub(super) log: LogCounts,
    pub(super) time_machines: Vec<MachineState>,
    /// Pages that are open.
    pub(super) pages: usize,
}

/// A dataflow as it runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct FlowState {
    pub(super) name: String,
    /// One for each edge of its graph, in their order.
    pub(super) edges: Vec<EdgeState>,
    /// One for each node of its graph, in their order; none where the steps are one task.
    pub(super) nodes: Vec<NodeState>,
}

/// What flows along an edge.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct EdgeState {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Null where it is not measured, or there was no second yet.
    pub(super) rows_per_s: Option<f64>,
    pub(super) messages_per_s: Option<f64>,
    /// All rows so far.
    pub(super) rows: Option<u64>,
    /// Messages that wait; null where nothing lies between the steps.
    pub(super) queued: Option<usize>,
    /// How many may wait.
    pub(super) capacity: Option<usize>,
    /// The share of the last second that the sender waited for room, 0 to 1: back-pressure.
    pub(super) waited: Option<f64>,
}

/// What a step holds back.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct NodeState {
    pub(super) held_rows: usize,
    pub(super) open_windows: usize,
}

/// A partition of the events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct PartitionState {
    pub(super) partition: u32,
    /// The first offset that is not folded; null where nothing is, or the store does not say.
    pub(super) marker: Option<u64>,
    pub(super) log_begin: Option<u64>,
    pub(super) log_end: Option<u64>,
    pub(super) lag: Option<u64>,
    /// The latest event time folded (RFC 3339).
    pub(super) watermark: Option<String>,
    /// Why it stands still; empty where it does not.
    pub(super) stopped: Vec<StoppedState>,
}

/// A partition that stands still.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct StoppedState {
    pub(super) dataflow: String,
    pub(super) reason: String,
}

/// The session model; what time machines replay is counted as well.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct GruState {
    pub(super) steps_per_s: Option<f64>,
    /// How full its tiles were, 0 to 1; null where none ran.
    pub(super) batch_fill: Option<f64>,
    /// Rows of a tile; null without a model.
    pub(super) tile: Option<usize>,
}

/// Candidates that were kept for a reader.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct CacheState {
    pub(super) hits_per_s: Option<f64>,
    pub(super) misses_per_s: Option<f64>,
    /// Over the last ten seconds, 0 to 1; null where nobody asked.
    pub(super) hit_rate: Option<f64>,
}

/// Requests of readers and publishers (not of operators).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct HttpState {
    pub(super) requests_per_s: Option<f64>,
    /// Answered with a 5xx.
    pub(super) errors_per_s: Option<f64>,
    /// Over the last ten seconds; null where nobody asked.
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    /// Those that were asked for in the last ten seconds.
    pub(super) routes: Vec<RouteState>,
}

/// The requests of a route.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct RouteState {
    pub(super) route: String,
    pub(super) requests_per_s: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// Slates of one path.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct ServedByState {
    pub(super) served_by: String,
    pub(super) per_s: Option<f64>,
    pub(super) total: u64,
}

/// An arm of the experiment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::http) struct ArmState {
    pub(super) name: String,
    /// Of all readers, 0 to 1.
    pub(super) share: f64,
    /// The namespace that its readers see instead; null where it is the one of all others.
    pub(super) namespace: Option<String>,
    pub(super) per_s: Option<f64>,
    pub(super) total: u64,
}

/// Lines of the log since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct LogCounts {
    pub(in crate::http) warnings: u64,
    pub(in crate::http) errors: u64,
}
