//! Benchmarks: each one measured beside its limit or baseline, interleaved, in the same run. `make bench` prints one table.
//!
//! Figures of different runs cannot be compared: the machine is shared. The ratios can.
// A panic needs a stated invariant: `expect("why this holds")`, never a bare unwrap.
#![warn(clippy::unwrap_used)]

pub mod epochs;
pub mod gru;
pub mod load;
pub mod model;
pub mod picture;
pub mod pipeline;
pub mod replay;
pub mod rerank;
pub mod results;
pub mod row;
pub mod scale;
pub mod scan;
