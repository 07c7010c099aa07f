//! What is old counts less.

use super::{Gathered, Rule, Shared, reweigh};
use crate::query::request::ServedBy;

/// From so many half-lives on, age makes no more difference.
const MOST_HALF_LIVES: f32 = 10.0;
const HOUR_MS: f32 = 3_600_000.0;

/// A score halves with each half-life of its article's age: the section's own, or else the one for orders by nearness alone.
#[derive(Debug)]
pub(super) struct Freshness;

impl Rule for Freshness {
    const NAME: &'static str = "freshness";

    fn apply(&self, shared: &Shared, gathered: &mut Gathered) {
        let settings = &gathered.known.asked.settings().composition;
        // Trees see the age, and what trends or is new is in an order of time already.
        let by_nearness = matches!(gathered.served_by, ServedBy::Knn | ServedBy::Cached | ServedBy::Reranker)
            && !gathered.by_trees;
        let of_all = if by_nearness { settings.half_life_hours } else { 0.0 };
        if of_all <= 0.0 && settings.section_half_life_hours.is_empty() {
            return;
        }
        let Some(now) = shared.trending.view().now else { return };
        reweigh(&mut gathered.candidates, |candidate| {
            let version = &candidate.article.version;
            let half_life =
                settings.section_half_life_hours.get(&version.category).copied().unwrap_or(of_all);
            if half_life <= 0.0 {
                return 1.0;
            }
            let hours = (now.0 - version.published) as f32 / HOUR_MS;
            (-(hours / half_life).clamp(0.0, MOST_HALF_LIVES)).exp2()
        });
    }
}
