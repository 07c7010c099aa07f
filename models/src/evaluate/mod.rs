//! How well something ranks, with its uncertainty, beside chance and beside what usually wins.
//!
//! - [`measures`]: AUC, MRR, NDCG and hit rates of one list, each with its source, and what a tie is worth.
//! - [`Evaluation`] takes one impression after another with the scores of every row of the table, and keeps a few numbers of each.
//! - [`Evaluation::finish`] makes the [`Report`]: means, intervals and paired tests by resampling readers, slices, what lies beyond
//!   accuracy, retrieval, the share of a planted oracle.
//! - A [`Report`] is written as JSON ([`Report::to_json`]), as a text table ([`Report::to_table`]) or as one page ([`Report::to_html`]).
//!
//! `docs/ranking.md` has all definitions in one place.

mod bootstrap;
mod collect;
mod finish;
mod lists;
mod measures;
mod page;
mod plots;
mod report;
mod slices;
mod table;
#[cfg(test)]
mod tests;
mod top;

pub use collect::{Evaluation, ImpressionFacts};
pub use lists::{MetricsRow, RankedList, evaluate};
pub use measures::{MEASURE_COUNT, MEASURES, measure_index, measures};
pub use report::{
    BeyondAccuracy, Comparison, Difference, Estimate, LeftOut, Missing, Report, ReportRow, RetrievalRow,
    RowKind, Slice, SliceFamily, Values,
};
pub use slices::SLICE_MEASURES;

/// The row of chance in closed form: the expected value over all orders of the list.
pub const CHANCE: &str = "chance";

/// The row of chance as it falls: each list in one random order.
pub const CHANCE_SIMULATED: &str = "chance (simulated)";

/// The row of the true probabilities of a generated newspaper, where they are known.
pub const ORACLE: &str = "oracle (true probabilities)";
