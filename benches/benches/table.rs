//! All benchmarks, as one table. A whole run leaves its rows in `benches/results.json` and as a picture; with `--gate` it is compared with
//! what lies there, and ends with status 1 where a ratio is worse by more than a quarter.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is run for")]

use std::{process::ExitCode, time::Instant};

use abovefold_benches::{epochs, gru, model, pipeline, rerank, results::Results, row, scale, scan};

/// A part of the table: its name, and what measures it.
type Part = (&'static str, fn() -> Vec<row::Row>);

fn main() -> ExitCode {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` also hands over flags of its own harness.
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let parts: [Part; 7] = [
        ("gru", gru::rows),
        ("rerank", rerank::rows),
        ("scan", scan::rows),
        ("pipeline", pipeline::rows),
        ("model", model::rows),
        ("epochs", epochs::rows),
        ("scale", scale::rows),
    ];
    let mut rows = Vec::new();
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|part| *part == name) {
            eprintln!("measuring {name}");
            rows.extend(measure());
        }
    }
    let results = Results::new(rows, began.elapsed().as_secs());
    println!("{}: {} s\n\n{}", results.machine, results.seconds, row::table(&results.rows));
    let missed = results.rows.iter().filter(|row| row.is_missed()).count();
    let targets = results.rows.iter().filter(|row| row.target.is_some()).count();
    println!("{missed} of {targets} targets missed");
    if arguments.iter().any(|argument| argument == "--gate") {
        return gate(&results);
    }
    if wanted.is_empty()
        && !results.rows.is_empty()
        && let Err(error) = results.store()
    {
        eprintln!("keep the results in benches/results.json and docs/pictures/bench.svg: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn gate(results: &Results) -> ExitCode {
    let stored = match Results::stored() {
        Ok(stored) => stored,
        Err(error) => {
            eprintln!("read benches/results.json, which `make bench` leaves: {error}");
            return ExitCode::FAILURE;
        }
    };
    let worse = results.worse_than(&stored);
    worse.iter().for_each(|line| println!("worse than stored: {line}"));
    if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
