//! Of articles that tell one story, the best.

use super::{Gathered, Rule, Shared};
use crate::{features::content::dot, query::vectors::Prepared};

/// Holds back what is as near to an article above it as only another telling of the same story is.
#[derive(Debug)]
pub(super) struct Stories;

impl Rule for Stories {
    const NAME: &'static str = "stories";

    fn apply(&self, shared: &Shared, gathered: &mut Gathered) {
        let near = gathered.known.asked.settings().composition.story_cosine;
        if near <= 0.0 {
            return;
        }
        let (k, now) = (gathered.known.asked.request.k, shared.runtime.now());
        let mut told: Vec<Prepared> = Vec::with_capacity(k);
        let mut kept = 0;
        let mut ordered = Vec::with_capacity(gathered.candidates.len());
        for candidate in std::mem::take(&mut gathered.candidates) {
            // What comes after a full slate is not looked at: it matters only where later rules hold something back.
            if kept < 2 * k {
                let prepared = shared.prepared.of(&candidate.article, now);
                if told.iter().any(|other| is_near(other, &prepared, near)) {
                    gathered.held_back.push(candidate);
                    continue;
                }
                told.push(prepared);
            }
            kept += 1;
            ordered.push(candidate);
        }
        gathered.candidates = ordered;
    }
}

fn is_near(one: &Prepared, other: &Prepared, near: f32) -> bool {
    one.unit().zip(other.unit()).is_some_and(|(one, other)| dot(one, other) >= near)
}
