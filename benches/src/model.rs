//! A replay with a model, from a log in memory into an embedded store, against the GRU alone: the same number of steps by the same inference thread, in
//! the same rounds.

use std::{sync::Arc, time::Instant};

use abovefold_engine::{
    Result, Runtime, Troubles, WindowSettings,
    log::{Log, MemoryLog, NewRecord},
    state::{EmbeddedStore, StateSettings},
};
use abovefold_models::{
    Behaviour, HIDDEN, Inference, InferenceOptions, ModelFolder, StepBatch, WIDTH, card::Precision,
};
use abovefold_operators::{
    fold::{FOLD_VERSION, FoldSettings},
    pipeline::{Topics, WorkerContext, write_path},
    steps::Steps,
};
use abovefold_schemas::{Offset, Timestamp, records::NamespaceRecord};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{pipeline::events, row::Row};

/// Events of one round, one step each.
const EVENTS: usize = 12_288;
/// Partitions, as topics have them by default: while one waits for its epoch to be written, another is folded.
const PARTITIONS: u32 = 4;
/// Records of an epoch of a replay with a model.
const EPOCH: usize = 4_096;
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
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be had");
    [Precision::F32, Precision::Bf16].map(|precision| runtime.block_on(row(precision))).into()
}

async fn row(precision: Precision) -> Row {
    let options = InferenceOptions { precision: Some(precision), ..InferenceOptions::default() };
    let model = Inference::start(&ModelFolder::untrained(1), options).expect("a model of our own starts");
    let log = MemoryLog::new(Arc::new(|| Timestamp(1_700_000_000_000)));
    for topic in ["user_events", "articles"] {
        log.create_topic(topic, PARTITIONS).await.expect("a log in memory takes topics");
    }
    let record = |record: abovefold_engine::log::Record| NewRecord {
        key: record.key,
        ..NewRecord::keyed("", record.value)
    };
    let records: Vec<NewRecord> = events(EVENTS).into_iter().map(record).collect();
    log.append("user_events", records).await.expect("a log in memory takes records");
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
    let ends: Vec<Offset> = log.bounds("user_events").await?.iter().map(|bounds| bounds.end).collect();
    let (_stop, stopped) = watch::channel(false);
    let context = WorkerContext {
        log: Arc::new(log.clone()),
        store: Arc::new(store),
        topics: Topics::default(),
        partitions: PARTITIONS,
        window: WindowSettings {
            length: std::time::Duration::ZERO,
            max_records: EPOCH,
            ..WindowSettings::default()
        },
        fold: FoldSettings::default(),
        steps: Steps::default(),
        group: "bench".into(),
        member: None,
        admit: None,
        stop: stopped,
        pause: abovefold_engine::Pause::default(),
        troubles: Troubles::none(),
        runtime: Runtime::real(),
    };
    let facts = model.facts();
    let namespace = NamespaceRecord {
        name: "bench".into(),
        fold_version: FOLD_VERSION,
        session_model: facts.session_digest.clone(),
        precision: facts.precision.to_string(),
        tile: facts.tile,
        device_class: facts.device_class.clone(),
        first_offsets: vec![0; PARTITIONS as usize],
        base_article_offsets: vec![0; PARTITIONS as usize],
        ..NamespaceRecord::default()
    };
    write_path(&context, &namespace, Some(Arc::new(model.clone())), Some(ends)).finish().await
}
