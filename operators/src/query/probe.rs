//! Whether a model can serve, tried on a batch of made-up requests before any reader's is given to it.

use std::time::Duration;

use abovefold_models::{Profile, RerankRequest, WIDTH};

use super::{ServingModel, metrics::Stopwatch};
use crate::features::{ColumnRanker, Columns, column_names};

/// Candidates of the made-up requests: a usual list, a short one, one, none.
const LISTS: [usize; 4] = [100, 7, 1, 0];
/// Passes after the first, which may be slow. A busy machine makes any one of them slow, so that the fastest counts.
const PASSES: usize = 3;

/// Why a model is not fit to serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

fn unfit<T>(reason: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit(reason.into()))
}

/// Scores the same made-up requests several times: as many finite scores as candidates, the same bytes each time, and the fastest pass within
/// `limit`. Returns how long that took; zero for a model without networks.
///
/// # Errors
/// What it does wrong, in words.
pub async fn probe(model: &ServingModel, limit: Option<Duration>) -> Result<Duration, Unfit> {
    if let Some(trees) = &model.trees {
        probe_trees(trees)?;
    }
    let Some(ranker) = &model.ranker else { return Ok(Duration::ZERO) };
    let (mut first, mut fastest) = (None, Duration::MAX);
    for _ in 0..=PASSES {
        let watch = Stopwatch::start();
        let logits =
            ranker.rank(requests()).await.map_err(|error| Unfit(format!("the networks: {error}")))?;
        let took = watch.elapsed();
        let Some(first) = &first else {
            check_shape(&logits)?;
            first = Some(logits);
            continue;
        };
        let bits =
            |logits: &[Vec<f32>]| logits.iter().flatten().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        if bits(first) != bits(&logits) {
            return unfit("the networks score the same requests differently each time");
        }
        fastest = fastest.min(took);
    }
    match limit {
        Some(limit) if fastest > limit => unfit(format!(
            "the networks took {} ms for {} requests, {} ms at most (query.ranker_limit_ms)",
            fastest.as_millis(),
            LISTS.len(),
            limit.as_millis()
        )),
        _ => Ok(fastest),
    }
}

fn check_shape(logits: &[Vec<f32>]) -> Result<(), Unfit> {
    let found: Vec<usize> = logits.iter().map(Vec::len).collect();
    if found != LISTS {
        return unfit(format!("the networks gave {found:?} scores for {LISTS:?} candidates"));
    }
    match logits.iter().flatten().find(|logit| !logit.is_finite()) {
        Some(logit) => unfit(format!("the networks scored a candidate {logit}, which is no number")),
        None => Ok(()),
    }
}

/// Numbers of the size that vectors have, different for each seed.
fn numbers(seed: usize, count: usize) -> impl Iterator<Item = f32> {
    (0..count).map(move |place| ((place * 7 + seed * 13) as f32).sin() * 0.05)
}

fn requests() -> Vec<RerankRequest> {
    let request = |(place, candidates): (usize, &usize)| RerankRequest {
        profile: Profile { device: place as u8, subscriber: place % 2 == 0, ..Profile::default() },
        session: numbers(place, WIDTH).collect(),
        candidates: numbers(100 + place, candidates * WIDTH).collect(),
    };
    LISTS.iter().enumerate().map(request).collect()
}

fn probe_trees(trees: &ColumnRanker) -> Result<(), Unfit> {
    let width = column_names().len();
    // Missing values as well: a new article has no counts.
    let value = |(place, number): (usize, f32)| if place % 5 == 3 { f32::NAN } else { number * 100.0 };
    let columns = Columns { values: numbers(5, LISTS[0] * width).enumerate().map(value).collect(), width };
    let scores = trees.scores(&columns);
    if scores.len() != LISTS[0] {
        return unfit(format!("the trees gave {} scores for {} candidates", scores.len(), LISTS[0]));
    }
    match scores.iter().find(|score| !score.is_finite()) {
        Some(score) => unfit(format!("the trees scored a candidate {score}, which is no number")),
        None => Ok(()),
    }
}
