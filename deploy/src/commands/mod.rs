//! The commands: one file each.

mod check;
pub mod dead_letters;
mod demo;
mod evaluate;
mod experiment;
mod generate;
mod index;
mod inspect;
mod learner;
pub mod namespace;
mod rekey;
pub mod replay;
mod serve;
mod simulate;
mod sql;
mod token;
mod train;

use std::sync::Arc;

use abovefold_engine::{Pause, Runtime, Troubles};
use anyhow::{Context, bail};
use clap::Parser;
use tokio::sync::watch;

pub use evaluate::Retrain;
pub use serve::{keep_forgetting, query, query_of_a_past};
pub use train::Settings as TrainSettings;

use crate::{
    background::Background,
    cli::{Cli, Command},
    config::{Config, parse_duration},
    edges::Edges,
    namespaces::LIVE,
    newspaper::Spec,
    output::Output,
    owner,
    session::Session,
    telemetry,
};

/// Runs a command as this process was asked to.
///
/// # Errors
/// One line: what was tried, on what, and what to do.
pub async fn run(cli: Cli, output: Output) -> anyhow::Result<()> {
    let config = load_config(&cli)?;
    telemetry::start_logging(&config.logging)?;
    match &cli.command {
        Command::Generate { out, readers, days, moods, seed } => {
            let (readers, days, moods, seed) = (*readers, *days, *moods, *seed);
            let articles = cli.common.articles_to_generate()?;
            let spec = Spec { readers, articles, days, moods, seed, ..Spec::default() };
            return generate::run(out, spec, &output).await;
        }
        Command::Train {
            data,
            out,
            until,
            warm_start,
            max_time,
            settings,
            epochs,
            checkpoint_every,
            seed,
            no_drop_one,
        } => {
            let options = train::Options {
                until: until.as_deref(),
                warm_start: warm_start.as_deref(),
                max_time: max_time.as_deref().map(parse_duration).transpose()?,
                settings: *settings,
                epochs: *epochs,
                checkpoint_every: parse_duration(checkpoint_every)?,
                seed: *seed,
                drop_one: !no_drop_one,
            };
            return train::run(&config, data, out, &options, &output).await;
        }
        Command::Evaluate { data, from, until, retrain, json, report } => {
            let options = evaluate::Options {
                from: from.as_deref(),
                until: until.as_deref(),
                retrain: *retrain,
                json: json.as_deref(),
                report: report.as_deref(),
            };
            return evaluate::run(&config, data, &options, &output).await;
        }
        Command::Openapi => {
            output.line(crate::http::openapi_json());
            return Ok(());
        }
        Command::Token { reader, ttl } => return token::run(&config, reader, ttl, &output),
        Command::Check { graph, json } => return check::run(config, *graph, *json, &output).await,
        Command::Demo { exit, seed, .. } => return demo::run(config, *exit, *seed, output).await,
        _ => {}
    }
    let owns_home =
        matches!(cli.command, Command::Process { .. } | Command::Serve { .. } | Command::Run { .. });
    if !owns_home && config.is_embedded() {
        let mut arguments: Vec<String> = std::env::args().collect();
        // One that a file or a variable names; the owner reads its own.
        if cli.common.namespace.is_none() && config.namespace != LIVE {
            arguments.extend(["--namespace".into(), config.namespace.clone()]);
        }
        if owner::ask(&config.home, arguments, &output).await?.is_some() {
            return Ok(());
        }
    }
    if matches!(cli.command, Command::Serve { .. }) && config.is_embedded() {
        bail!(
            "serve over the embedded home {}: one process owns it; use `abovefold run`",
            config.home.display()
        );
    }
    let runtime = Runtime::real();
    let background = matches!(cli.command, Command::Run { .. }).then(Background::start).transpose()?;
    let session = Session {
        edges: Edges::open(&config).await?,
        config,
        background: background.as_ref().map_or_else(|| runtime.clone(), |threads| threads.of(&runtime)),
        runtime,
        output,
        folder: std::env::current_dir().context("find the current folder")?,
        stop: stop_signal()?,
        pause: Pause::default(),
        troubles: Troubles::none(),
        learned: Arc::default(),
    };
    match &cli.command {
        Command::Process { .. } => serve::process(session).await,
        Command::Serve { .. } => serve::serve(session).await,
        Command::Run { .. } => serve::run(session).await,
        command => over_edges(session, command).await,
    }
}

/// Runs a command for a program that asked over the admin interface, on this process's edges.
///
/// # Errors
/// As [`run`]; also for commands that an owner does not run for others.
pub async fn run_for_another(mut session: Session, arguments: &[String]) -> anyhow::Result<()> {
    let cli = Cli::try_parse_from(arguments).context("read the command")?;
    if let Some(namespace) = &cli.common.namespace {
        session.config.namespace = namespace.clone();
    }
    if let Some(model) = &cli.common.model {
        session.config.model = session.path(model.as_ref());
    }
    over_edges(session, &cli.command).await
}

async fn over_edges(session: Session, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Index { data, wait } => index::run(&session, data, *wait).await,
        Command::Simulate { data, rate, limit, timestamps } => {
            simulate::run(&session, data, *rate, *limit, *timestamps).await
        }
        Command::Replay { from, until, follow } => {
            replay::run(&session, from.as_deref(), until, *follow).await
        }
        Command::Namespace { action } => namespace::run(&session, action).await,
        Command::Experiment { action } => experiment::run(&session, action).await,
        Command::Rekey { to, partitions } => rekey::run(&session, to, *partitions).await,
        Command::DeadLetters { action } => dead_letters::run(&session, action).await,
        Command::Learner { action } => learner::run(&session, action).await,
        Command::Inspect { what } => inspect::run(&session, what).await,
        Command::Sql { query, json } => sql::run(&session, query, *json).await,
        _ => bail!("run this command for another program: it needs a process of its own"),
    }
}

fn load_config(cli: &Cli) -> anyhow::Result<Config> {
    let mut flags = cli.common.overrides();
    match &cli.command {
        Command::Process { window: Some(window) } => flags.push(("window.length", window.clone())),
        Command::Serve { listen, ranker } | Command::Demo { listen, ranker, .. } => {
            flags.extend(listen.clone().map(|listen| ("http.listen", listen)));
            flags.extend(ranker.clone().map(|ranker| ("query.ranker", ranker)));
        }
        Command::Run { listen, window, ranker } => {
            flags.extend(listen.clone().map(|listen| ("http.listen", listen)));
            flags.extend(ranker.clone().map(|ranker| ("query.ranker", ranker)));
            flags.extend(window.clone().map(|window| ("window.length", window)));
        }
        _ => {}
    }
    Config::load(cli.common.config.as_deref(), &flags)
}

/// Becomes true at SIGTERM or Ctrl-C. A second one ends the process at once.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            if sender.send_replace(true) {
                std::process::exit(130);
            }
            tracing::info!("ending in order: what was read is folded and written, then the group is left");
        }
    });
    Ok(receiver)
}
