//! `train`: both networks and what ranks with them, into a model folder.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use abovefold_models::{
    CheckpointPlan, ModelFolder, TrainingOptions, train, train::forget_checkpoint, trees::TreesOptions,
};
use abovefold_schemas::{
    Timestamp,
    tables::{DataFolder, Split},
};
use anyhow::Context;

use crate::{
    config::Config,
    dataset::{self, LeftOut},
    output::Output,
    ranking::grow::{Ground, grow},
};

/// The most lists that the ranker is grown from.
const MOST_LISTS: usize = 200_000;
/// With fewer impressions, the ranker is grown from the same that the networks learned from.
const FEWEST_LISTS: usize = 200;

/// What is asked for beside data and place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Use nothing from this moment on.
    pub until: Option<&'a str>,
    /// Begin with these weights.
    pub warm_start: Option<&'a Path>,
    /// Make the best of so much time; without it, train in full.
    pub max_time: Option<Duration>,
    /// Passes, batches and rates.
    pub settings: Settings,
    /// Passes over the reads at most, over the impressions likewise.
    pub epochs: Option<usize>,
    /// How often to write a checkpoint.
    pub checkpoint_every: Duration,
    /// The same seed gives the same model, where the time does not run out.
    pub seed: u64,
    /// Whether trees without each group of columns are grown as well, for the drop-one table.
    pub drop_one: bool,
}

/// Passes, batches and rates, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Settings {
    /// What does best here: few passes at a falling rate, in larger batches.
    #[default]
    Ours,
    /// The reference system's: batches of 64, Adam at 1e-3, at most 100 passes, patience 5.
    Reference,
}

/// Where the checkpoint of a training into `out` lies: beside it.
fn checkpoint_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoint");
    out.with_file_name(name)
}

/// Trains on a data folder's training split (on everything before `until`, where that is given).
pub async fn run(
    config: &Config,
    data: &Path,
    out: &Path,
    options: &Options<'_>,
    output: &Output,
) -> anyhow::Result<()> {
    let (inference, drop_one) = (config.inference()?, options.drop_one);
    let until = options.until.map(time).transpose()?;
    let warm_start = options
        .warm_start
        .map(|folder| {
            ModelFolder::load(folder).with_context(|| format!("load the model {}", folder.display()))
        })
        .transpose()?;
    let (data, out, said) = (data.to_owned(), out.to_owned(), output.clone());
    let seed = options.seed;
    let mut training = match (options.max_time, options.settings) {
        (Some(time), _) => TrainingOptions::within(time.as_secs_f64()),
        (None, Settings::Ours) => TrainingOptions::default(),
        (None, Settings::Reference) => TrainingOptions::reference(),
    };
    if let Some(epochs) = options.epochs {
        (training.epochs, training.rerank_epochs) = (epochs, epochs);
    }
    // A time limit is for short trainings, which are not worth going on with.
    if options.max_time.is_none() {
        let (file, every) = (checkpoint_of(&out), options.checkpoint_every);
        training.checkpoint = Some(CheckpointPlan { file, every });
    }
    let line = tokio::task::spawn_blocking(move || -> anyhow::Result<String> {
        let folder = dataset::open(&data)?;
        let articles = folder.articles()?;
        // Without a moment to stop at, the validation split stays unseen, reads included.
        let first_validated = match until {
            Some(until) => Some(until),
            None if folder.splits().contains(&Split::Validation) => {
                folder.behaviors_in_time_order(Split::Validation)?.first().map(|row| row.impression_time)
            }
            None => None,
        };
        let splits = folder.splits();
        let vectors = dataset::vectors_until(&folder, &articles, warm_start.as_ref(), first_validated)?;
        // The networks learn from what was before the impressions that the ranker is grown from, so that it sees them as they serve:
        // on what they have not seen.
        let handed_over = halfway(&folder, &splits, first_validated)?;
        let (gathered, left_out) =
            dataset::gather_all(&folder, &vectors, &splits, handed_over.or(first_validated))?;
        if left_out != LeftOut::default() {
            said.line(format!("left out: {left_out}"));
        }
        let version = format!("{}-{seed}", chrono::Utc::now().format("%Y%m%dT%H%M%SZ"));
        let training = TrainingOptions { seed, version, warm_start, ..training };
        let mut trained = train(&gathered, &training, &mut |progress| {
            let what = format!(
                "{} epoch {} loss {:.4} {:.0}/s, {:.0} s left",
                progress.stage, progress.epoch, progress.loss, progress.rate, progress.seconds_left
            );
            said.progress(&what, (progress.done * 100.0) as u64, 100);
        })
        .with_context(|| format!("train on {}", data.display()))?;
        said.end_progress();
        let ground = Ground {
            data: &folder,
            articles: &articles,
            vectors: &vectors,
            model: &trained.model,
            inference,
            unseen_from: handed_over,
            until: first_validated,
            most: MOST_LISTS,
        };
        let trees = TreesOptions { seed, ..TreesOptions::default() };
        if let Some(grown) = grow(&ground, &trees, drop_one, &said)? {
            trained.model.ranker = Some(grown.ranker.to_text()?);
            trained.model.card.metrics.insert("ranker_lists".to_owned(), grown.lists as f64);
            trained.model.card.metrics.insert("ranker_trees".to_owned(), grown.ranker.count() as f64);
            grown.save_drop_one(&out)?;
        }
        trained.model.text = vectors.text;
        trained.save(&out).with_context(|| format!("save the model {}", out.display()))?;
        if let Some(plan) = &training.checkpoint {
            forget_checkpoint(plan);
        }
        let model = trained.model;
        let figures: Vec<String> =
            model.card.metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        Ok(format!("model {} in {}: {}", model.card.version, out.display(), figures.join(", ")))
    })
    .await
    .context("train")??;
    output.end_progress();
    output.line(line);
    Ok(())
}

/// The moment by which half of the impressions before `until` were shown; nothing where there are too few to share.
fn halfway(
    folder: &DataFolder,
    splits: &[Split],
    until: Option<Timestamp>,
) -> anyhow::Result<Option<Timestamp>> {
    let mut times = Vec::new();
    for split in splits {
        let rows = folder.behaviors_in_time_order(*split)?;
        times.extend(rows.iter().map(|row| row.impression_time));
    }
    times.retain(|time| until.is_none_or(|until| *time < until));
    times.sort_unstable();
    Ok((times.len() >= FEWEST_LISTS).then(|| times[times.len() / 2]))
}

/// A moment as text.
pub fn time(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text).with_context(|| format!("read the time {text:?}: write it as 2024-01-01T12:00:00"))
}
