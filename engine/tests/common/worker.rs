//! A worker with the smallest fold that shows what was read: the bytes of each record under its offset.

#![allow(dead_code)] // Each test binary uses some of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use abovefold_engine::{
    Dataflow, Emitter, Epoch, EpochSink, Feed, Operator, PartitionedSource, Result, Runtime, SourceSettings,
    Troubles, TumblingWindow, WindowSettings,
    log::{Log, Membership, RecordRun},
    state::{EpochWrite, Put, StateStore, Tag, Value},
};
use abovefold_schemas::Offset;
use bytes::Bytes;
use futures::TryStreamExt;
use tokio::sync::{mpsc, watch};

/// Nothing here takes so long, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Copies records into values.
struct Copy;

impl Operator for Copy {
    type In = Feed<Epoch<RecordRun>>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        "copy"
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        out.emit(input.map(write)).await
    }
}

fn write(epoch: Epoch<RecordRun>) -> EpochWrite {
    let records = epoch.runs.into_iter().flat_map(|run| run.records);
    let puts = records.map(|record| Put {
        key: Bytes::copy_from_slice(&record.offset.0.to_be_bytes()),
        value: Some(Value { version: record.offset.next(), bytes: record.value }),
        mirrored: false,
    });
    EpochWrite {
        expected: epoch.expected,
        target: epoch.target,
        puts: puts.collect(),
        invalidated: Vec::new(),
    }
}

/// A running worker: source, window, copy, sink.
pub struct Worker {
    flow: Dataflow,
    stop: watch::Sender<bool>,
    store: Arc<dyn StateStore>,
    namespace: String,
}

impl Worker {
    /// Starts one that folds `topic` into a namespace; with `until`, it ends there.
    pub fn start(
        log: &Arc<dyn Log>,
        store: &Arc<dyn StateStore>,
        topic: &str,
        namespace: &str,
        until: Option<Vec<Offset>>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (feedback, signals) = mpsc::unbounded_channel();
        let runtime = Runtime::real();
        let source = PartitionedSource {
            settings: SourceSettings {
                dataflow: "test",
                topic: topic.into(),
                membership: Membership { group: format!("{topic}-{namespace}"), member: None },
                namespace: namespace.into(),
                first_offsets: Vec::new(),
                until,
                admit: None,
            },
            log: Arc::clone(log),
            store: Arc::clone(store),
            signals,
            stop: stopped,
            pause: abovefold_engine::Pause::default(),
            troubles: Troubles::none(),
            runtime: runtime.clone(),
        };
        let window = WindowSettings { length: Duration::ZERO, max_records: 8, ..WindowSettings::default() };
        let mut flow = Dataflow::new("test", runtime.clone());
        flow.source_loop("source", |out| source.run(out))
            .then(&mut flow, TumblingWindow::new(window, runtime.clone()))
            .then(&mut flow, Copy)
            .sink(&mut flow, EpochSink::new("test", namespace, Arc::clone(store), feedback, runtime));
        flow.start();
        Self { flow, stop, store: Arc::clone(store), namespace: namespace.into() }
    }

    /// Waits until each partition's marker is at its end.
    pub async fn reaches(&self, ends: &[Offset]) {
        for (partition, end) in (0..).zip(ends) {
            let tag = Tag { namespace: self.namespace.clone(), partition };
            let reached = tokio::time::timeout(LONG, self.store.wait_for(&tag, *end)).await;
            let marker = reached.unwrap_or_else(|_| panic!("{tag} does not come to {end}")).unwrap();
            assert_eq!(marker.next, *end, "{tag}");
        }
    }

    /// Waits for its end.
    pub async fn ended(self) -> Result<()> {
        tokio::time::timeout(LONG, self.flow.finish()).await.expect("the worker ends")
    }

    /// Asks it to end in order, and waits.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.ended().await.unwrap();
    }
}

/// The end of each partition.
pub async fn ends(log: &dyn Log, topic: &str) -> Vec<Offset> {
    log.bounds(topic).await.unwrap().iter().map(|bounds| bounds.end).collect()
}

/// What was copied of one partition.
pub async fn copied(store: &dyn StateStore, namespace: &str, partition: u32) -> BTreeMap<u64, Bytes> {
    let values: Vec<(Bytes, Value)> =
        store.scan(&Tag { namespace: namespace.into(), partition }).try_collect().await.unwrap();
    let offset = |key: &Bytes| u64::from_be_bytes(key.as_ref().try_into().unwrap());
    values.into_iter().map(|(key, value)| (offset(&key), value.bytes)).collect()
}
