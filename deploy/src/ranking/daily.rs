//! Rankers that are grown anew at each midnight, from all lists before it.

use abovefold_models::trees::TreesOptions;
use abovefold_operators::features::ColumnRanker;
use abovefold_schemas::Timestamp;

use super::{grow::Growing, pass::Seen};
use crate::output::Output;

const DAY_MS: i64 = 86_400_000;

/// The lists so far, and the day on which the ranker of them was grown.
#[derive(Debug)]
pub struct Daily {
    growing: Growing,
    options: TreesOptions,
    day: Option<i64>,
}

impl Daily {
    /// No list yet; of more than `most` the latest are taken.
    pub fn new(most: usize, options: TreesOptions) -> Self {
        Self { growing: Growing::new(most), options, day: None }
    }

    /// How many impressions from the first on are of one day (UTC).
    pub fn of_one_day(seen: &[Seen]) -> usize {
        let day = |one: &Seen| day_of(one.row.impression_time);
        seen.iter().take_while(|one| day(one) == day(&seen[0])).count()
    }

    /// The ranker of the lists before `now`, where a day has begun since the last one was grown and there is anything to grow from.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn ranker_at(&mut self, now: Timestamp, output: &Output) -> anyhow::Result<Option<ColumnRanker>> {
        let day = day_of(now);
        if self.day.replace(day) == Some(day) || self.growing.len() == 0 {
            return Ok(None);
        }
        let trees = self.growing.grow(&self.options, output)?;
        Ok(Some(ColumnRanker::new(&trees)?))
    }

    /// Adds an impression, for the rankers of later days.
    pub fn add(&mut self, seen: &Seen) {
        self.growing.add(seen);
    }
}

fn day_of(time: Timestamp) -> i64 {
    time.0.div_euclid(DAY_MS)
}
