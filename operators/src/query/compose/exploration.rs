//! A new article gets its chance: now and then the last place goes to one that few were shown.

use std::sync::Arc;

use super::{Gathered, Rule, Shared};
use crate::{
    articles::Article,
    query::{batch::Candidate, request::Source},
};

/// Of the articles published last, so many may be explored.
const NEW: usize = 50;

/// With a given probability, puts one of the new articles that few were shown into the last place of the slate, each of them as likely as the
/// others, and notes with what probability each article came to its place.
#[derive(Debug)]
pub(super) struct Exploration;

impl Rule for Exploration {
    const NAME: &'static str = "exploration";

    fn apply(&self, shared: &Shared, gathered: &mut Gathered) {
        let share = gathered.known.asked.settings().composition.exploration;
        let request = &gathered.known.asked.request;
        let k = request.k;
        // A slate of one or two has no place to give away.
        if share <= 0.0 || request.page.is_some() || k < 3 || gathered.candidates.len() < k {
            return;
        }
        let new = new_to(shared, gathered, k - 1);
        if new.is_empty() {
            return;
        }
        let last = gathered.candidates[k - 1].article.id;
        let drawn = share / new.len() as f32;
        // With what probability an article comes to the last place, by either way.
        let propensity = |article: &Article| {
            let stays = if article.id == last { 1.0 - share } else { 0.0 };
            let may_be_drawn = new.iter().any(|other| other.id == article.id);
            stays + if may_be_drawn { drawn } else { 0.0 }
        };
        if chance(shared) >= f64::from(share) {
            let of_last = propensity(&gathered.candidates[k - 1].article);
            gathered.candidates[k - 1].propensity = of_last;
            return;
        }
        let one = &new[(chance(shared) * new.len() as f64) as usize];
        let propensity = propensity(one);
        let known = gathered.candidates.iter().position(|candidate| candidate.article.id == one.id);
        let explored = match known {
            Some(place) => gathered.candidates.remove(place),
            None => Candidate::new(one.clone(), Source::Exploration, 0.0),
        };
        gathered.candidates.insert(k - 1, Candidate { source: Source::Exploration, propensity, ..explored });
    }
}

/// The new articles that few were shown, without those in the first places.
fn new_to(shared: &Shared, gathered: &Gathered, above: usize) -> Vec<Arc<Article>> {
    let (most, now) = (gathered.known.asked.settings().composition.explored_exposures, shared.runtime.now());
    let few = |article: &Article| {
        shared.exposures.as_ref().is_none_or(|exposures| exposures.of(article.id, now) <= most)
    };
    let above = &gathered.candidates[..above];
    let is_above = |article: &Article| above.iter().any(|candidate| candidate.article.id == article.id);
    let newest = shared.newest.kept();
    let new = newest.iter().take(NEW);
    new.filter(|article| gathered.known.admits(article) && few(article) && !is_above(article))
        .cloned()
        .collect()
}

/// Uniform from 0 to 1, without 1.
fn chance(shared: &Shared) -> f64 {
    (shared.runtime.random() >> 11) as f64 / (1u64 << 53) as f64
}
