//! A source asks before it sets a first marker, so that a dropped namespace is not made again, and never folds on from a state that is no pure
//! fold.

#![allow(clippy::unwrap_used)] // Tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    Admit, Emitter, EngineError, Fault, Feed, PartitionedSource, Result, Runtime, SourceSettings,
    log::{Log, LogSettings, Membership, NewRecord, RecordRun, open},
    state::{MemoryStore, StateStore, Tag},
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

const TOPIC: &str = "events";

struct World {
    log: Arc<dyn Log>,
    store: Arc<MemoryStore>,
    runtime: Runtime,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let log = open(&format!("file:{}", folder.path().display()), &LogSettings::default()).unwrap();
        log.create_topic(TOPIC, 1).await.unwrap();
        log.append(TOPIC, vec![NewRecord::keyed("a", "1")]).await.unwrap();
        let runtime = Runtime::simulated(Timestamp(1_704_067_200_000), 1);
        Self { log, store: Arc::default(), runtime, _folder: folder }
    }

    /// A source that ends after the one record, and what it emits.
    fn source(&self, admit: Option<Admit>) -> (PartitionedSource, Emitter<Feed<RecordRun>>, Received) {
        let (_, signals) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (sender, feed) = mpsc::channel(64);
        let settings = SourceSettings {
            dataflow: "test",
            topic: TOPIC.into(),
            membership: Membership { group: "workers".into(), member: None },
            namespace: "green".into(),
            first_offsets: Vec::new(),
            until: Some(vec![Offset(1)]),
            admit,
        };
        let source = PartitionedSource {
            settings,
            log: self.log.clone(),
            store: self.store.clone(),
            signals,
            stop: stopped,
            runtime: self.runtime.clone(),
        };
        (source, Emitter::new(sender), Received { feed, _stop: stop })
    }

    async fn marker(&self) -> Option<Marker> {
        self.store.read(&tag(), &[], &[]).await.unwrap().marker
    }
}

struct Received {
    feed: mpsc::Receiver<Feed<RecordRun>>,
    _stop: watch::Sender<bool>,
}

impl Received {
    fn records(mut self) -> usize {
        let mut records = 0;
        while let Ok(message) = self.feed.try_recv() {
            if let Feed::Data { data, .. } = message {
                records += data.records.len();
            }
        }
        records
    }
}

fn tag() -> Tag {
    Tag { namespace: "green".into(), partition: 0 }
}

fn gone() -> Result<()> {
    Err(EngineError::user("fold {green:0}", "the namespace was dropped"))
}

#[tokio::test]
async fn a_partition_of_a_namespace_that_is_gone_gets_no_marker() {
    let world = World::new().await;
    let (source, out, received) = world.source(Some(Admit::new(|_| async { gone() })));
    let error = source.run(out).await.unwrap_err();
    assert_eq!((error.fault, error.reason.as_str()), (Fault::User, "the namespace was dropped"));
    assert_eq!((world.marker().await, received.records()), (None, 0));
}

#[tokio::test]
async fn who_cannot_be_asked_is_asked_again_and_a_partition_with_a_marker_needs_no_leave() {
    let world = World::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let admit = Admit::new(move |asked_for| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(asked_for, tag());
            if number == 0 { Err(EngineError::outside("read the namespaces", "no broker")) } else { Ok(()) }
        }
    });
    let (source, out, received) = world.source(Some(admit));
    let ended = world.runtime.timeout(Duration::from_secs(60), source.run(out)).await;
    ended.expect("it ends once the record is handed on").unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), received.records()), (2, 1));
    assert_eq!(world.marker().await, Some(Marker::start(Offset(0))));

    let (source, out, received) = world.source(Some(Admit::new(|_| async { gone() })));
    source.run(out).await.unwrap();
    assert_eq!(received.records(), 1);
}

#[tokio::test]
async fn a_state_from_which_readers_were_removed_is_not_folded_on() {
    let world = World::new().await;
    let marker = Marker { forgotten: Some(Offset(1)), ..Marker::start(Offset(0)) };
    world.store.initialise(&tag(), marker).await.unwrap();
    let (source, out, received) = world.source(None);
    let error = source.run(out).await.unwrap_err();
    assert!(error.reason.contains("no fold of the log"), "{error}");
    assert_eq!((world.marker().await, received.records()), (Some(marker), 0));
}
