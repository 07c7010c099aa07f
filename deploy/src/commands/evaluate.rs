//! `evaluate`: the table of metrics. Strictly causal: what is known of an impression is what happened before it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use abovefold_models::{
    Behaviour, HIDDEN, Inference, InferenceOptions, MetricsRow, ModelFolder, RankedList, RerankRequest,
    StepBatch, TrainingImpression, TrainingRead, TrainingSet, WIDTH, evaluate::evaluate, session_embedding,
};
use abovefold_operators::fold::{
    reader::VISIT_GAP_MS,
    trends::{count_read, decayed_reads},
};
use abovefold_schemas::{Timestamp, state::ArticleCounts};
use anyhow::{Context, bail};

use super::train::time;
use crate::{config::Config, dataset, output::Output};

/// Bootstrap samples of a confidence interval.
const RESAMPLES: usize = 500;
/// Rerank requests of one call.
const CHUNK: usize = 64;

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
    let Some(model) = config.model_folder() else {
        bail!("evaluate: there is no model; name one by --model DIR, made by `abovefold train`");
    };
    let (from, until) = (options.from.map(time).transpose()?, options.until.map(time).transpose()?);
    let (inference, data, said) = (config.inference()?, data.to_owned(), output.clone());
    let rows = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<MetricsRow>> {
        let folder = dataset::open(&data)?;
        let articles = folder.articles()?;
        let model =
            ModelFolder::load(&model).with_context(|| format!("load the model {}", model.display()))?;
        let vectors = dataset::vectors(&folder, &articles, Some(&model))?;
        let splits = folder.splits();
        let split = splits
            .last()
            .copied()
            .with_context(|| format!("evaluate on {}: it has no impressions", data.display()))?;
        let mut set = dataset::gather(&folder, &vectors, &[split], until)?;
        set.impressions.retain(|impression| from.is_none_or(|from| impression.time >= from));
        if set.impressions.is_empty() {
            bail!("evaluate on {}: no impression is left within the times given", data.display());
        }
        rank(&set, &model, inference, &said)
    })
    .await
    .context("evaluate")??;
    output.end_progress();
    output.line(table(&rows));
    if let Some(file) = options.json {
        write(file, serde_json::json!({ "rows": rows }).to_string())?;
    }
    if let Some(file) = options.report {
        write(file, page(&rows))?;
    }
    Ok(())
}

fn write(file: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("write {}", PathBuf::from(file).display()))
}

fn rank(
    set: &TrainingSet,
    model: &ModelFolder,
    options: InferenceOptions,
    output: &Output,
) -> anyhow::Result<Vec<MetricsRow>> {
    let inference = Inference::start(model, options)?;
    let sessions = sessions(set, &inference, output)?;
    let popularity = popularity(set);
    let vector = |article: u32, as_of: Timestamp| set.vectors.at(article, as_of).unwrap_or(vec![0.0; WIDTH]);
    let dot = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>());
    let list = |impression: &TrainingImpression, scores: Vec<f64>| RankedList {
        scores,
        clicked: impression.in_view.iter().map(|article| impression.clicked.contains(article)).collect(),
    };
    let by = |name: &str, score: &dyn Fn(usize, &TrainingImpression) -> Vec<f64>| {
        let lists: Vec<_> =
            set.impressions.iter().enumerate().map(|(place, i)| list(i, score(place, i))).collect();
        evaluate(name, &lists, RESAMPLES, 1)
    };
    let mut reranked: Vec<Vec<f64>> = Vec::with_capacity(set.impressions.len());
    for (chunk, first) in set.impressions.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        let requests = chunk.iter().enumerate().map(|(place, impression)| RerankRequest {
            profile: impression.profile,
            session: sessions.embedding[first + place].clone(),
            candidates: impression
                .in_view
                .iter()
                .flat_map(|article| vector(*article, impression.time))
                .collect(),
        });
        let scores = inference.rerank_blocking(requests.collect())?;
        reranked.extend(scores.into_iter().map(|list| list.into_iter().map(f64::from).collect()));
        output.progress("reranking", (first + chunk.len()) as u64, set.impressions.len() as u64);
    }
    Ok(vec![
        by("chance", &|_, impression| vec![0.0; impression.in_view.len()]),
        by("popularity 6 h", &|place, _| popularity[place].clone()),
        by("mean of vectors", &|place, i| {
            i.in_view.iter().map(|a| dot(&vector(*a, i.time), &sessions.mean[place])).collect()
        }),
        by("session model", &|place, i| {
            i.in_view.iter().map(|a| dot(&vector(*a, i.time), &sessions.embedding[place])).collect()
        }),
        by("reranker", &|place, _| reranked[place].clone()),
    ])
}

/// For each impression, what its reader's reads before it amount to.
struct Sessions {
    embedding: Vec<Vec<f32>>,
    mean: Vec<Vec<f32>>,
}

