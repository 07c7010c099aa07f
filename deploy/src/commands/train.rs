//! `train`: both networks and what ranks with them, into a model folder.

use std::{path::Path, time::Duration};

use abovefold_models::{ModelFolder, TrainingOptions, train};
use abovefold_schemas::{Timestamp, tables::Split};
use anyhow::{Context, bail};

use crate::{dataset, output::Output};

/// What is asked for beside data and place.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Use nothing from this moment on.
    pub until: Option<&'a str>,
    /// Begin with these weights.
    pub warm_start: Option<&'a Path>,
    /// Stop improving after this long.
    pub max_time: Duration,
    /// The same seed gives the same model, where the time does not run out.
    pub seed: u64,
}

/// Trains on a data folder's training split (on everything before `until`, where that is given).
pub async fn run(data: &Path, out: &Path, options: &Options<'_>, output: &Output) -> anyhow::Result<()> {
    let until = options.until.map(time).transpose()?;
    let warm_start = options
        .warm_start
        .map(|folder| {
            ModelFolder::load(folder).with_context(|| format!("load the model {}", folder.display()))
        })
        .transpose()?;
    let (data, out, said) = (data.to_owned(), out.to_owned(), output.clone());
    let (seed, max_seconds) = (options.seed, options.max_time.as_secs_f64());
    let line = tokio::task::spawn_blocking(move || {
        let folder = dataset::open(&data)?;
        let articles = folder.articles()?;
        let vectors = dataset::vectors(&folder, &articles, warm_start.as_ref())?;
        if vectors.by_article.is_empty() {
            bail!("train on {}: its articles have neither vectors nor text", data.display());
        }
        // Without a moment to stop at, the validation split stays unseen, reads included.
        let first_validated = match until {
            Some(until) => Some(until),
            None if folder.splits().contains(&Split::Validation) => {
                folder.behaviors_in_time_order(Split::Validation)?.first().map(|row| row.impression_time)
            }
            None => None,
        };
        let splits = folder.splits();
        let gathered = dataset::gather(&folder, &vectors, &splits, first_validated)?;
        let version = format!("{}-{seed}", chrono::Utc::now().format("%Y%m%dT%H%M%SZ"));
        let training =
            TrainingOptions { seed, max_seconds, version, warm_start, ..TrainingOptions::default() };
        let mut model = train(&gathered, &training, &mut |progress| {
            let what = format!(
                "{} epoch {} loss {:.4} {:.0}/s",
                progress.stage, progress.epoch, progress.loss, progress.rate
            );
            said.progress(&what, (progress.done * 100.0) as u64, 100);
        })
        .with_context(|| format!("train on {}", data.display()))?;
        model.text = vectors.text;
        model.save(&out).with_context(|| format!("save the model {}", out.display()))?;
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

/// A moment as text.
pub fn time(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text).with_context(|| format!("read the time {text:?}: write it as 2024-01-01T12:00:00"))
}
