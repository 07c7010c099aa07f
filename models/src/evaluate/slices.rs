//! The parts of the impressions that are looked at by themselves.

use std::time::Duration;

use super::ImpressionFacts;

/// The measures that a slice has.
pub const SLICE_MEASURES: [&str; 4] = ["auc", "mrr@10", "ndcg@10", "hr@10"];

const HOUR: Duration = Duration::from_secs(3600);
const DAY_MILLIS: i64 = 24 * 3_600_000;

const READERS: [&str; 3] = ["cold (no read)", "lukewarm (1 to 3)", "warm (4 or more)"];
const AGES: [&str; 5] = ["under 1 h", "1 to 6 h", "6 to 24 h", "older", "unknown"];

/// What is kept of an impression beside its measures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) reader: u32,
    /// Whole days since 1970, UTC.
    day: i32,
    warmth: u8,
    age: u8,
    hour: u8,
}

impl Kept {
    pub(super) fn of(facts: &ImpressionFacts<'_>) -> Self {
        let warmth = match facts.reads_before {
            0 => 0,
            1..=3 => 1,
            _ => 2,
        };
        let age = match facts.clicked_age {
            None => 4,
            Some(age) if age < HOUR => 0,
            Some(age) if age < 6 * HOUR => 1,
            Some(age) if age < 24 * HOUR => 2,
            Some(_) => 3,
        };
        let day = facts.time.0.div_euclid(DAY_MILLIS) as i32;
        Self { reader: facts.reader, day, warmth, age, hour: facts.hour.min(23) }
    }
}

/// A way to part the impressions.
pub(super) struct Parting {
    pub(super) name: &'static str,
    pub(super) labels: Vec<String>,
    /// The place of an impression's label.
    pub(super) label_of: Box<dyn Fn(&Kept) -> usize>,
}

/// All of them: by reader, by age, by hour and, where there are several, by day.
pub(super) fn partings(kept: &[Kept]) -> Vec<Parting> {
    let owned = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let mut partings = vec![
        Parting {
            name: "reads before",
            labels: owned(&READERS),
            label_of: Box::new(|kept| kept.warmth.into()),
        },
        Parting {
            name: "age of the clicked article",
            labels: owned(&AGES),
            label_of: Box::new(|kept| kept.age.into()),
        },
        Parting {
            name: "hour of the day",
            labels: (0..24).map(|hour| format!("{hour:02}")).collect(),
            label_of: Box::new(|kept| kept.hour.into()),
        },
    ];
    let mut days: Vec<i32> = kept.iter().map(|kept| kept.day).collect();
    days.sort_unstable();
    days.dedup();
    if days.len() > 1 {
        let name = |day: &i32| {
            abovefold_schemas::Timestamp(i64::from(*day) * DAY_MILLIS).to_rfc3339()[..10].to_owned()
        };
        partings.push(Parting {
            name: "day",
            labels: days.iter().map(name).collect(),
            label_of: Box::new(move |kept| days.partition_point(|day| *day < kept.day)),
        });
    }
    partings
}
