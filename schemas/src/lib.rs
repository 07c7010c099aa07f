//! Wire and table formats of Abovefold. This is the one crate that knows bytes.
//!
//! Every value that is kept starts with a format version; every format is pinned by a golden file in `tests/golden`.
// A panic needs a stated invariant: `expect("why this holds")`, never a bare unwrap.
#![warn(clippy::unwrap_used)]

pub mod article;
pub mod batch;
pub mod event;
pub mod ids;
pub mod kept;
pub mod keys;
pub mod learned;
pub mod marker;
mod reader;
pub mod records;
pub mod state;
pub mod tables;
pub mod windows;

pub use article::ArticleVersion;
pub use event::{Event, EventError, EventKind, EventRef};
pub use ids::{ArticleId, InvalidReaderId, ReaderId, Timestamp};
pub use kept::{Kept, KeptError};
pub use marker::{LastRecord, Marker, Offset};
