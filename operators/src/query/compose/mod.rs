//! From an order to a slate: rules that change the order one after the other, then the best `k`.
//!
//! | rule | does | left out by |
//! |---|---|---|
//! | `freshness` | what is old counts less, by section | `half_life_hours = 0` |
//! | `fatigue` | what the reader was shown and did not read counts less | `fatigue = 1` |
//! | `stories` | of articles that tell one story, the best | `story_cosine = 0` |
//! | `diversity` | what is like those above it counts less | `diversity = 0` |
//! | `sections` | no section more than its share | `section_share = 1` |
//! | `choice` | what a reader without reads chose comes first | `chosen_first = false` |
//! | `exploration` | now and then the last place goes to an article that few were shown | `exploration = 0` |
//!
//! What a rule holds back comes last, where there is nothing else. The settings are [`Composition`](super::settings::Composition)'s.

mod choice;
mod diversity;
mod exploration;
mod fatigue;
mod freshness;
mod sections;
mod slate;
mod stories;

use std::{fmt::Debug, sync::Arc};

use abovefold_engine::{Dataflow, Emitter, Operator, Result, Stage};

use super::{
    batch::{Batch, Candidate, Composed, Gathered},
    metrics::Stopwatch,
    rerank::Ranked,
    shared::Shared,
};

/// One thing that is done to an order.
pub(super) trait Rule: Debug + Send + Sync + 'static {
    /// Its name among the dataflow's steps.
    const NAME: &'static str;

    /// Changes the order of one request's candidates.
    fn apply(&self, shared: &Shared, gathered: &mut Gathered);
}

/// A rule as a step of the read path.
#[derive(Debug)]
struct Apply<R> {
    shared: Arc<Shared>,
    rule: R,
}

impl<R: Rule> Operator for Apply<R> {
    type In = Batch<Ranked>;
    type Out = Batch<Ranked>;

    fn name(&self) -> &'static str {
        R::NAME
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, mut batch: Batch<Ranked>, out: &mut Emitter<Batch<Ranked>>) -> Result<()> {
        let watch = Stopwatch::start();
        for Ranked(gathered) in &mut batch.items {
            self.rule.apply(&self.shared, gathered);
            // Others get their turn between the requests of a full batch.
            tokio::task::yield_now().await;
        }
        watch.record_stage(R::NAME);
        out.emit(batch).await
    }
}

/// Wires the rules and the last step behind what ranks.
pub(super) fn compose(
    ranked: Stage<Batch<Ranked>>,
    flow: &mut Dataflow,
    shared: &Arc<Shared>,
) -> Stage<Batch<Composed>> {
    let ranked = apply(ranked, flow, shared, freshness::Freshness);
    let ranked = apply(ranked, flow, shared, fatigue::Fatigue);
    let ranked = apply(ranked, flow, shared, stories::Stories);
    let ranked = apply(ranked, flow, shared, diversity::Diversity);
    let ranked = apply(ranked, flow, shared, sections::Sections);
    let ranked = apply(ranked, flow, shared, choice::Choice);
    let ranked = apply(ranked, flow, shared, exploration::Exploration);
    ranked.then(flow, slate::Compose::new(shared.clone()))
}

fn apply(
    ranked: Stage<Batch<Ranked>>,
    flow: &mut Dataflow,
    shared: &Arc<Shared>,
    rule: impl Rule,
) -> Stage<Batch<Ranked>> {
    ranked.then(flow, Apply { shared: shared.clone(), rule })
}

/// Multiplies each score with what `worth` gives for its candidate, and puts the candidates in order again.
fn reweigh(candidates: &mut [Candidate], worth: impl Fn(&Candidate) -> f32) {
    candidates.iter_mut().for_each(|candidate| candidate.score *= worth(candidate));
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}
