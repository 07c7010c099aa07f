//! What was measured of requests of one kind.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde_json::{Value, json};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A slate, or an event that was taken.
    Answered,
    /// Refused at once: too much to do.
    Shed,
    /// Anything else.
    Failed,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What became of it.
    pub outcome: Outcome,
    /// When that was.
    pub ended: Instant,
    /// How long after it was due.
    pub seconds: f64,
}

/// Requests of one kind, noted by many tasks.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Vec<Sample>>>);

impl Tally {
    /// Notes one.
    pub fn note(&self, sample: Sample) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For each second of the schedule in which requests with this outcome fell due: how many, their median and their greatest latency in
    /// milliseconds. A stall shows as one bad second, a load that is too high as many.
    pub fn timeline(&self, outcome: Outcome, begun: Instant) -> Value {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seconds: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| sample.outcome == outcome) {
            let due = sample.ended.saturating_duration_since(begun).as_secs_f64() - sample.seconds;
            seconds.entry(due.floor() as i64).or_default().push(sample.seconds * 1e3);
        }
        let second = |(second, mut milliseconds): (i64, Vec<f64>)| {
            milliseconds.sort_by(f64::total_cmp);
            let (count, last) = (milliseconds.len(), milliseconds.len() - 1);
            json!({"second": second, "count": count, "p50_ms": milliseconds[last / 2], "max_ms": milliseconds[last]})
        };
        seconds.into_iter().map(second).collect()
    }

    /// The figures of those with this outcome, of a schedule that began at `begun` with so many a second.
    pub fn figures(&self, outcome: Outcome, begun: Instant, offered: f64) -> Figures {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_outcome: Vec<&Sample> = samples.iter().filter(|sample| sample.outcome == outcome).collect();
        let mut milliseconds: Vec<f64> = of_outcome.iter().map(|sample| sample.seconds * 1e3).collect();
        milliseconds.sort_by(f64::total_cmp);
        let last = samples.iter().map(|sample| sample.ended).max().unwrap_or(begun);
        Figures {
            offered,
            achieved: milliseconds.len() as f64 / (last - begun).as_secs_f64().max(1e-9),
            asked: samples.len(),
            failed: samples.iter().filter(|sample| sample.outcome == Outcome::Failed).count(),
            milliseconds,
        }
    }
}

/// The figures of a row.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Requests a second that fell due.
    pub offered: f64,
    /// Answers a second, up to the last one.
    pub achieved: f64,
    /// Requests of every outcome.
    pub asked: usize,
    /// How many of them failed.
    pub failed: usize,
    /// Latencies, sorted.
    pub milliseconds: Vec<f64>,
}

impl Figures {
    /// The least latency that `share` of them do not exceed; NaN where there are none.
    pub fn percentile(&self, share: f64) -> f64 {
        let rank = (self.milliseconds.len() as f64 * share).ceil() as usize;
        self.milliseconds.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "offered_per_second": self.offered, "achieved_per_second": self.achieved, "asked": self.asked,
            "counted": self.milliseconds.len(), "failed": self.failed, "p50_ms": self.percentile(0.5),
            "p90_ms": self.percentile(0.9), "p99_ms": self.percentile(0.99), "p99.9_ms": self.percentile(0.999),
            "max_ms": self.percentile(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let (tally, begun) = (Tally::default(), Instant::now());
        for number in 1..=200_u64 {
            let ended = begun + Duration::from_millis(100 * number);
            let outcome = if number.is_multiple_of(2) { Outcome::Answered } else { Outcome::Shed };
            tally.note(Sample { outcome, ended, seconds: number as f64 / 1e3 });
        }
        let figures = tally.figures(Outcome::Answered, begun, 10.0);
        assert_eq!((figures.asked, figures.milliseconds.len(), figures.failed), (200, 100, 0));
        assert_eq!(figures.achieved, 5.0);
        let rounded = |share| figures.percentile(share).round();
        assert_eq!([rounded(0.0), rounded(0.5), rounded(0.99), rounded(1.0)], [2.0, 100.0, 198.0, 200.0]);
        assert!(tally.figures(Outcome::Failed, begun, 10.0).percentile(0.5).is_nan());
    }
}
