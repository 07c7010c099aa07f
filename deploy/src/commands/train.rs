//! `train`: both networks and what ranks with them, into a model folder.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use abovefold_models::{
    CachedVectors, CheckpointPlan, ModelFolder, TrainingOptions, TrainingProgress, VectorSource, train,
    train::forget_checkpoint, train_from, trees::TreesOptions, vectors::CACHED_VECTORS,
};
use abovefold_operators::articles::{Article, ArticleIndex};
use abovefold_schemas::{
    ArticleId, Timestamp,
    tables::{DataFolder, Split},
};
use anyhow::Context;

use crate::{
    config::Config,
    dataset::{self, LeftOut},
    edges::reached,
    output::Output,
    ranking::grow::{Ground, grow},
    reads::{self, SORT_MEMORY},
};

/// The most lists that the ranker is grown from.
pub const MOST_LISTS: usize = 200_000;
/// The networks learned from nothing since this moment (ms since 1970): a figure of the model's card.
pub const NETWORKS_UNTIL: &str = "networks_until";
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

/// A folder for what is spilled, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(out: &Path) -> anyhow::Result<Self> {
        let folder = beside(out, ".scratch");
        std::fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "cannot remove what was spilled");
        }
    }
}

fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    out.with_file_name(name)
}

/// Where the checkpoint of a training into `out` lies: beside it.
fn checkpoint_of(out: &Path) -> PathBuf {
    beside(out, ".checkpoint")
}

/// Trains on a data folder's training split (on everything before `until`, where that is given).
///
/// Where an article edge is named, article vectors come from it, when they are needed.
pub async fn run(
    config: &Config,
    data: &Path,
    out: &Path,
    options: &Options<'_>,
    output: &Output,
) -> anyhow::Result<()> {
    let edge = match config.articles.as_str() {
        "" => None,
        url => Some(reached(abovefold_operators::articles::open(url, &config.article_settings()).await)?),
    };
    let runtime = tokio::runtime::Handle::current();
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
        (training.epochs, training.rerank_epochs, training.least_steps) = (epochs, epochs, 0);
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
                dataset::first_shown(&folder, Split::Validation)?
            }
            None => None,
        };
        let splits = folder.splits();
        let networks_vectors = match &edge {
            Some(_) => None,
            None => Some(dataset::vectors_until(&folder, &articles, warm_start.as_ref(), first_validated)?),
        };
        // The networks learn from what was before the impressions that the ranker is grown from, so that it sees them as they serve:
        // on what they have not seen.
        let handed_over = halfway(&folder, &splits, first_validated)?;
        // What is spilled lies on the same disk as the model will.
        let scratch = Scratch::beside(&out)?;
        let reads = reads::in_time_order(&folder, &scratch.0, SORT_MEMORY, &runtime)?;
        let (gathered, left_out) = dataset::gather_from(
            &folder,
            reads,
            networks_vectors.as_ref(),
            &splits,
            handed_over.or(first_validated),
            Some(training.max_impressions),
        )?;
        drop(scratch);
        if left_out != LeftOut::default() {
            said.line(format!("left out: {left_out}"));
        }
        let version = format!("{}-{seed}", chrono::Utc::now().format("%Y%m%dT%H%M%SZ"));
        let training = TrainingOptions { seed, version, warm_start, ..training };
        let mut told = |progress: &TrainingProgress| {
            let what = format!(
                "{} epoch {} loss {:.4} {:.0}/s, {:.0} s left",
                progress.stage, progress.epoch, progress.loss, progress.rate, progress.seconds_left
            );
            said.progress(&what, (progress.done * 100.0) as u64, 100);
        };
        let mut trained = match edge {
            Some(edge) => {
                let source = from_edge(edge, runtime, gathered.articles.clone());
                let trained = train_from(&gathered, &source, &training, &mut told);
                let facts = source.facts();
                said.line(format!(
                    "article vectors from the edge: {} asked for, hit rate {:.4}, {} bytes fetched, {} bytes held",
                    facts.hits + facts.misses,
                    facts.hit_rate(),
                    facts.fetched_bytes,
                    facts.held_bytes
                ));
                trained
            }
            None => train(&gathered, &training, &mut told),
        }
        .with_context(|| format!("train on {}", data.display()))?;
        let vectors = match networks_vectors {
            Some(vectors) => vectors,
            None => {
                let given = training.warm_start.as_ref();
                dataset::vectors_until(&folder, &articles, given, first_validated)?
            }
        };
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
        if let Some(until) = handed_over.or(first_validated) {
            trained.model.card.metrics.insert(NETWORKS_UNTIL.to_owned(), until.0 as f64);
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

/// The edge's vectors, those used last in memory.
fn from_edge(
    edge: Arc<dyn ArticleIndex>,
    runtime: tokio::runtime::Handle,
    articles: Vec<ArticleId>,
) -> CachedVectors {
    let fetch = move |ids: &[ArticleId]| {
        let found = runtime.block_on(edge.get(ids)).map_err(|error| error.to_string())?;
        let vector = |article: Option<Arc<Article>>| {
            article.map(|article| article.version.vector.clone()).filter(|vector| !vector.is_empty())
        };
        Ok(found.into_iter().map(vector).collect())
    };
    let capacity = NonZeroUsize::new(CACHED_VECTORS).unwrap_or(NonZeroUsize::MIN);
    CachedVectors::new(articles, capacity, Box::new(fetch))
}

/// The moment by which half of the impressions before `until` were shown; nothing where there are too few to share.
fn halfway(
    folder: &DataFolder,
    splits: &[Split],
    until: Option<Timestamp>,
) -> anyhow::Result<Option<Timestamp>> {
    let mut times = Vec::new();
    for split in splits {
        for row in folder.behaviors(*split)? {
            times.push(row?.impression_time);
        }
    }
    times.retain(|time| until.is_none_or(|until| *time < until));
    times.sort_unstable();
    Ok((times.len() >= FEWEST_LISTS).then(|| times[times.len() / 2]))
}

/// A moment as text.
pub fn time(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text).with_context(|| format!("read the time {text:?}: write it as 2024-01-01T12:00:00"))
}
