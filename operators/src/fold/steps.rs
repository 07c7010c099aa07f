//! The GRU's part of the fold: the steps of many readers, taken together in waves.

use std::{fmt::Debug, sync::Arc};

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

/// Takes all steps. Wave `n` holds the `n`-th step of every reader, so that the GRU sees full tiles; a row's result does not depend on who
/// shares its tile.
///
/// # Errors
/// When inference fails: folding has no fallback.
pub async fn take_steps(
    model: &dyn SessionModel,
    readers: &mut [ReaderSteps<'_>],
) -> Result<(), EngineError> {
    let zeros = vec![0.0; WIDTH];
    let waves = readers.iter().map(|reader| reader.steps.len()).max().unwrap_or(0);
    for wave in 0..waves {
        let mut batch = StepBatch::with_capacity(readers.len());
        let mut rows = Vec::new();
        for (place, reader) in readers.iter_mut().enumerate() {
            let Some((step, vector)) = reader.steps.get(wave) else { continue };
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
            rows.push(place);
        }
        metrics::counter!(GRU_STEPS).increment(rows.len() as u64);
        let result = model.step(batch).await.map_err(|error| EngineError::ours("take a GRU step", error))?;
        for (row, place) in rows.into_iter().enumerate() {
            readers[place].state.hidden = to_bytes(result.row(row));
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
