//! The dataflow runtime of Abovefold: time, epochs, partitions, state and failure. It knows nothing of news.
//!
//! > A partition's stored state is, at every moment, exactly the fold of that partition's log up to its marker.

pub mod error;
pub mod log;
pub mod state;

pub use error::{EngineError, Fault, Result};
