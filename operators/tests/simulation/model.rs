//! A small session model that runs in the calling thread: every number of a row counts, and rows do not know of each other.

use abovefold_models::{Behaviour, HIDDEN, InferenceError, StepBatch, StepResult, WIDTH};
use abovefold_operators::fold::SessionModel;
use async_trait::async_trait;

#[derive(Clone, Copy, Debug)]
pub struct SmallModel;

/// One row: the first numbers depend on the state before, the vector and the behaviour, in an order that cannot be swapped.
pub fn step(hidden: &[f32], vector: &[f32], behaviour: Behaviour) -> Vec<f32> {
    let mut after = hidden.to_vec();
    let seconds = behaviour.read_seconds.unwrap_or(-1.0);
    let percent = behaviour.scroll_percent.unwrap_or(-1.0);
    let wave =
        vector[0] + 2.0 * vector[1] + 0.01 * seconds + 0.003 * percent + 0.1 * behaviour.position as f32;
    after[0] = (0.7 * hidden[0] + wave).sin();
    after[1] = (0.5 * hidden[1] + 0.3 * after[0] + vector[2]).cos();
    after[WIDTH] = (after[0] * 1.7 + hidden[WIDTH] * 0.9).sin();
    after
}

#[async_trait]
impl SessionModel for SmallModel {
    async fn step(&self, batch: StepBatch) -> Result<StepResult, InferenceError> {
        let rows = batch.hidden.chunks(HIDDEN).zip(batch.vectors.chunks(WIDTH)).zip(&batch.behaviours);
        Ok(StepResult {
            hidden: rows.flat_map(|((hidden, vector), behaviour)| step(hidden, vector, *behaviour)).collect(),
        })
    }
}
