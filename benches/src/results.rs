//! What a run of all benchmarks leaves: `benches/results.json` and a picture; and how a later run stands beside it.

use std::{fmt::Write as _, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{picture::picture, row::Row};

/// A ratio that is worse than the stored one by more than this part is said to be.
const WORSE: f64 = 0.25;

/// A run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// The processor, how many of it, and the threads of libtorch.
    pub machine: String,
    /// How many seconds the run took.
    pub seconds: u64,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Results {
    /// Rows of this machine.
    pub fn new(rows: Vec<Row>, seconds: u64) -> Self {
        Self { machine: machine(), seconds, rows }
    }

    /// What the last whole run left.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn stored() -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(file("benches/results.json"))?)?)
    }

    /// Leaves the rows and the picture.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn store(&self) -> io::Result<()> {
        std::fs::write(file("benches/results.json"), serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::write(file("docs/pictures/bench.svg"), picture(&self.rows))
    }

    /// Where a ratio is worse than in another run, one line each.
    pub fn worse_than(&self, stored: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for row in &self.rows {
            let is_it = |stored: &&Row| (&stored.name, &stored.baseline) == (&row.name, &row.baseline);
            let Some(before) = stored.rows.iter().find(is_it) else { continue };
            let (now, before) = (row.ratio()[1], before.ratio()[1]);
            if now < before * (1.0 - WORSE) {
                lines.push(format!("{}: {now:.3} of {}, {before:.3} stored", row.name, row.baseline));
            }
        }
        lines
    }
}

/// A file of the project.
fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn machine() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let mut machine = model.map_or("a processor without a name", |(_, name)| name).to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _ = write!(machine, ", {cores} cores, {} threads of libtorch", tch::get_num_threads());
    for flag in ["avx2", "avx512f", "avx512_bf16", "amx_bf16"] {
        if known.split_whitespace().any(|word| word == flag) {
            let _ = write!(machine, ", {flag}");
        }
    }
    machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_got_much_worse_is_named() {
        let of = |ratio: f64| Results {
            machine: String::new(),
            seconds: 0,
            rows: vec![Row::new("scan", "GB/s", "a read", vec![(ratio, 1.0)])],
        };
        assert_eq!(of(0.5).worse_than(&of(0.8)), ["scan: 0.500 of a read, 0.800 stored"]);
        assert!(of(0.65).worse_than(&of(0.8)).is_empty(), "machines differ by as much");
        assert!(of(0.5).worse_than(&Results { rows: Vec::new(), ..of(1.0) }).is_empty());
    }
}
