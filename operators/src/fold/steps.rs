//! The GRU's part of the fold: the steps of many readers, taken together in rounds.

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Debug, sync::Arc};

use abovefold_engine::EngineError;
use abovefold_models::{Behaviour, HIDDEN, Inference, InferenceError, StepBatch, StepResult};
use abovefold_schemas::state::ReaderState;
use async_trait::async_trait;

use super::{reader::Step, table::WIDTH};
use crate::metrics::GRU_STEPS;

/// What steps hidden states: the session model, or a stand-in for it. The same row must give the same bytes whoever shares its batch.
#[async_trait]
pub trait SessionModel: Debug + Send + Sync {
    /// Steps readers by one read each.
    ///
    /// # Errors
    /// When the numbers do not fit, or the model is gone.
    async fn step(&self, batch: StepBatch) -> Result<StepResult, InferenceError>;
}

#[async_trait]
impl SessionModel for Inference {
    async fn step(&self, batch: StepBatch) -> Result<StepResult, InferenceError> {
        Self::step(self, batch).await
    }
}

/// One reader's steps in an epoch, each with its article's vector.
#[derive(Debug)]
pub struct ReaderSteps<'a> {
    /// The state whose hidden state moves.
    pub state: &'a mut ReaderState,
    /// The steps, in order.
    pub steps: Vec<(Step, Option<Arc<[f32]>>)>,
}

/// Rows of one call: some full tiles, and few enough to stay in the processor's caches.
const ROUND: usize = 256;

/// Takes all steps, in rounds of up to 256 readers that have one to take, those with the most left first: so the GRU sees full tiles
/// to the end, and a reader with many steps is not what all wait for. A row's result does not depend on who shares its tile.
///
/// # Errors
/// When inference fails: folding has no fallback.
pub async fn take_steps(
    model: &dyn SessionModel,
    readers: &mut [ReaderSteps<'_>],
) -> Result<(), EngineError> {
    let zeros = vec![0.0; WIDTH];
    let left = readers.iter().enumerate().map(|(place, reader)| (reader.steps.len(), Reverse(place)));
    let mut waiting: BinaryHeap<(usize, Reverse<usize>)> = left.filter(|(left, _)| *left > 0).collect();
    while !waiting.is_empty() {
        let round: Vec<_> = std::iter::from_fn(|| waiting.pop()).take(ROUND).collect();
        let mut batch = StepBatch::with_capacity(round.len());
        for (left, Reverse(place)) in &round {
            let reader = &mut readers[*place];
            let taken = reader.steps.len() - left;
            let (step, vector) = &reader.steps[taken];
            if step.new_read {
                reader.state.hidden_before = std::mem::take(&mut reader.state.hidden);
            }
            let behaviour = Behaviour {
                read_seconds: step.read_time,
                scroll_percent: step.scroll_pct,
                position: step.position,
            };
            batch.push(
                &from_bytes(&reader.state.hidden_before),
                vector.as_deref().unwrap_or(&zeros),
                behaviour,
            );
        }
        metrics::counter!(GRU_STEPS).increment(round.len() as u64);
        let result = model.step(batch).await.map_err(|error| EngineError::ours("take a GRU step", error))?;
        for (row, (left, Reverse(place))) in round.into_iter().enumerate() {
            readers[place].state.hidden = to_bytes(result.row(row));
            if left > 1 {
                waiting.push((left - 1, Reverse(place)));
            }
        }
    }
    for reader in readers {
        // Only a read that later pieces can name needs the state before it.
        if reader.state.reads.last().is_none_or(|read| read.view_id.is_none()) {
            reader.state.hidden_before = Vec::new();
        }
    }
    Ok(())
}

/// A hidden state's numbers; zeros where there is none yet.
pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    if bytes.is_empty() {
        return vec![0.0; HIDDEN];
    }
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

/// A hidden state's bytes: little-endian.
pub fn to_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}
