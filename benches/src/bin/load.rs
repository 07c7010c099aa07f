//! A load run against the real program: `load --help` says what can be set, `make load` runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the figures are what it is run for")]

use std::sync::Arc;

use abovefold_benches::load::{
    Options,
    client::Client,
    newspaper, overload,
    program::Program,
    report::Report,
    steady::{self, Readers},
};
use anyhow::{Context, ensure};
use clap::Parser;

fn main() -> anyhow::Result<()> {
    // One thread is enough to ask, and leaves the rest of the machine to the program.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run(Options::parse()))
}

async fn run(options: Options) -> anyhow::Result<()> {
    ensure!(options.readers >= 10, "{} readers are too few: give at least 10", options.readers);
    ensure!(options.stories >= 1 && options.articles_count >= 1, "there has to be a story and an article");
    if options.url.is_none() {
        newspaper::prepare(&options).await?;
    }
    let program = Program::start(&options).await?;
    if options.url.is_none() {
        program.wait_until_folded(&options).await?;
    }
    let client = Client::new(&program.url)?;
    let (readers, mut report) = (Arc::new(Readers::new(&options)), Report::default());
    let started = std::time::Instant::now();
    let (cpu, memory) = (program.cpu_seconds(), program.resident());
    steady::run(&options, &client, &readers, &mut report).await?;
    if let (Some(before), Some(after)) = (cpu, program.cpu_seconds()) {
        let share = (after - before) / started.elapsed().as_secs_f64();
        report.note(format!("The program took {share:.2} processors."));
    }
    if let (Some(before), Some(after)) = (memory, program.resident()) {
        report.note(format!("Its memory was {before:.0} MB before and {after:.0} MB after the steady load."));
    }
    if options.overload_seconds > 0.0 {
        overload::run(&options, &program, &client, &readers, &mut report).await;
    }
    report.facts.insert("contents".into(), options.contents());
    println!(
        "{} articles, {} readers, {:.0} % of the requests searched for, {} events/s beside them\n",
        options.articles_count,
        options.readers,
        options.misses * 100.0,
        options.events
    );
    print!("{}", report.text());
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{:#}\n", report.json()))
            .with_context(|| format!("write {}", file.display()))?;
    }
    program.stop()
}
