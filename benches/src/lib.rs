//! Benchmarks: each one measured beside its limit or baseline, interleaved, in the same run. `make bench` prints one table.
//!
//! Figures of different runs cannot be compared: the machine is shared. The ratios can.

pub mod gru;
pub mod pipeline;
pub mod rerank;
pub mod row;
pub mod scan;
