//! `evaluate`: the table of metrics. Strictly causal: what is known of an impression is what happened before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use abovefold_models::{
    Behaviour, HIDDEN, Inference, InferenceOptions, ModelFolder, RerankRequest, StepBatch, TrainingRead,
    TrainingSet, WIDTH,
    evaluate::{Evaluation, ImpressionFacts, ORACLE, Report},
    session_embedding,
};
use abovefold_operators::fold::{
    reader::VISIT_GAP_MS,
    trends::{count_read, decayed_reads},
};
use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    state::ArticleCounts,
    tables::{DataFolder, Split},
};
use anyhow::{Context, bail};

use super::train::time;
use crate::{config::Config, dataset, output::Output};

/// Resamples of an interval.
const RESAMPLES: usize = 1000;
/// What they are drawn from.
const SEED: u64 = 1;
/// The half-life by which the row of popularity counts reads, by its place among those of the trends: 6 hours.
const HALF_LIFE: usize = 2;
const HOUR_MILLIS: i64 = 3_600_000;
const POPULARITY: &str = "popularity 6 h";
const WITH_MODEL: [&str; 3] = ["mean of vectors", "session model", "reranker"];
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
    let folder = dataset::open(data)?;
    let split = folder
        .splits()
        .last()
        .copied()
        .with_context(|| format!("evaluate on {}: it has no impressions", data.display()))?;
    let within =
        |time: Timestamp| from.is_none_or(|from| time >= from) && until.is_none_or(|until| time < until);
    let articles = folder.articles()?;
    let model = model
        .map(|model| ModelFolder::load(model).with_context(|| format!("load the model {}", model.display())))
        .transpose()?;
    let vectors =
        model.as_ref().map(|model| dataset::vectors(&folder, &articles, Some(model))).transpose()?;
    // Where the folder gives none, vectors come from reads, and every article may have one.
    let given = vectors.as_ref().filter(|vectors| !vectors.by_article.is_empty());
    let known: Option<BTreeSet<ArticleId>> =
        given.map(|vectors| vectors.by_article.keys().copied().collect());
    let shown = shown(&folder, split, within, known.as_ref())?;
    if shown.is_empty() {
        bail!("evaluate on {}: no impression is left within the times given", data.display());
    }
    let of_models = match (&model, &vectors) {
        (Some(model), Some(vectors)) => {
            let mut set = dataset::gather(&folder, vectors, &[split], until)?;
            set.impressions.retain(|impression| within(impression.time));
            Some(rank(&set, model, options, output)?)
        }
        _ => None,
    };
    let oracle = oracle(&folder, &shown)?;
    let mut names = vec![POPULARITY];
    names.extend(of_models.iter().flat_map(|_| WITH_MODEL));
    names.extend(oracle.iter().map(|_| ORACLE));
    let mut baselines = vec![POPULARITY];
    baselines.extend(of_models.iter().map(|_| WITH_MODEL[0]));
    let mut evaluation = Evaluation::new(&names).baselines(&baselines);
    if of_models.is_none() {
        let reason =
            if model.is_none() { "no model; name one by --model DIR" } else { "no article has a vector" };
        WITH_MODEL.iter().for_each(|row| evaluation.missing(row, reason));
    }
    evaluation.fact("data", data.display().to_string());
    let published: BTreeMap<ArticleId, Timestamp> =
        articles.iter().map(|article| (article.article_id, article.published_time)).collect();
    let mut past = Past::default();
    let mut events = folder.events()?.peekable();
    for (place, impression) in shown.iter().enumerate() {
        while let Some(event) =
            events.next_if(|event| event.as_ref().map_or(true, |event| event.timestamp < impression.time))
        {
            let event = event?;
            past.count(&event.reader, event.article_id, event.timestamp);
        }
        let worth: Vec<f64> =
            impression.in_view.iter().map(|article| past.reads(*article, impression.time)).collect();
        let all = decayed_reads(&past.all, HALF_LIFE, impression.time);
        let popularity: Vec<f32> = worth.iter().map(|reads| (reads / all) as f32).collect();
        let candidates: Vec<u32> = impression.in_view.iter().map(|article| article.0 as u32).collect();
        let clicked = impression.in_view.iter().zip(&impression.clicked).find(|(_, clicked)| **clicked);
        let age = clicked
            .and_then(|(article, _)| published.get(article))
            .map(|published| Duration::from_millis(impression.time.millis_since(*published).max(0) as u64));
        let (reader, reads_before) = past.reader(&impression.reader);
        let facts = ImpressionFacts {
            reader,
            time: impression.time,
            clicked: &impression.clicked,
            reads_before,
            clicked_age: age,
            hour: (impression.time.0.div_euclid(HOUR_MILLIS).rem_euclid(24)) as u8,
            candidates: &candidates,
            popularity: &popularity,
            vectors: None,
        };
        let mut scores = vec![&worth[..]];
        scores.extend(of_models.iter().flatten().map(|row| &row[place][..]));
        scores.extend(oracle.iter().map(|row| &row[place][..]));
        evaluation.add(&facts, &scores);
    }
    Ok(evaluation.finish(RESAMPLES, SEED))
}

