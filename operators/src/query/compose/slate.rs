//! The last of it: the best `k` as a slate.

use std::sync::Arc;

use abovefold_engine::{Emitter, Operator, Result};

use crate::query::{
    batch::{Batch, Candidate, Composed, Gathered, Known},
    features::device_of,
    metrics::Stopwatch,
    request::{Explanation, Pick, QueryError, Slate},
    rerank::Ranked,
    shared::Shared,
};

/// Takes the best `k`: the candidates in their order, then what fills up, then what was held back.
#[derive(Debug)]
pub struct Compose {
    shared: Arc<Shared>,
}

impl Compose {
    pub(in crate::query) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn compose(&self, Ranked(gathered): Ranked) -> Composed {
        let Gathered { known, candidates, fill, held_back, served_by, model, trouble, seen: columns, .. } =
            gathered;
        let picks = picks(&known, candidates, fill, held_back);
        let device = device_of(&known);
        let Known { asked, seen, state, .. } = known;
        let outcome = match (picks.is_empty(), trouble) {
            (true, Some(trouble)) => Err(QueryError::Nothing(trouble)),
            _ => Ok(Slate {
                reader: asked.request.reader.clone(),
                picks,
                impression_id: self.shared.runtime.token(),
                served_by,
                arm: asked.arm.of_experiment().map(str::to_owned),
                fresh: asked.fresh,
                model,
                state: seen,
            }),
        };
        Composed { asked, state, device, seen: columns, outcome }
    }
}

/// The best `k`, with scores that never rise.
fn picks(
    known: &Known,
    candidates: Vec<Candidate>,
    fill: Vec<Candidate>,
    held_back: Vec<Candidate>,
) -> Vec<Pick> {
    let request = &known.asked.request;
    let own = candidates.len();
    let taken = candidates.into_iter().chain(fill).chain(held_back).take(request.k);
    let mut last = 1.0_f32;
    let pick = |(place, candidate): (usize, Candidate)| {
        let score = if candidate.score.is_finite() { candidate.score.clamp(0.0, 1.0) } else { 0.0 };
        // What fills up is scored by another measure, as a share of the last of the reader's own.
        last = if place >= own && own > 0 { last * score } else { last.min(score) };
        let Candidate { article, source, cosine, logit, trend, propensity, because, reasons, .. } = candidate;
        let explanation = request.explain.then(|| Explanation {
            cosine,
            logit,
            trend,
            because,
            reasons,
            text: String::new(),
        });
        Pick { article, score: last, source, propensity, explanation }
    };
    taken.enumerate().map(pick).collect()
}

impl Operator for Compose {
    type In = Batch<Ranked>;
    type Out = Batch<Composed>;

    fn name(&self) -> &'static str {
        "compose"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, batch: Batch<Ranked>, out: &mut Emitter<Batch<Composed>>) -> Result<()> {
        let watch = Stopwatch::start();
        let composed = batch.map(|ranked| self.compose(ranked));
        watch.record_stage(self.name());
        out.emit(composed).await
    }
}
