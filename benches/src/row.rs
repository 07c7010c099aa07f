//! One line of the table.

use std::fmt::Write;

/// What was measured, beside what it is measured against, in the same run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// How fast, the median of all rounds.
    pub value: f64,
    /// Of `value` and `baseline_value`.
    pub unit: String,
    /// What it is measured against.
    pub baseline: String,
    /// How fast that is.
    pub baseline_value: f64,
    /// The least ratio of the two that is wanted.
    pub target: Option<f64>,
}

impl Row {
    /// The value as a share of its baseline.
    pub fn ratio(&self) -> f64 {
        self.value / self.baseline_value
    }
}

/// The middle of the values (the upper one of two).
///
/// # Panics
/// When there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<44} {:>14} {:<10} {:>7} {:>7}   of\n", "", "median", "", "ratio", "wanted");
    for row in rows {
        let wanted = row.target.map_or(String::new(), |target| format!("{target:.2}"));
        writeln!(
            text,
            "{:<44} {:>14.1} {:<10} {:>7.3} {wanted:>7}   {} ({:.1})",
            row.name,
            row.value,
            row.unit,
            row.ratio(),
            row.baseline,
            row.baseline_value
        )
        .expect("writing to a string cannot fail");
    }
    text
}
