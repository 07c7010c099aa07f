//! The dataflow runtime of Abovefold: time, epochs, partitions, state and failure. It knows nothing of news.
//!
//! > A partition's stored state is, at every moment, exactly the fold of that partition's log up to its marker.

pub mod dataflow;
pub mod error;
pub mod log;
pub mod metrics;
pub mod operator;
pub mod runtime;
pub mod state;

pub use dataflow::{Dataflow, Graph, Stage};
pub use error::{EngineError, Fault, Result};
pub use operator::{Emitter, Operator};
pub use runtime::Runtime;
