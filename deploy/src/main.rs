//! The program `abovefold`: commands, configuration, HTTP, the newspaper.
// A panic needs a stated invariant: `expect("why this holds")`, never a bare unwrap.
#![warn(clippy::unwrap_used)]

mod arms;
mod background;
mod begin;
mod cli;
mod commands;
mod config;
mod dataset;
mod edges;
mod forgotten;
mod http;
mod models;
mod namespaces;
mod newspaper;
mod output;
mod owner;
mod pointer;
mod ranking;
mod reads;
mod recent;
mod session;
mod strays;
mod telemetry;
mod time_machine;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, output::Output};

fn main() -> ExitCode {
    // Wrong usage ends in here with status 2, help with 0.
    let cli = Cli::parse();
    if cli.command.works_long() {
        begin::with_environment();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("start the async runtime: {error}")),
    };
    let output = Output::terminal();
    let outcome = runtime.block_on(commands::run(cli, output.clone()));
    output.end_progress();
    // Threads that block for good (a file being opened) do not hold the end up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

/// One line on standard error, status 1.
#[expect(clippy::print_stderr, reason = "this is the one place where an error reaches the user")]
fn fail(reason: &str) -> ExitCode {
    eprintln!("abovefold: {}", reason.replace('\n', " "));
    ExitCode::FAILURE
}
