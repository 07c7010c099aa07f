//! What the ranker sees of a candidate: columns that are read off the folds.
//!
//! [`features_at`] takes what the folds hold at a moment, and gives one row a candidate. The query operator calls it with the mirror of the
//! state store, training and evaluation with the same folds run over history: one piece of code, so that the two cannot differ, and
//! nothing of the future can leak in.
//!
//! - [`content`]: what the reader's reads say of a candidate, by vector and section
//! - [`counts`]: the counts of all articles, by partition
//! - [`moment`]: what is known of the reader and the request
//! - [`columns`]: the columns and their names
//! - [`exposures`]: how often articles were shown
//! - [`history`]: the folds, run over history
//! - [`ranker`]: trees over the columns
//! - [`relative`]: a candidate beside the others of its list
//! - [`retrieval`]: what a search by what was learned adds to a score
//! - `sections`: what the reader's reads say of a section

pub mod columns;
pub mod content;
pub mod counts;
pub mod exposures;
pub mod history;
pub mod moment;
pub mod ranker;
pub mod relative;
pub mod retrieval;
mod sections;

pub use columns::{Candidate, Column, Columns, Inputs, column_names, features_at};
pub use content::PastArticle;
pub use counts::CountsTable;
pub use exposures::{EXPOSURE_HALF_LIVES_MS, ExposureTable};
pub use history::{History, PastList, PastRead};
pub use moment::Moment;
pub use ranker::{ColumnRanker, RankerError};
