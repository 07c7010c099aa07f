//! The dataflow runtime of Abovefold: time, epochs, partitions, state and failure. It knows nothing of news.
//!
//! > A partition's stored state is, at every moment, exactly the fold of that partition's log up to its marker.
//!
//! A partitioned dataflow is [`PartitionedSource`] -> operators -> [`TumblingWindow`] -> operators -> [`EpochSink`]; what flows is a
//! [`Feed`]. A dataflow is described ([`Graph`]) before it runs. [`time`] folds events into windows of event time.
// A panic needs a stated invariant: `expect("why this holds")`, never a bare unwrap.
#![warn(clippy::unwrap_used)]

#[doc = include_str!("../docs/promise.md")]
pub mod promise {}

pub mod admit;
pub mod dataflow;
pub mod error;
pub mod feed;
pub mod graph;
mod lanes;
pub mod log;
pub mod meter;
pub mod metrics;
pub mod operator;
pub mod pause;
pub mod retry;
pub mod runtime;
pub mod sink;
pub mod source;
pub mod state;
pub mod time;
pub mod trouble;
pub mod window;

pub use admit::Admit;
pub use dataflow::{Dataflow, Stage};
pub use error::{EngineError, Fault, Result};
pub use feed::{Epoch, Feed, Feedback, Lease, Run, Signal};
pub use graph::{Graph, Node, NodeKind};
pub use meter::{Held, Watched};
pub use operator::{Emitter, Operator};
pub use pause::Pause;
pub use retry::Backoff;
pub use runtime::{Runtime, Simulation, Stuck, Task, TaskError};
pub use sink::EpochSink;
pub use source::{PartitionedSource, SourceSettings};
pub use trouble::Troubles;
pub use window::{TumblingWindow, WindowSettings};
