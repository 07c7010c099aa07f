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

/// The threads that dataflows of benchmarks run in: one for each processor.
///
/// # Panics
/// When the system gives no threads.
pub fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be had")
}
