//! From counters at several moments to rates, shares and percentiles.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::counters::{Counters, Route};

/// Over how long rates are taken: shorter ones jump.
const RATES_OVER: Duration = Duration::from_millis(950);
/// Over how long percentiles are taken: they need requests.
const PERCENTILES_OVER: Duration = Duration::from_secs(10);
/// The most moments that are kept: ten seconds at ten a second.
const MOST: usize = 102;

/// The last moments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Moments(VecDeque<Arc<Counters>>);

/// A moment and those that it is compared with.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) now: Arc<Counters>,
    /// About a second before; `None` at the start.
    pub(super) then: Option<Arc<Counters>>,
    /// About ten seconds before; `None` at the start.
    pub(super) long_ago: Option<Arc<Counters>>,
}

impl Moments {
    /// Adds a moment.
    pub(super) fn add(&mut self, now: Counters) -> Compared {
        let now = Arc::new(now);
        let compared = Compared {
            then: self.before(&now, RATES_OVER),
            long_ago: self.before(&now, PERCENTILES_OVER),
            now: now.clone(),
        };
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(now);
        compared
    }

    /// The last one that is so long ago, or the oldest.
    fn before(&self, now: &Counters, by: Duration) -> Option<Arc<Counters>> {
        let is_old = |moment: &&Arc<Counters>| now.at.millis_since(moment.at) >= by.as_millis() as i64;
        self.0.iter().rev().find(is_old).or(self.0.front()).cloned()
    }
}

impl Compared {
    /// How much something rose a second; `None` at the start. What was counted anew (another read path) counts from there.
    pub(super) fn rate(&self, of: impl Fn(&Counters) -> f64) -> Option<f64> {
        let seconds = self.seconds()?;
        Some((of(&self.now) - self.then.as_ref().map_or(0.0, |then| of(then))).max(0.0) / seconds)
    }

    /// The seconds between the moment and the one about a second before.
    pub(super) fn seconds(&self) -> Option<f64> {
        let then = self.then.as_ref()?;
        let seconds = self.now.at.millis_since(then.at) as f64 / 1e3;
        (seconds > 0.0).then_some(seconds)
    }

    /// Percentiles of the requests of some routes over the last ten seconds, in milliseconds; `None` where there were none.
    pub(super) fn percentiles(&self, of: impl Fn(&str) -> bool, shares: [f64; 3]) -> [Option<f64>; 3] {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (name, route) in self.now.routes.iter().filter(|(name, _)| of(name)) {
            let before = self.long_ago.as_ref().and_then(|then| then.routes.get(name));
            let news = news(route, before);
            match buckets.is_empty() {
                true => buckets = news,
                false => buckets.iter_mut().zip(news).for_each(|(sum, (_, count))| sum.1 += count),
            }
        }
        shares.map(|share| percentile(&buckets, share).map(|seconds| seconds * 1e3))
    }
}

/// What came into a route's buckets since a moment.
fn news(now: &Route, before: Option<&Route>) -> Vec<(f64, f64)> {
    let then = |place: usize| {
        let bucket = before.and_then(|before| before.buckets.get(place));
        bucket.map_or(0.0, |(_, count)| *count)
    };
    let since = |(place, (bound, count)): (usize, &(f64, f64))| (*bound, (count - then(place)).max(0.0));
    now.buckets.iter().enumerate().map(since).collect()
}

/// A percentile out of cumulated buckets, evenly spread within its bucket, as Prometheus' `histogram_quantile` takes it. What is beyond the last finite
/// bound is that bound.
fn percentile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|total| *total > 0.0)?;
    let wanted = share * total;
    let place = buckets.iter().position(|(_, count)| *count >= wanted)?;
    let (below, before) = if place == 0 { (0.0, 0.0) } else { buckets[place - 1] };
    let (bound, count) = buckets[place];
    if bound.is_infinite() || count <= before {
        return Some(below);
    }
    Some(below + (bound - below) * (wanted - before) / (count - before))
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::Timestamp;

    use super::*;

    fn counters(at: i64, records: f64) -> Counters {
        let buckets = vec![(0.001, records / 2.0), (0.002, records), (f64::INFINITY, records)];
        let route = Route { requests: records, errors: 0.0, buckets };
        Counters {
            at: Timestamp(at),
            gru_steps: records,
            routes: [("/recommend".to_owned(), route)].into(),
            ..Counters::default()
        }
    }

    #[test]
    fn rates_are_taken_over_a_second_however_often_one_looks() {
        let mut moments = Moments::default();
        assert_eq!(moments.add(counters(0, 0.0)).rate(|all| all.gru_steps), None);
        let mut rates = Vec::new();
        for tenth in 1..=30 {
            let compared = moments.add(counters(tenth * 100, (tenth * 5) as f64));
            rates.extend(compared.rate(|all| all.gru_steps));
        }
        assert!(rates.iter().all(|rate| (rate - 50.0).abs() < 1e-9), "{rates:?}");
        let restarted = moments.add(counters(3_100, 1.0));
        assert_eq!(restarted.rate(|all| all.gru_steps), Some(0.0));
        assert!(moments.0.len() <= MOST);
    }

    #[test]
    fn percentiles_are_those_of_the_last_ten_seconds() {
        let mut moments = Moments::default();
        moments.add(counters(0, 0.0));
        let compared = moments.add(counters(1_000, 100.0));
        let [half, most, _] = compared.percentiles(|_| true, [0.5, 0.95, 0.99]);
        assert_eq!(half, Some(1.0));
        assert!((most.unwrap() - 1.9).abs() < 1e-9);
        assert_eq!(compared.percentiles(|name| name == "/event", [0.5; 3]), [None; 3]);
        let idle = (2..30).map(|second| moments.add(counters(second * 1_000, 100.0))).last();
        assert_eq!(idle.unwrap().percentiles(|_| true, [0.5; 3]), [None; 3]);
    }
}
