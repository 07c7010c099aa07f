//! How much memory a command holds while it runs: `memory COMMAND...` looks every 50 ms, and says how the fourth quarter of the time differs from the third.
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

use std::{process::Command, time::Duration};

const EVERY: Duration = Duration::from_millis(50);

fn main() {
    let mut words = std::env::args().skip(1);
    let Some(program) = words.next() else {
        println!("usage: memory COMMAND...");
        return;
    };
    let mut child = Command::new(program).args(words).spawn().expect("the command starts");
    let mut seen = Vec::new();
    while child.try_wait().expect("it is our child").is_none() {
        seen.extend(resident(child.id()));
        std::thread::sleep(EVERY);
    }
    let half = &seen[seen.len() / 2..];
    let (third, fourth) = half.split_at(half.len() / 2);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    println!(
        "memory: {:.0} MB at most; third quarter {:.0} MB on average, at most {:.0}; fourth {:.0}, at most {:.0} ({:+.1} % on average, {:+.1} % at most)",
        most(&seen),
        mean(third),
        most(third),
        mean(fourth),
        most(fourth),
        (mean(fourth) / mean(third) - 1.0) * 100.0,
        (most(fourth) / most(third) - 1.0) * 100.0
    );
}

/// The resident memory of a process in MB, where it still is.
fn resident(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? / 1024.0)
}
