//! The third step: candidates in the ranker's order.

use std::sync::Arc;

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_models::{Profile, RerankRequest, WIDTH};
use abovefold_schemas::state::ReaderState;

use super::{
    batch::{Batch, Gathered, Known},
    cosines::sigmoid,
    metrics,
    metrics::Stopwatch,
    request::ServedBy,
    shared::Shared,
};

/// Orders the candidates of all requests of a batch in one pass of the ranker.
///
/// Without a ranker, or where it fails or is too slow, they stay in the order of their cosine.
#[derive(Debug)]
pub struct Rerank {
    shared: Arc<Shared>,
}

/// A request whose candidates are in their last order.
#[derive(Debug)]
pub struct Ranked(pub(super) Gathered);

impl Rerank {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The ranker's logits for the requests at `places`; nothing where it cannot be had.
    async fn logits(&self, items: &[Gathered], places: &[usize]) -> Vec<Vec<f32>> {
        let Some(ranker) = self.shared.ranker.as_ref().filter(|_| !places.is_empty()) else {
            return Vec::new();
        };
        let requests = places.iter().map(|place| request(&items[*place])).collect();
        match self.shared.ranker_edge.call(ranker.rank(requests)).await {
            Ok(logits) => logits,
            Err(_) => {
                let fell_back =
                    ::metrics::counter!(metrics::FALLBACKS, "served_by" => "knn", "step" => "rerank");
                fell_back.increment(places.len() as u64);
                Vec::new()
            }
        }
    }
}

/// Whether the ranker can order it: candidates found by vector, for a reader with a session.
fn can_rank(gathered: &Gathered) -> bool {
    let with_vectors =
        || gathered.candidates.iter().all(|candidate| candidate.article.version.vector.len() == WIDTH);
    gathered.served_by == ServedBy::Knn && gathered.known.session.is_some() && with_vectors()
}

fn request(gathered: &Gathered) -> RerankRequest {
    let mut candidates = Vec::with_capacity(gathered.candidates.len() * WIDTH);
    for candidate in &gathered.candidates {
        candidates.extend(&candidate.article.version.vector);
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

fn put_in_order(gathered: &mut Gathered, logits: &[f32], version: &str) {
    if logits.len() != gathered.candidates.len() || logits.iter().any(|logit| !logit.is_finite()) {
        tracing::warn!(
            candidates = gathered.candidates.len(),
            logits = logits.len(),
            "the ranker's answer is no order"
        );
        return;
    }
    for (candidate, logit) in gathered.candidates.iter_mut().zip(logits) {
        (candidate.logit, candidate.score) = (Some(*logit), sigmoid(*logit));
    }
    // The candidates come nearest first, and equal logits stay in that order.
    gathered.candidates.sort_by(|a, b| b.logit.unwrap_or(f32::MIN).total_cmp(&a.logit.unwrap_or(f32::MIN)));
    gathered.served_by = ServedBy::Reranker;
    gathered.model = Some(version.to_string());
}

impl Operator for Rerank {
    type In = Batch<Gathered>;
    type Out = Batch<Ranked>;

    fn name(&self) -> &'static str {
        "rerank"
    }

    async fn handle(&mut self, mut batch: Batch<Gathered>, out: &mut Emitter<Batch<Ranked>>) -> Result<()> {
        let watch = Stopwatch::start();
        let places: Vec<usize> =
            (0..batch.items.len()).filter(|place| can_rank(&batch.items[*place])).collect();
        let logits = self.logits(&batch.items, &places).await;
        let version = self.shared.ranker.as_ref().map_or("", |ranker| ranker.version());
        for (place, logits) in places.into_iter().zip(logits) {
            put_in_order(&mut batch.items[place], &logits, version);
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
