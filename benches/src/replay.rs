//! The whole write path from a log in memory to its end, for benchmarks that differ in the store and the model.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Pause, Result, Runtime, Troubles, WindowSettings,
    log::{Log, MemoryLog, NewRecord, Record},
    state::StateStore,
};
use abovefold_models::Inference;
use abovefold_operators::{
    fold::{FOLD_VERSION, FoldSettings, SessionModel},
    pipeline::{Topics, WorkerContext, write_path},
    steps::Steps,
};
use abovefold_schemas::{Offset, Timestamp, records::NamespaceRecord};
use tokio::sync::watch;

use crate::pipeline::events;

/// Partitions, as topics have them by default: while one waits for its epoch to be written, another is folded.
const PARTITIONS: u32 = 4;
/// Records of an epoch of a replay.
const EPOCH: usize = 4_096;

/// A log with the topics that the write path reads.
///
/// # Panics
/// Never: a log in memory takes topics.
pub async fn topics() -> MemoryLog {
    let log = MemoryLog::new(Arc::new(|| Timestamp(1_700_000_000_000)));
    for topic in ["user_events", "articles"] {
        log.create_topic(topic, PARTITIONS).await.expect("a log in memory takes topics");
    }
    log
}

/// Appends reads of so many readers.
///
/// # Panics
/// Never: a log in memory takes records.
pub async fn append(log: &MemoryLog, first: usize, count: usize, readers: usize) {
    let record = |record: Record| NewRecord { key: record.key, ..NewRecord::keyed("", record.value) };
    let records: Vec<NewRecord> = events(first, count, readers).into_iter().map(record).collect();
    log.append("user_events", records).await.expect("a log in memory takes records");
}

/// Folds all that the log has and the store does not.
///
/// # Errors
/// When the dataflow fails.
pub async fn fold_all(
    log: &MemoryLog,
    store: Arc<dyn StateStore>,
    model: Option<&Inference>,
    fold: FoldSettings,
) -> Result<()> {
    let ends: Vec<Offset> = log.bounds("user_events").await?.iter().map(|bounds| bounds.end).collect();
    let (_stop, stopped) = watch::channel(false);
    let window = WindowSettings { length: Duration::ZERO, max_records: EPOCH, ..WindowSettings::default() };
    let context = WorkerContext {
        log: Arc::new(log.clone()),
        store,
        topics: Topics::default(),
        partitions: PARTITIONS,
        window,
        fold,
        steps: Steps::default(),
        group: "bench".into(),
        member: None,
        admit: None,
        stop: stopped,
        pause: Pause::default(),
        troubles: Troubles::none(),
        runtime: Runtime::real(),
    };
    let mut namespace = NamespaceRecord {
        name: "bench".into(),
        fold_version: FOLD_VERSION,
        first_offsets: vec![0; PARTITIONS as usize],
        base_article_offsets: vec![0; PARTITIONS as usize],
        ..NamespaceRecord::default()
    };
    if let Some(model) = model {
        let facts = model.facts();
        namespace.session_model = facts.session_digest.clone();
        namespace.precision = facts.precision.to_string();
        namespace.tile = facts.tile;
        namespace.device_class = facts.device_class.clone();
    }
    let model = model.map(|model| Arc::new(model.clone()) as Arc<dyn SessionModel>);
    write_path(&context, &namespace, model, Some(ends)).finish().await
}
