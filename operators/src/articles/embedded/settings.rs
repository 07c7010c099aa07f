//! When the embedded make searches by a graph, and how that graph is made.

use serde::{Deserialize, Serialize};

/// How the graph keeps the vectors that it finds its way by. The cosines of what it finds are always those of the whole vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphPrecision {
    /// As they are, 4 bytes a number.
    F32,
    /// 2 bytes: the range of `f32`, 8 bits of its precision.
    Bf16,
    /// 2 bytes: 11 bits of precision.
    F16,
    /// 1 byte.
    #[default]
    I8,
}

/// Settings of the HNSW graph (Malkov and Yashunin, 2016) that takes the place of the exact scan. The defaults are those that were measured
/// (`docs/measurements.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HnswSettings {
    /// From so many articles with a vector on there is a graph; below, the exact scan.
    pub from_articles: usize,
    /// Links of a node to its neighbours; twice as many on the lowest level.
    pub m: usize,
    /// Candidates that are looked at when an article is linked.
    pub ef_construction: usize,
    /// Candidates that a search keeps; it never keeps fewer than it is asked for.
    pub ef_search: usize,
    /// How the graph keeps vectors.
    pub precision: GraphPrecision,
    /// Threads that build a graph beside everything else; 0: half of what the machine has.
    pub build_threads: usize,
}

impl Default for HnswSettings {
    fn default() -> Self {
        Self {
            from_articles: 20_000,
            m: 16,
            ef_construction: 128,
            ef_search: 200,
            precision: GraphPrecision::I8,
            build_threads: 0,
        }
    }
}

impl HnswSettings {
    /// Threads that build a graph, at least one.
    pub(super) fn builders(&self) -> usize {
        match self.build_threads {
            0 => std::thread::available_parallelism().map_or(1, |threads| threads.get() / 2).max(1),
            threads => threads,
        }
    }
}
