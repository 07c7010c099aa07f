//! All benchmarks, as one table.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

use abovefold_benches::{epochs, gru, model, pipeline, rerank, row, scan};

/// A part of the table: its name, and what measures it.
type Part = (&'static str, fn() -> Vec<row::Row>);

fn main() {
    // `cargo bench` also hands over flags of its own harness.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let parts: [Part; 6] = [
        ("gru", gru::rows),
        ("rerank", rerank::rows),
        ("scan", scan::rows),
        ("pipeline", pipeline::rows),
        ("model", model::rows),
        ("epochs", epochs::rows),
    ];
    let mut rows = Vec::new();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            eprintln!("measuring {name}");
            rows.extend(measure());
        }
    }
    println!("{}", row::table(&rows));
    let missed = rows.iter().filter(|row| row.target.is_some_and(|target| row.ratio() < target)).count();
    println!("{missed} of {} targets missed", rows.iter().filter(|row| row.target.is_some()).count());
}
