//! What an evaluation found.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{MEASURE_COUNT, MEASURES, measure_index};

/// All that an evaluation found. What is not defined is NaN, and null in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The table, chance first.
    pub rows: Vec<ReportRow>,
    /// Rows that were asked for and could not be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// What was said of the run.
    pub facts: Map<String, Value>,
    /// Impressions that were not counted, or not in every measure.
    pub left_out: LeftOut,
    /// Readers with at least one impression: what the bootstrap draws.
    pub readers: usize,
    /// Resamples of the bootstrap.
    pub resamples: usize,
    /// What they were drawn from.
    pub seed: u64,
    /// The paired tests that were asked for.
    pub comparisons: Vec<Comparison>,
    /// The impressions in parts.
    pub slices: Vec<SliceFamily>,
    /// Recall of the retrieval stage.
    pub retrieval: Vec<RetrievalRow>,
    /// The paired tests of retrieval that were asked for.
    pub retrieval_comparisons: Vec<RetrievalComparison>,
}

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// No knowledge at all.
    Chance,
    /// What usually wins, simple as it is.
    Baseline,
    /// A model, or a part of one.
    Model,
    /// The true probabilities.
    Oracle,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct ReportRow {
    /// What was evaluated.
    pub name: String,
    /// What it stands for.
    pub kind: RowKind,
    /// Impressions with at least one click.
    pub n: usize,
    /// The mean of each measure.
    #[serde(flatten)]
    pub values: Values,
    /// 95 % intervals by reader.
    pub ci: BTreeMap<&'static str, [f64; 2]>,
    /// The paired test against the baseline that is best in the measure; empty for chance and for baselines.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub against_best_baseline: BTreeMap<&'static str, Difference>,
    /// (NDCG@10 - chance) / (oracle - chance), where there is an oracle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle_share: Option<Estimate>,
    /// What its first ten are like; nothing for chance in closed form, which has no order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beyond_accuracy: Option<BeyondAccuracy>,
}

/// The means of the measures, in the order of [`MEASURES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values(pub [f64; MEASURE_COUNT]);

impl Values {
    /// The mean of a measure by its name; NaN for a name that is none.
    pub fn of(&self, measure: &str) -> f64 {
        measure_index(measure).map_or(f64::NAN, |index| self.0[index])
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(MEASURES.iter().zip(self.0))
    }
}

/// A value and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its interval, where resamples were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<[f64; 2]>,
}

/// By how much one row is better than another, on the same impressions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The other row.
    pub against: String,
    /// The row's mean less the other's.
    pub difference: f64,
    /// The 95 % interval of the difference, readers drawn for both at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ci: Option<[f64; 2]>,
    /// The two-sided p; NaN where no resamples were drawn.
    pub p: f64,
}

/// A paired test that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The row.
    pub row: String,
    /// What it is held against.
    pub against: String,
    /// The difference in each measure.
    pub measures: BTreeMap<&'static str, Difference>,
}

/// What the first ten of a row's lists are like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BeyondAccuracy {
    /// How many different articles were among the first ten of some list.
    pub articles: usize,
    /// Their share of all articles that were in view anywhere.
    pub coverage: f64,
    /// The mean of -log2 of an article's share of reads, in bits.
    pub novelty: Estimate,
    /// The mean over pairs of 1 - cosine.
    pub diversity: Estimate,
}

/// A row that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The row.
    pub row: String,
    /// Why.
    pub reason: String,
}

/// Impressions by what was unusual about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Without an article: not counted.
    pub empty: u64,
    /// Without a click: not counted.
    pub no_click: u64,
    /// Where every article was clicked: counted in all measures but AUC.
    pub no_auc: u64,
    /// Of one article: counted, and as good as can be in every row.
    pub one_article: u64,
    /// With several clicks: counted once.
    pub several_clicks: u64,
}

/// The impressions parted in one way.
#[derive(Clone, Debug, Serialize)]
pub struct SliceFamily {
    /// By what.
    pub name: String,
    /// The parts that have impressions.
    pub slices: Vec<Slice>,
}

/// One part.
#[derive(Clone, Debug, Serialize)]
pub struct Slice {
    /// Which one.
    pub label: String,
    /// Its impressions.
    pub n: usize,
    /// Its readers.
    pub readers: usize,
    /// [`SLICE_MEASURES`](super::SLICE_MEASURES) of each row, by its name.
    pub rows: BTreeMap<String, BTreeMap<&'static str, Estimate>>,
}

/// One row of retrieval.
#[derive(Clone, Debug, Serialize)]
pub struct RetrievalRow {
    /// What retrieved.
    pub name: String,
    /// Reads that it was tried on.
    pub n: u64,
    /// The share that was among the 100 found.
    #[serde(rename = "recall@100")]
    pub recall: Estimate,
}

/// A paired test of retrieval.
#[derive(Clone, Debug, Serialize)]
pub struct RetrievalComparison {
    /// The row.
    pub row: String,
    /// The difference of recall.
    #[serde(rename = "recall@100")]
    pub recall: Difference,
}

impl Report {
    /// A row by its name.
    pub fn row(&self, name: &str) -> Option<&ReportRow> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The report as `evaluate --json` writes it.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}
