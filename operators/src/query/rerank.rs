//! The fourth step: candidates in the ranker's order.

use std::sync::Arc;

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_models::{Profile, RerankRequest, WIDTH};
use abovefold_schemas::state::ReaderState;

use super::{
    ServingModel,
    batch::{Batch, Candidate, Gathered, Known},
    cosines::sigmoid,
    metrics,
    metrics::Stopwatch,
    request::ServedBy,
    settings::RankBy,
    shared::Shared,
};
use crate::features::{ColumnRanker, columns::NetworkScores};

/// Columns that an explanation names.
const REASONS: usize = 5;

/// Orders the candidates of all requests of a batch in one pass of the networks, and then by the trees over their columns, of which the
/// networks' scores are some.
///
/// Without trees the networks' order counts; where the networks fail or are too slow, that of the trees without the networks' columns; without
/// both, that of the cosines. All of it is of the model that the batch began with.
#[derive(Debug)]
pub struct Rerank {
    shared: Arc<Shared>,
}

/// A request whose candidates are in their last order.
#[derive(Debug)]
pub struct Ranked(pub(in crate::query) Gathered);

impl Rerank {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The networks' logits for the requests at `places`, in their order; an empty list where they failed.
    async fn logits(&self, model: &ServingModel, items: &[Gathered], places: &[usize]) -> Vec<Vec<f32>> {
        let Some(ranker) = model.ranker.as_ref().filter(|_| !places.is_empty()) else {
            return Vec::new();
        };
        let requests = places.iter().map(|place| request(&items[*place])).collect();
        let answer = self.shared.ranker_edge.call(ranker.rank(requests)).await;
        let mut logits = answer.unwrap_or_default();
        logits.resize(places.len(), Vec::new());
        logits
    }
}

/// Whether the ranker can order it: candidates found by vector, for a reader with a session.
fn can_rank(gathered: &Gathered) -> bool {
    let by_nearness = matches!(gathered.served_by, ServedBy::Knn | ServedBy::Cached);
    by_nearness && gathered.known.session.is_some()
}

fn has_vector(candidate: &Candidate) -> bool {
    candidate.article.version.vector.len() == WIDTH
}

fn request(gathered: &Gathered) -> RerankRequest {
    let mut candidates = Vec::with_capacity(gathered.candidates.len() * WIDTH);
    for candidate in &gathered.candidates {
        match has_vector(candidate) {
            true => candidates.extend(&candidate.article.version.vector),
            false => candidates.resize(candidates.len() + WIDTH, 0.0),
        }
    }
    let session = gathered.known.session.clone().unwrap_or_default();
    RerankRequest { profile: profile_asked(&gathered.known), session, candidates }
}

fn profile_asked(known: &Known) -> Profile {
    profile_of(&known.state, known.asked.request.device_type)
}

/// A reader's profile as the network takes it; `device` is that of the request, or of the last read where it is absent.
pub fn profile_of(state: &ReaderState, device: Option<u8>) -> Profile {
    let told = state.profile.unwrap_or_default();
    let device = device.map_or(state.device_type, u32::from);
    Profile {
        device: u8::try_from(device).unwrap_or(0),
        // 0 and 1 as in the data; anything else is unknown.
        gender: told.gender.filter(|gender| *gender <= 1).map_or(0, |gender| gender as u8 + 1),
        // 30 stands for 30 to 39.
        age: told.age.map_or(0, |age| (age / 10).min(9) as u8),
        sso: told.is_sso_user.unwrap_or(false),
        subscriber: told.is_subscriber.unwrap_or(false),
    }
}

/// Gives each candidate its logit, where it has a vector. The order by them, where they are one: what has no vector comes last.
fn put_logits(gathered: &mut Gathered, logits: &[f32]) -> Option<Vec<f64>> {
    if logits.is_empty() {
        return None;
    }
    if logits.len() != gathered.candidates.len() || logits.iter().any(|logit| !logit.is_finite()) {
        tracing::warn!(
            candidates = gathered.candidates.len(),
            logits = logits.len(),
            "the ranker's answer is no order"
        );
        return None;
    }
    let put = |(candidate, logit): (&mut Candidate, &f32)| {
        if !has_vector(candidate) {
            candidate.score = 0.0;
            return f64::NEG_INFINITY;
        }
        (candidate.logit, candidate.score) = (Some(*logit), sigmoid(*logit));
        f64::from(*logit)
    };
    Some(gathered.candidates.iter_mut().zip(logits).map(put).collect())
}