/// Steps the GRU through every reader's reads, in waves, and takes the state as of each impression.
fn sessions(set: &TrainingSet, inference: &Inference, output: &Output) -> anyhow::Result<Sessions> {
    let nothing = vec![vec![0.0; WIDTH]; set.impressions.len()];
    let mut sessions = Sessions { embedding: nothing.clone(), mean: nothing };
    let mut waiting: BTreeMap<(usize, u32), Vec<usize>> = BTreeMap::new();
    let mut last_wave: BTreeMap<u32, usize> = BTreeMap::new();
    for (place, impression) in set.impressions.iter().enumerate() {
        let reads = &set.readers[impression.reader as usize].reads;
        let before = reads.partition_point(|read| read.time < impression.time);
        waiting.entry((before, impression.reader)).or_default().push(place);
        let last = last_wave.entry(impression.reader).or_default();
        *last = before.max(*last);
    }
    let mut hidden: BTreeMap<u32, Vec<f32>> =
        last_wave.keys().map(|reader| (*reader, vec![0.0; HIDDEN])).collect();
    let mut sums: BTreeMap<u32, Vec<f32>> =
        last_wave.keys().map(|reader| (*reader, vec![0.0; WIDTH])).collect();
    let mut positions: BTreeMap<u32, u32> = BTreeMap::new();
    let waves = last_wave.values().copied().max().unwrap_or(0);
    for wave in 0..waves {
        let stepping: Vec<u32> =
            last_wave.iter().filter(|(_, last)| wave < **last).map(|(reader, _)| *reader).collect();
        let mut batch = StepBatch::with_capacity(stepping.len());
        for reader in &stepping {
            let reads = &set.readers[*reader as usize].reads;
            let read = &reads[wave];
            let position = positions.entry(*reader).or_default();
            *position = if wave > 0 && follows(&reads[wave - 1], read) { *position + 1 } else { 1 };
            let behaviour = Behaviour {
                read_seconds: read.read_seconds,
                scroll_percent: read.scroll_percent,
                position: *position,
            };
            let vector = set.vectors.at(read.article, read.time).unwrap_or(vec![0.0; WIDTH]);
            batch.push(&hidden[reader], &vector, behaviour);
            let sum = sums.get_mut(reader).expect("every reader that steps has a sum");
            sum.iter_mut().zip(&vector).for_each(|(sum, x)| *sum += x);
        }
        let result = inference.step_blocking(batch)?;
        for (row, reader) in stepping.iter().enumerate() {
            hidden.insert(*reader, result.row(row).to_vec());
            for place in waiting.remove(&(wave + 1, *reader)).unwrap_or_default() {
                sessions.embedding[place] = session_embedding(&hidden[reader]).to_vec();
                sessions.mean[place].clone_from(&sums[reader]);
            }
        }
        output.progress("stepping through reads", wave as u64 + 1, waves as u64);
    }
    Ok(sessions)
}

fn follows(before: &TrainingRead, read: &TrainingRead) -> bool {
    read.time.millis_since(before.time) <= VISIT_GAP_MS
}

/// For each impression, the decayed reads (half-life 6 hours) of each article in view, as of that moment.
fn popularity(set: &TrainingSet) -> Vec<Vec<f64>> {
    let mut reads: Vec<&TrainingRead> = set.readers.iter().flat_map(|reader| &reader.reads).collect();
    reads.sort_by_key(|read| read.time);
    let mut order: Vec<usize> = (0..set.impressions.len()).collect();
    order.sort_by_key(|place| set.impressions[*place].time);
    let mut counts: BTreeMap<u32, ArticleCounts> = BTreeMap::new();
    let mut scores = vec![Vec::new(); set.impressions.len()];
    let mut next = 0;
    for place in order {
        let impression = &set.impressions[place];
        while let Some(read) = reads.get(next).filter(|read| read.time < impression.time) {
            count_read(counts.entry(read.article).or_default(), read.time);
            next += 1;
        }
        let worth = |article: &u32| {
            counts.get(article).map_or(0.0, |counts| decayed_reads(counts, 2, impression.time))
        };
        scores[place] = impression.in_view.iter().map(worth).collect();
    }
    scores
}

fn table(rows: &[MetricsRow]) -> String {
    let mut text = format!(
        "{:<18} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "", "n", "auc", "mrr", "mrr@10", "ndcg@5", "ndcg@10", "hr@1", "hr@3", "hr@10"
    );
    for row in rows {
        write!(text, "\n{:<18} {:>8}", row.name, row.n).expect("writing to a string cannot fail");
        for value in [row.auc, row.mrr, row.mrr_10, row.ndcg_5, row.ndcg_10, row.hr_1, row.hr_3, row.hr_10] {
            write!(text, " {value:>7.4}").expect("writing to a string cannot fail");
        }
    }
    text
}

fn page(rows: &[MetricsRow]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><title>Abovefold: evaluation</title>\n<pre>\n{}\n</pre>\n</html>\n",
        table(rows)
    )
}
