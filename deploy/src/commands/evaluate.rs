//! `evaluate`: the table of metrics. Strictly causal: what is known of an impression is what happened before it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use abovefold_models::{
    Inference, InferenceOptions, ModelFolder,
    evaluate::{Evaluation, Report},
    trees::Trees,
};
use abovefold_operators::features::ColumnRanker;
use abovefold_schemas::Timestamp;
use anyhow::{Context, bail};

use super::train::time;
use crate::{
    config::Config,
    dataset,
    output::Output,
    ranking::{
        grow::{DROP_ONE_FOLDER, groups, row_of, without_file},
        oracle::oracle,
        pass::Pass,
        rows::{FULL, PARTS, Rows},
        stream::Stream,
    },
};

/// Resamples of an interval.
const RESAMPLES: usize = 1000;
/// What they are drawn from.
const SEED: u64 = 1;
/// Impressions of so much time are looked at together, so that a search sees no articles older than this.
const TOGETHER: Duration = Duration::from_secs(30 * 60);

/// What is asked for beside data and model.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub from: Option<&'a str>,
    pub until: Option<&'a str>,
    pub retrain: Option<&'a str>,
    pub json: Option<&'a Path>,
    pub report: Option<&'a Path>,
}

/// Ranks the in-view list of every impression of the last split, by each model and by the baselines.
pub async fn run(config: &Config, data: &Path, options: &Options<'_>, output: &Output) -> anyhow::Result<()> {
    if options.retrain.is_some() {
        bail!(
            "evaluate --retrain daily: the models are trained once here; train with --until for each day and evaluate with --from and --until"
        );
    }
    let model = config.model_folder();
    let (from, until) = (options.from.map(time).transpose()?, options.until.map(time).transpose()?);
    let (inference, data, said) = (config.inference()?, data.to_owned(), output.clone());
    let report = tokio::task::spawn_blocking(move || {
        evaluate(&data, model.as_deref(), (from, until), inference, &said)
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
    let mut rows = Rows::new(rankers, inference.is_some(), oracle(&folder)?);
    let mut evaluation = rows.evaluation();
    say_what_is_missing(&mut evaluation, loaded.is_some(), ranks);
    evaluation.fact("data", data.display().to_string());
    if let Some(model) = &loaded {
        evaluation.fact("model", model.card.version.clone());
    }
    // Lists of an earlier split are not looked at, but what they showed is known.
    let pass = Pass {
        stream: Stream::open(&folder, &folder.splits(), from, until)?,
        vectors: vectors.as_of(dataset::published(&articles)),
        published: dataset::newsroom_times(&articles),
        categories: dataset::categories(&articles),
        inference: inference.as_ref(),
        unseen_from: None,
        from,
        together: Some(TOGETHER),
        search: true,
        output,
        what: "evaluating, reads",
    };
    pass.run(&mut |chunk| rows.add(&chunk, &mut evaluation))?;
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
