//! The generated newspaper: a town, its country and its world, and people who read about them.
//!
//! It exists so that everything can be shown, tested and measured without anybody's data. Its articles are
//! readable English, its stories go on for days, and its readers click by a model that is known ([`clicks`]),
//! so that one can tell how much of what can be learned a ranker has learned.
//!
//! The same [`Spec`] makes the same bytes on every machine.

mod calendar;
mod clicks;
mod dice;
mod edition;
mod exact;
mod files;
mod grammar;
mod readers;
mod sections;
mod story;
#[cfg(test)]
mod tests;
mod visits;
mod world;

use std::path::Path;

use abovefold_schemas::Timestamp;
use anyhow::{Context as _, Result, ensure};

use self::calendar::DAY;
use self::dice::Dice;
use self::readers::Reader;

/// What to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How many readers there are; at least 1.
    pub readers: usize,
    /// How many articles are published; at least 50.
    pub articles: usize,
    /// How many days are read; 2 to 3,650. The first article appears a day before.
    pub days: usize,
    /// What everything is drawn from.
    pub seed: u64,
    /// Of a hundred visits, how many are about one section, whatever the reader likes else.
    pub moods: u32,
    /// When the last day ends.
    pub end: Timestamp,
}

impl Default for Spec {
    fn default() -> Self {
        // 2026-06-30T06:00Z: fixed, so that the bytes are.
        Self { readers: 800, articles: 2_000, days: 14, seed: 1, moods: 0, end: Timestamp(1_782_799_200_000) }
    }
}

impl Spec {
    /// When the first reader comes.
    pub fn start(&self) -> Timestamp {
        Timestamp(self.end.0 - self.length())
    }

    /// When the impressions of the train split begin: the first three tenths of the days are history only.
    pub fn train_start(&self) -> Timestamp {
        Timestamp(self.start().0 + (self.days * 3 / 10) as i64 * DAY)
    }

    /// When the impressions of the validation split begin: it is the last fifth of the days, at least one.
    pub fn validation_start(&self) -> Timestamp {
        Timestamp(self.end.0 - ((self.days + 2) / 5).max(1) as i64 * DAY)
    }

    /// Milliseconds from the start to the end.
    fn length(&self) -> i64 {
        self.days as i64 * DAY
    }
}

/// What was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Articles published.
    pub articles: usize,
    /// Stories that they tell.
    pub stories: usize,
    /// Readers who read at least once.
    pub readers: usize,
    /// Reads, the rows of `events.parquet`.
    pub reads: usize,
    /// Impressions with a click in the train split.
    pub train_impressions: usize,
    /// Impressions with a click in the validation split.
    pub validation_impressions: usize,
}

/// Writes a newspaper and its readers into the folder `out`, as EB-NeRD's tables, `events.parquet` and
/// `oracle.parquet`. `progress` is told the share that is done, 0 to 1.
///
/// # Errors
/// When the spec asks for what can't be made, or the folder can't be written.
pub fn write(spec: &Spec, out: &Path, progress: &mut dyn FnMut(f32)) -> Result<Summary> {
    ensure!(spec.readers >= 1, "cannot generate a newspaper for {} readers: at least 1", spec.readers);
    ensure!(spec.articles >= 50, "cannot generate {} articles: at least 50", spec.articles);
    ensure!(spec.moods <= 100, "cannot generate moods for {} of a hundred visits", spec.moods);
    ensure!((2..=3650).contains(&spec.days), "cannot generate {} days: 2 to 3650", spec.days);
    let sections = sections::all()?;
    // Each part draws from a stream of its own: more readers do not change the articles.
    let articles = edition::publish(spec, &sections, &mut Dice::new(spec.seed, 0));
    progress(0.1);
    let mut dice = Dice::new(spec.seed, 1);
    let readers: Vec<Reader> = (0..spec.readers).map(|_| Reader::any(spec, &sections, &mut dice)).collect();
    let mut dice = Dice::new(spec.seed, 2);
    let record = visits::simulate(spec, &sections, &articles, &readers, &mut dice, &mut |done| {
        progress(0.1 + 0.8 * done)
    });
    progress(0.9);
    files::write(spec, &articles, &record, out)
        .with_context(|| format!("cannot write the newspaper to {}", out.display()))?;
    progress(1.0);
    let within = |from: Timestamp, until: Timestamp| {
        record.behaviors.iter().filter(|row| (from..until).contains(&row.behavior.impression_time)).count()
    };
    Ok(Summary {
        articles: articles.len(),
        stories: articles.iter().filter(|article| article.chapter == 0).count(),
        readers: record.reads.iter().filter(|reads| !reads.is_empty()).count(),
        reads: record.events.len(),
        train_impressions: within(spec.train_start(), spec.validation_start()),
        validation_impressions: within(spec.validation_start(), spec.end),
    })
}
