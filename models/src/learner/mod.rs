//! The learner: an embedding of articles and readers that learns from each read as it streams by.
//!
//! On each read of article `a` by reader `u` that is no repeat within its visit, with `x1` the page before and `x2..x4` those before that, as far as
//! the visit has them:
//!
//! ```text
//! h    = P[x1] + 0.5 mean(P[x2..x4]) + W[u] + D[device] + R[hour]
//! s(c) = h . Q[c] + B[c]
//! ```
//!
//! The loss is a softmax over `a` and 60 distinct negatives of the last 4,096 reads, and every step is taken by Adagrad that forgets
//! (`adagrad.rs`). It crosses readers and partitions, so it is no fold of one partition: one dataflow of its own reads all of them and
//! publishes versions of the [`Table`], which the query workers hold.
//!
//! It is bounded, whatever readers send: no step moves a vector further than 0.5, no reader teaches more than
//! [`LearnerOptions::reads_an_hour`], articles and readers that are not seen any more expire, and beyond
//! [`LearnerOptions::most_articles`] and [`LearnerOptions::most_readers`] new ones teach nothing. So one reader moves a vector by at most 0.5 x 60 = 30
//! an hour, and by its own Adagrad rate much less; readers that act together are not told from a crowd.
//!
//! Training, evaluation and the dataflow run this code, so that they cannot differ.

mod adagrad;
mod moved;
mod observe;
mod rows;
mod table;
mod visits;

pub use observe::{ARTICLES_EXPIRE_MS, Learner, LearnerOptions, Observed, READERS_EXPIRE_MS};
pub use rows::{Row, RowKey};
pub use table::{Context, Parts, Table};
pub use visits::{Visit, Visits};

/// Width of the learned vectors.
pub const LEARNED_WIDTH: usize = 64;

/// The most pages before a read that count.
pub const PAGES: usize = 4;

/// A visit ends when nothing is clicked for this long: 45 minutes.
pub const VISIT_GAP_MS: i64 = 45 * 60 * 1000;
