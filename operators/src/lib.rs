//! The news operators: what a reader reads, folded into what it is shown next.
//!
//! Write path: [`decode`] -> window -> [`steps`] -> [`key`] -> [`fold`] (embed) -> sink; beside it [`indexer`] fills the article edge, and [`intake`] passes
//! strays and dead letters on. [`pipeline`] joins them into dataflows.
//!
//! Read path: [`query`]. What it ranks by is read off the folds: [`features`].
// A panic needs a stated invariant: `expect("why this holds")`, never a bare unwrap.
#![warn(clippy::unwrap_used)]

pub mod articles;
pub mod decode;
mod described;
pub mod features;
pub mod fold;
pub mod indexer;
pub mod intake;
pub mod key;
pub mod learning;
pub mod metrics;
pub mod misplaced;
pub mod pipeline;
pub mod query;
pub mod steps;
mod take;
