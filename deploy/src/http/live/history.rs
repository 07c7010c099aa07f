//! The last quarter of an hour in numbers, for a page that has just been opened.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use utoipa::ToSchema;

/// Points that are kept: a quarter of an hour at one a second.
const MOST_POINTS: usize = 900;
/// The least time between two of them, in milliseconds; a little less than a second, since nobody wakes up at the very moment.
const EVERY_MS: i64 = 950;

/// Numbers by name at one moment; null where one is not known.
pub(super) type Series = BTreeMap<String, Option<f64>>;

/// Several series over one list of moments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Curves {
    /// Milliseconds since 1970, rising.
    #[schema(value_type = Vec<i64>)]
    at_ms: VecDeque<i64>,
    /// By name, each as long as `at_ms`; null where a number was not known.
    #[schema(value_type = BTreeMap<String, Vec<Option<f64>>>)]
    series: BTreeMap<String, VecDeque<Option<f32>>>,
}

impl Curves {
    /// Adds a moment, unless the last one was less than a second ago. A series that is new was not known before.
    pub(super) fn add(&mut self, at_ms: i64, now: &Series) {
        if self.at_ms.back().is_some_and(|last| (*last..*last + EVERY_MS).contains(&at_ms)) {
            return;
        }
        // A clock that was set back: what was drawn would lie in the future.
        if self.at_ms.back().is_some_and(|last| at_ms < *last) {
            *self = Self::default();
        }
        for name in now.keys().filter(|name| !self.series.contains_key(*name)).cloned().collect::<Vec<_>>() {
            self.series.insert(name, vec![None; self.at_ms.len()].into());
        }
        self.at_ms.push_back(at_ms);
        for (name, points) in &mut self.series {
            points.push_back(now.get(name).copied().flatten().map(|number| number as f32));
        }
        if self.at_ms.len() > MOST_POINTS {
            self.at_ms.pop_front();
            for points in self.series.values_mut() {
                points.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_an_hour_is_kept_a_point_a_second() {
        let mut curves = Curves::default();
        for tenth in 0..10_000 {
            let mut now = Series::from([("lag".to_owned(), Some(0.1))]);
            if tenth > 5_000 {
                now.insert("p50_ms".to_owned(), None);
            }
            curves.add(tenth * 100, &now);
        }
        assert_eq!(curves.at_ms.len(), MOST_POINTS);
        assert!(curves.series.values().all(|points| points.len() == MOST_POINTS));
        assert!(serde_json::to_string(&curves).unwrap().contains("[0.1,0.1"));
        curves.add(5, &Series::new());
        assert_eq!(curves.at_ms, [5]);
    }
}
