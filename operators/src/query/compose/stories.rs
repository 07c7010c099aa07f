//! Of articles that tell one story, the best.

use std::sync::Arc;

use super::{Gathered, Rule, Shared};
use crate::features::content::dot;

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
        let mut told: Vec<Arc<[f32]>> = Vec::with_capacity(k);
        let mut kept = 0;
        let mut ordered = Vec::with_capacity(gathered.candidates.len());
        for candidate in std::mem::take(&mut gathered.candidates) {
            // What comes after a full slate is not looked at: it matters only where later rules hold something back.
            if kept < 2 * k
                && let Some(unit) = shared.prepared.of(&candidate.article, now).unit
            {
                if told.iter().any(|other| dot(other, &unit) >= near) {
                    gathered.held_back.push(candidate);
                    continue;
                }
                told.push(unit);
            }
            kept += 1;
            ordered.push(candidate);
        }
        gathered.candidates = ordered;
    }
}
