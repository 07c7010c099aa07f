//! The fold: a pure function of (state, record, articles as of the record).
//!
//! No clock, no randomness, no dependence on how records were batched: the same log gives the same bytes of state.
//!
//! - [`reader`]: reads, amendments, preferences, profile, forgetting
//! - [`steps`]: the GRU, one step a read, batched over readers
//! - [`trends`]: decayed counts and also-read, per article and partition
//! - [`summary`]: a partition's watermark and origins of copies
//! - [`active`]: its readers seen last
//! - [`table`]: article vectors as of any moment of the log
//! - [`cache`]: the worker's write-back cache
//! - [`operator`]: all of it, as the operator `embed`

pub mod active;
pub mod cache;
pub mod operator;
pub mod reader;
pub mod steps;
pub mod summary;
pub mod table;
pub mod trends;

pub use operator::{Fold, FoldContext, FoldSettings};
pub use steps::SessionModel;
pub use table::ArticleTable;

/// The version of the fold's code. A change that alters any byte of state raises it; a namespace of another version is not joined.
pub const FOLD_VERSION: u32 = 6;
