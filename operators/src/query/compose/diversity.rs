//! What is like those above it counts less: maximal marginal relevance (Carbonell and Goldstein, 1998).

use super::{Gathered, Rule, Shared};
use crate::{features::content::dot, query::vectors::Prepared};

/// So many times a slate's candidates are looked at: what lies below has no chance.
const WINDOW: usize = 3;
/// Slates beyond this length are diverse at their top only.
const MOST_PLACES: usize = 30;

/// Fills the places of a slate one by one, each with the candidate of the greatest `(1 - d) * score - d * likeness`, where the likeness
/// is the greatest cosine with what stands above it, and 0 for the first.
#[derive(Debug)]
pub(super) struct Diversity;

impl Rule for Diversity {
    const NAME: &'static str = "diversity";

    fn apply(&self, shared: &Shared, gathered: &mut Gathered) {
        let request = &gathered.known.asked.request;
        let taken_away = gathered.known.asked.settings().composition.diversity;
        // Related stories are meant to be alike.
        if taken_away <= 0.0 || request.page.is_some() {
            return;
        }
        let places = request.k.min(MOST_PLACES);
        let window = gathered.candidates.len().min(places * WINDOW);
        let now = shared.runtime.now();
        let prepared: Vec<Prepared> = gathered.candidates[..window]
            .iter()
            .map(|candidate| shared.prepared.of(&candidate.article, now))
            .collect();
        let units: Vec<Option<&[f32]>> = prepared.iter().map(Prepared::unit).collect();
        let scores: Vec<f32> = gathered.candidates[..window].iter().map(|c| c.score).collect();
        let order = order(&scores, &units, places, taken_away);
        let mut from: Vec<_> = gathered.candidates.drain(..window).map(Some).collect();
        let ordered: Vec<_> = order.into_iter().filter_map(|place| from[place].take()).collect();
        gathered.candidates.splice(0..0, ordered);
    }
}

/// The places of the candidates in their new order; those that fill no place of the slate follow as they were.
fn order(scores: &[f32], units: &[Option<&[f32]>], places: usize, taken_away: f32) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..scores.len()).collect();
    let mut alike = vec![0.0_f32; scores.len()];
    let mut order = Vec::with_capacity(scores.len());
    while order.len() < places && !rest.is_empty() {
        let worth = |place: usize| (1.0 - taken_away) * scores[place] - taken_away * alike[place];
        // The first of equals, so that equal scores stay in their order.
        let best = (0..rest.len()).reduce(|a, b| if worth(rest[b]) > worth(rest[a]) { b } else { a });
        let Some(best) = best else { break };
        let chosen = rest.remove(best);
        order.push(chosen);
        let Some(unit) = &units[chosen] else { continue };
        for place in &rest {
            if let Some(other) = &units[*place] {
                alike[*place] = alike[*place].max(dot(unit, other));
            }
        }
    }
    order.extend(rest);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(direction: usize) -> [f32; 32] {
        let mut unit = [0.0; 32];
        unit[direction] = 1.0;
        unit
    }

    #[test]
    fn the_second_of_a_kind_waits_for_the_first_of_another() {
        let (one, other) = (unit(0), unit(1));
        let units = [Some(&one[..]), Some(&one), Some(&other), None];
        let scores = [0.9, 0.85, 0.8, 0.1];
        assert_eq!(order(&scores, &units, 4, 0.1), [0, 2, 1, 3]);
        assert_eq!(
            order(&scores, &units, 4, 0.01),
            [0, 1, 2, 3],
            "a little does not outweigh a better score"
        );
        assert_eq!(order(&scores, &units, 1, 0.5), [0, 1, 2, 3], "beyond the slate nothing moves");
        assert!(order(&[], &[], 3, 0.1).is_empty());
    }
}
