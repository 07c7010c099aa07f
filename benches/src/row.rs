//! One line of the table.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// What was measured, beside what it is measured against, in the same rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// Of all values.
    pub unit: String,
    /// What it is measured against.
    pub baseline: String,
    /// The least ratio of the two that is wanted.
    pub target: Option<f64>,
    /// How fast in each round: itself, and what it is measured against.
    pub rounds: Vec<(f64, f64)>,
}

impl Row {
    /// A row of what both sides reached, round by round.
    pub fn new(
        name: impl Into<String>,
        unit: &str,
        baseline: impl Into<String>,
        rounds: Vec<(f64, f64)>,
    ) -> Self {
        Self { name: name.into(), unit: unit.into(), baseline: baseline.into(), target: None, rounds }
    }

    /// The same, with the least ratio that is wanted.
    #[must_use]
    pub fn wanted(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }

    /// How fast, the median of all rounds.
    pub fn value(&self) -> f64 {
        quantile(self.rounds.iter().map(|(value, _)| *value), 0.5)
    }

    /// How fast what it is measured against is, the median of all rounds.
    pub fn baseline_value(&self) -> f64 {
        quantile(self.rounds.iter().map(|(_, baseline)| *baseline), 0.5)
    }

    /// The share of its baseline that it reached: of the rounds' ratios the first quartile, the median and the third.
    pub fn ratio(&self) -> [f64; 3] {
        [0.25, 0.5, 0.75]
            .map(|share| quantile(self.rounds.iter().map(|(value, baseline)| value / baseline), share))
    }

    /// Whether less was reached than is wanted.
    pub fn is_missed(&self) -> bool {
        self.target.is_some_and(|target| self.ratio()[1] < target)
    }
}

/// The middle of the values (the upper one of two); NaN where there is none.
pub fn median(values: &[f64]) -> f64 {
    quantile(values.iter().copied(), 0.5)
}

/// The value below which that share of the values lies; of two, the upper one.
fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<52} {:>12} {:<10} {:>6} {:>15} {:>7}   of\n",
        "", "median", "", "ratio", "quartiles", "wanted"
    );
    for row in rows {
        let [low, middle, high] = row.ratio();
        let wanted = row.target.map_or(String::new(), |target| format!("{target:.2}"));
        let line = writeln!(
            text,
            "{:<52} {:>12.1} {:<10} {middle:>6.3} {:>15} {wanted:>7}   {} ({:.1})",
            row.name,
            row.value(),
            row.unit,
            format!("{low:.3} to {high:.3}"),
            row.baseline,
            row.baseline_value()
        );
        line.expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_rounds() {
        // The machine gets slower: each round's two sides tell the same, their medians alone would not.
        let rounds = vec![(90.0, 100.0), (45.0, 50.0), (9.0, 10.0), (9.5, 10.0)];
        let row = Row::new("scan", "GB/s", "a read", rounds).wanted(0.95);
        assert_eq!(row.ratio(), [0.9, 0.9, 0.95]);
        assert_eq!((row.value(), row.baseline_value()), (45.0, 50.0));
        assert!(row.is_missed());
        assert!(table(&[row]).contains("0.900 to 0.950"));
    }
}
