//! Wire and table formats of Abovefold. This is the one crate that knows bytes.
//!
//! Every value that is kept starts with a format version; every format is pinned by a golden file in `tests/golden`.

pub mod ids;
pub mod marker;

pub use marker::{LastRecord, Marker, Offset};
pub use ids::{ArticleId, InvalidReaderId, ReaderId, Timestamp};
