//! A replay with a model, from a log in memory into an embedded store, against the GRU alone: the same number of steps by the same inference thread, in
//! the same rounds.

use std::{sync::Arc, time::Instant};

use abovefold_engine::{
    Result,
    log::MemoryLog,
    state::{EmbeddedStore, StateSettings},
};
use abovefold_models::{
    Behaviour, HIDDEN, Inference, InferenceOptions, ModelFolder, StepBatch, WIDTH, card::Precision,
};
use abovefold_operators::fold::FoldSettings;
use tempfile::TempDir;

use crate::{
    pipeline::READERS,
    replay::{append, fold_all, topics},
    row::Row,
};

/// Events of one round, one step each.
const EVENTS: usize = 12_288;
/// Rows of one call, as the fold makes them.
const TOGETHER: usize = 256;
/// Rounds of each side, interleaved.
const ROUNDS: usize = 3;
/// Share of the GRU's own rate that a replay is to reach.
const TARGET: f64 = 0.9;

/// One row for each precision.
///
/// # Panics
/// When a dataflow or inference fails, which they have no reason to.
pub fn rows() -> Vec<Row> {
    let runtime = crate::threads();
    [Precision::F32, Precision::Bf16].map(|precision| runtime.block_on(row(precision))).into()
}

async fn row(precision: Precision) -> Row {
    let options = InferenceOptions { precision: Some(precision), ..InferenceOptions::default() };
    let model = Inference::start(&ModelFolder::untrained(1), options).expect("a model of our own starts");
    let log = topics().await;
    append(&log, 0, EVENTS, READERS).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        replay(&log, &model).await.expect("the dataflow has no reason to fail");
        let replayed = EVENTS as f64 / begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        step(&model).await;
        rounds.push((replayed, EVENTS as f64 / begun.elapsed().as_secs_f64()));
    }
    let name = format!("replay with the model, {precision}");
    Row::new(name, "events/s", "the GRU alone, steps/s", rounds).wanted(TARGET)
}

/// The same number of steps, without anything around them.
async fn step(model: &Inference) {
    let hidden: Vec<f32> = (0..HIDDEN).map(|place| (place as f32).sin() * 0.5).collect();
    let vector = vec![0.0; WIDTH];
    let behaviour = Behaviour { read_seconds: Some(30.0), scroll_percent: Some(50.0), position: 3 };
    let mut batch = StepBatch::with_capacity(TOGETHER);
    (0..TOGETHER).for_each(|_| batch.push(&hidden, &vector, behaviour));
    for _ in 0..EVENTS / TOGETHER {
        model.step(batch.clone()).await.expect("the numbers fit");
    }
}

async fn replay(log: &MemoryLog, model: &Inference) -> Result<()> {
    let folder = TempDir::new().expect("a folder can be had");
    let store = EmbeddedStore::open(folder.path(), &StateSettings::default()).await?;
    fold_all(log, Arc::new(store), Some(model), FoldSettings::default()).await
}