/// The candidates come nearest first, and equal scores stay in that order.
fn put_in_order(gathered: &mut Gathered, scores: &[f64], version: &str) {
    let mut order: Vec<usize> = (0..gathered.candidates.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    gathered.candidates = order.into_iter().map(|place| gathered.candidates[place].clone()).collect();
    gathered.model = Some(version.to_string());
}

/// Puts the networks' logits among the columns.
fn put_networks(gathered: &mut Gathered) {
    let Some(seen) = &mut gathered.seen else { return };
    let logit = |candidate: &Candidate| candidate.logit.unwrap_or(f32::NAN);
    let rerank: Vec<f32> = gathered.candidates.iter().map(logit).collect();
    seen.columns.set_networks(&NetworkScores { session: &seen.session, rerank: &rerank });
}

/// The trees' scores of the candidates; nothing where they are no order.
fn tree_scores(trees: &ColumnRanker, gathered: &mut Gathered) -> Option<Vec<f64>> {
    let seen = gathered.seen.as_ref()?;
    let scores = trees.scores(&seen.columns);
    if scores.len() != gathered.candidates.len() || scores.iter().any(|score| !score.is_finite()) {
        tracing::warn!(
            candidates = gathered.candidates.len(),
            scores = scores.len(),
            "the trees' answer is no order"
        );
        let fell_back =
            ::metrics::counter!(metrics::FALLBACKS, "served_by" => "reranker", "step" => "features");
        fell_back.increment(1);
        return None;
    }
    for (candidate, score) in gathered.candidates.iter_mut().zip(&scores) {
        candidate.score = sigmoid(*score as f32);
    }
    if gathered.known.asked.request.explain {
        for (place, candidate) in gathered.candidates.iter_mut().enumerate() {
            candidate.reasons = trees.reasons(&seen.columns, place);
            candidate.reasons.truncate(REASONS);
        }
    }
    Some(scores)
}

impl Operator for Rerank {
    type In = Batch<Gathered>;
    type Out = Batch<Ranked>;

    fn name(&self) -> &'static str {
        "rerank"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, batch: Batch<Gathered>, out: &mut Emitter<Batch<Ranked>>) -> Result<()> {
        let Some(mut batch) = batch.still_wanted(self.shared.runtime.now(), self.name()) else {
            return Ok(());
        };
        let watch = Stopwatch::start();
        let places: Vec<usize> =
            (0..batch.items.len()).filter(|place| can_rank(&batch.items[*place])).collect();
        let model = batch.model.clone();
        let logits = self.logits(&model, &batch.items, &places).await;
        let mut orders: Vec<Option<Vec<f64>>> = vec![None; batch.items.len()];
        let mut failed = vec![false; batch.items.len()];
        for (place, logits) in places.into_iter().zip(logits) {
            orders[place] = put_logits(&mut batch.items[place], &logits);
            failed[place] = orders[place].is_none();
        }
        for ((gathered, by_networks), failed) in batch.items.iter_mut().zip(orders).zip(failed) {
            put_networks(gathered);
            let ranks_by = gathered.known.asked.settings().ranker;
            let trees = model.trees.as_ref().filter(|_| ranks_by == RankBy::Trees);
            let by_trees = trees.and_then(|trees| tree_scores(trees, gathered));
            gathered.by_trees = by_trees.is_some();
            let (by_near, has_order) = (gathered.served_by, by_trees.is_some() || by_networks.is_some());
            if let Some(scores) = by_trees.or(by_networks) {
                put_in_order(gathered, &scores, model.version());
            }
            gathered.served_by = match by_near {
                ServedBy::Knn if has_order && failed => ServedBy::Trees,
                ServedBy::Knn if has_order => ServedBy::Reranker,
                other => other,
            };
            if failed {
                let served_by = gathered.served_by.name();
                ::metrics::counter!(metrics::FALLBACKS, "served_by" => served_by, "step" => "rerank")
                    .increment(1);
            }
        }
        watch.record_stage(self.name());
        out.emit(batch.map(Ranked)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abovefold_schemas::state::Profile as Told;

    #[test]
    fn a_profile_is_what_the_network_takes() {
        let told = Told { gender: Some(1), age: Some(40), is_sso_user: Some(true), is_subscriber: None };
        let state = ReaderState { profile: Some(told), device_type: 2, ..ReaderState::default() };
        let expected = Profile { device: 2, gender: 2, age: 4, sso: true, subscriber: false };
        assert_eq!(profile_of(&state, None), expected);
        assert_eq!(profile_of(&state, Some(3)).device, 3);
        assert_eq!(profile_of(&ReaderState::default(), None), Profile::default());
    }
}
