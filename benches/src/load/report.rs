//! The table.

use std::fmt::Write;

use serde_json::{Value, json};

use super::tally::Figures;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// The figures.
    pub figures: Figures,
    /// The 99th percentile that is wanted, in milliseconds.
    pub wanted: Option<f64>,
}

impl Line {
    /// A line.
    pub fn new(what: impl Into<String>, figures: Figures, wanted: Option<f64>) -> Self {
        Self { what: what.into(), figures, wanted }
    }
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Lines, in their order.
    pub lines: Vec<Line>,
    /// What the lines do not say, as sentences.
    pub notes: Vec<String>,
    /// The same and more, for programs.
    pub facts: serde_json::Map<String, Value>,
}

impl Report {
    /// Adds a sentence.
    pub fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// The table as text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{:<44} {:>9} {:>10} {:>7} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}\n",
            "",
            "offered/s",
            "achieved/s",
            "counted",
            "failed",
            "p50 ms",
            "p90",
            "p99",
            "p99.9",
            "max",
            "wanted"
        );
        for line in self.lines.iter().filter(|line| line.figures.asked > 0) {
            let figures = &line.figures;
            let at = |share| figures.percentile(share);
            let wanted = line.wanted.map_or(String::new(), |wanted| format!("{wanted:.0}"));
            writeln!(
                text,
                "{:<44} {:>9.1} {:>10.1} {:>7} {:>7} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {wanted:>7}",
                line.what,
                figures.offered,
                figures.achieved,
                figures.milliseconds.len(),
                figures.failed,
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(1.0)
            )
            .expect("writing to a string cannot fail");
        }
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        text
    }

    /// The table for programs.
    pub fn json(&self) -> Value {
        let line = |line: &Line| {
            let mut figures = line.figures.json();
            figures["what"] = line.what.as_str().into();
            figures["wanted_p99_ms"] = line.wanted.into();
            figures
        };
        json!({"rows": self.lines.iter().map(line).collect::<Vec<_>>(), "notes": self.notes, "facts": self.facts})
    }
}