/// An impression, in the order of the table.
struct Shown {
    impression_id: u32,
    reader: ReaderId,
    time: Timestamp,
    in_view: Vec<ArticleId>,
    clicked: Vec<bool>,
}

/// The impressions to rank, in the order of time. Where vectors are needed (`known`), articles without one are taken out of the lists, and
/// impressions are left out where [`dataset::gather`] leaves them out.
fn shown(
    folder: &DataFolder,
    split: Split,
    within: impl Fn(Timestamp) -> bool,
    known: Option<&BTreeSet<ArticleId>>,
) -> anyhow::Result<Vec<Shown>> {
    let is_known = |article: &ArticleId| known.is_none_or(|known| known.contains(article));
    let mut all = Vec::new();
    for row in folder.behaviors_in_time_order(split)? {
        if !within(row.impression_time) {
            continue;
        }
        let in_view: Vec<ArticleId> = row.in_view.iter().copied().filter(is_known).collect();
        if known.is_some() && (in_view.len() < 2 || !row.clicked.iter().any(is_known)) {
            continue;
        }
        all.push(Shown {
            impression_id: row.impression_id,
            reader: row.reader,
            time: row.impression_time,
            clicked: in_view.iter().map(|article| row.clicked.contains(article)).collect(),
            in_view,
        });
    }
    Ok(all)
}

/// The true probabilities of each list, where they are known; NaN for an article that has none.
fn oracle(folder: &DataFolder, shown: &[Shown]) -> anyhow::Result<Option<Vec<Vec<f64>>>> {
    let Some(rows) = folder.oracle()? else { return Ok(None) };
    let place_of: BTreeMap<u32, usize> =
        shown.iter().enumerate().map(|(place, impression)| (impression.impression_id, place)).collect();
    let mut scores: Vec<Vec<f64>> =
        shown.iter().map(|impression| vec![f64::NAN; impression.in_view.len()]).collect();
    for row in rows {
        let row = row?;
        let Some(place) = place_of.get(&row.impression_id) else { continue };
        for (article, score) in shown[*place].in_view.iter().zip(&mut scores[*place]) {
            if *article == row.article_id {
                *score = f64::from(row.probability);
            }
        }
    }
    Ok(Some(scores))
}

/// What was read before a moment.
#[derive(Default)]
struct Past {
    articles: BTreeMap<ArticleId, ArticleCounts>,
    all: ArticleCounts,
    readers: BTreeMap<ReaderId, (u32, u32)>,
}

impl Past {
    fn count(&mut self, reader: &ReaderId, article: ArticleId, time: Timestamp) {
        count_read(self.articles.entry(article).or_default(), time);
        count_read(&mut self.all, time);
        self.reader(reader);
        if let Some((_, reads)) = self.readers.get_mut(reader) {
            *reads += 1;
        }
    }

    /// The decayed reads of an article.
    fn reads(&self, article: ArticleId, now: Timestamp) -> f64 {
        self.articles.get(&article).map_or(0.0, |counts| decayed_reads(counts, HALF_LIFE, now))
    }

    /// A reader's number and reads.
    fn reader(&mut self, reader: &ReaderId) -> (u32, u32) {
        let next = self.readers.len() as u32;
        *self.readers.entry(reader.clone()).or_insert((next, 0))
    }
}

/// The scores of each impression's list, for each of [`WITH_MODEL`].
fn rank(
    set: &TrainingSet,
    model: &ModelFolder,
    options: InferenceOptions,
    output: &Output,
) -> anyhow::Result<[Vec<Vec<f64>>; 3]> {
    let inference = Inference::start(model, options)?;
    let sessions = sessions(set, &inference, output)?;
    let vector = |article: u32, as_of: Timestamp| set.vectors.at(article, as_of).unwrap_or(vec![0.0; WIDTH]);
    let dot = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>());
    let by = |vectors: &[Vec<f32>]| {
        let lists = set.impressions.iter().zip(vectors);
        lists.map(|(i, query)| i.in_view.iter().map(|a| dot(&vector(*a, i.time), query)).collect()).collect()
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
    Ok([by(&sessions.mean), by(&sessions.embedding), reranked])
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
