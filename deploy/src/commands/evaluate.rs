//! `evaluate`: the table of metrics. Strictly causal: what is known of an impression is what happened before it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use abovefold_models::{
    Inference, InferenceOptions, ModelFolder,
    evaluate::{Evaluation, Report},
    trees::{Trees, TreesOptions},
};
use abovefold_operators::features::ColumnRanker;
use abovefold_schemas::Timestamp;
use anyhow::{Context, bail};

use super::train::{MOST_LISTS, NETWORKS_UNTIL, time};
use crate::{
    config::Config,
    dataset,
    output::Output,
    ranking::{
        daily::Daily,
        grow::{DROP_ONE_FOLDER, groups, row_of, without_file},
        oracle::oracle,
        pass::{Chunk, Pass},
        rows::{DAILY, FULL, PARTS, Rows},
        stream::Stream,
    },
};

/// Resamples of an interval.
const RESAMPLES: usize = 1000;
/// What they are drawn from.
const SEED: u64 = 1;
/// Impressions of so much time are looked at together, so that a search sees no articles older than this.
const TOGETHER: Duration = Duration::from_secs(30 * 60);

/// When the ranker's trees are grown anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Retrain {
    /// At each midnight.
    Daily,
}

/// What is asked for beside data and model.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub from: Option<&'a str>,
    pub until: Option<&'a str>,
    pub retrain: Option<Retrain>,
    pub json: Option<&'a Path>,
    pub report: Option<&'a Path>,
}

/// Ranks the in-view list of every impression of the last split, by each model and by the baselines.
pub async fn run(config: &Config, data: &Path, options: &Options<'_>, output: &Output) -> anyhow::Result<()> {
    let model = config.model_folder();
    let (from, until) = (options.from.map(time).transpose()?, options.until.map(time).transpose()?);
    let (inference, data, said) = (config.inference()?, data.to_owned(), output.clone());
    let daily = options.retrain.is_some();
    let report = tokio::task::spawn_blocking(move || {
        evaluate(&data, model.as_deref(), (from, until), daily, inference, &said)
    })
    .await
    .context("evaluate")??;
    output.end_progress();
    output.line(report.to_table());
    if let Some(file) = options.json {
        write(file, report.to_json().to_string())?;
    }
    if let Some(file) = options.report {
        write(file, report.to_html())?;
    }
    Ok(())
}

fn write(file: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("write {}", PathBuf::from(file).display()))
}

fn evaluate(
    data: &Path,
    model: Option<&Path>,
    (from, until): (Option<Timestamp>, Option<Timestamp>),
    daily: bool,
    options: InferenceOptions,
    output: &Output,
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let folder = dataset::open(data)?;
    let split = folder
        .splits()
        .last()
        .copied()
        .with_context(|| format!("evaluate on {}: it has no impressions", data.display()))?;
    let from = match from {
        Some(from) => Some(from),
        None => dataset::first_shown(&folder, split)?,
    };
    let articles = folder.articles()?;
    let loaded = model
        .map(|model| ModelFolder::load(model).with_context(|| format!("load the model {}", model.display())))
        .transpose()?;
    let vectors = dataset::vectors(&folder, &articles, loaded.as_ref())?;
    let inference = loaded.as_ref().map(|model| Inference::start(model, options)).transpose()?;
    let rankers = match (model, &loaded) {
        (Some(dir), Some(model)) => rankers(dir, model)?,
        _ => Vec::new(),
    };
    let ranks = !rankers.is_empty();
    let (mut daily, mut rankers) = (daily.then(|| Daily::new(MOST_LISTS, TreesOptions::default())), rankers);
    let mut unseen_from = None;
    if daily.is_some() {
        let model = loaded.as_ref().filter(|_| ranks);
        let model = model
            .context("evaluate --retrain daily: it needs a model with a ranker; name one by --model DIR")?;
        // Until the first midnight it is the ranker that serves.
        rankers
            .push((DAILY.to_owned(), ColumnRanker::from_text(model.ranker.as_deref().unwrap_or_default())?));
        // What the networks say of lists that they learned from would be too good.
        unseen_from = model.card.metrics.get(NETWORKS_UNTIL).map(|ms| Timestamp(*ms as i64)).or(from);
    }
    let mut rows = Rows::new(rankers, inference.is_some(), oracle(&folder)?);
    let mut evaluation = rows.evaluation();
    say_what_is_missing(&mut evaluation, loaded.is_some(), ranks);
    evaluation.fact("data", data.display().to_string());
    if let Some(model) = &loaded {
        evaluation.fact("model", model.card.version.clone());
    }
    // Lists of an earlier split are not looked at, but what they showed is known.
    let pass = Pass {
        stream: Stream::open(&folder, &folder.splits(), unseen_from.or(from), until)?,
        vectors: vectors.as_of(dataset::published(&articles)),
        published: dataset::newsroom_times(&articles),
        categories: dataset::categories(&articles),
        inference: inference.as_ref(),
        unseen_from,
        // The lists before the evaluated ones are what the first midnight's trees are grown from.
        from: from.filter(|_| daily.is_none()),
        together: Some(TOGETHER),
        search: true,
        output,
        what: "evaluating, reads",
    };
    pass.run(&mut |chunk| {
        let first = chunk.seen.partition_point(|one| from.is_some_and(|from| one.row.impression_time < from));
        let (earlier, mut rest) = chunk.seen.split_at(first);
        let Some(daily) = &mut daily else { return rows.add(&chunk, &mut evaluation) };
        earlier.iter().for_each(|one| daily.add(one));
        while let Some(first) = rest.first() {
            if let Some(ranker) = daily.ranker_at(first.row.impression_time, output)? {
                rows.replace(DAILY, ranker);
            }
            let (seen, later) = rest.split_at(Daily::of_one_day(rest));
            rows.add(&Chunk { seen, ..chunk }, &mut evaluation)?;
            seen.iter().for_each(|one| daily.add(one));
            rest = later;
        }
        Ok(())
    })?;
    if evaluation.taken() == 0 {
        bail!("evaluate on {}: no impression is left within the times given", data.display());
    }
    evaluation.fact("seconds", began.elapsed().as_secs_f64().round());
    Ok(evaluation.finish(RESAMPLES, SEED))
}

/// The ranker that serves, and those that lack a group of columns, where the model was trained with them.
fn rankers(dir: &Path, model: &ModelFolder) -> anyhow::Result<Vec<(String, ColumnRanker)>> {
    let mut rankers = Vec::new();
    let Some(text) = &model.ranker else { return Ok(rankers) };
    let full = ColumnRanker::from_text(text);
    rankers.push((FULL.to_owned(), full.with_context(|| format!("load the model {}", dir.display()))?));
    for group in groups() {
        let file = dir.join(DROP_ONE_FOLDER).join(without_file(group));
        if file.is_file() {
            let ranker = ColumnRanker::new(&Trees::load(&file)?);
            let ranker = ranker.with_context(|| format!("load the model {}", dir.display()))?;
            rankers.push((row_of(group), ranker));
        }
    }
    Ok(rankers)
}

fn say_what_is_missing(evaluation: &mut Evaluation, model: bool, ranks: bool) {
    let reason = "no model; name one by --model DIR";
    if !model {
        ["mean of vectors", PARTS[1], PARTS[2]].iter().for_each(|row| evaluation.missing(row, reason));
    }
    if !ranks {
        let reason = if model { "the model has no ranker" } else { reason };
        evaluation.missing(FULL, reason);
    }
}
