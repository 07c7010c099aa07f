//! A source asks before it sets a first marker, so that a dropped namespace is not made again, and where it finds another marker than it wrote; it
//! never folds on from a state that is no pure fold.

#![allow(clippy::unwrap_used)] // Tests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use abovefold_engine::{
    Admit, Emitter, EngineError, Fault, Feed, PartitionedSource, Result, Runtime, Signal, SourceSettings,
    Troubles,
    log::{Log, LogSettings, Membership, NewRecord, RecordRun, open},
    state::{MemoryStore, StateStore, Tag},
};
use abovefold_schemas::{Marker, Offset};
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
        let runtime = Runtime::real();
        Self { log, store: Arc::default(), runtime, _folder: folder }
    }

    /// A source over the one record, and what it emits.
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
            until: None,
            admit,
        };
        let source = PartitionedSource {
            settings,
            log: self.log.clone(),
            store: self.store.clone(),
            signals,
            stop: stopped,
            pause: abovefold_engine::Pause::default(),
            troubles: Troubles::none(),
            runtime: self.runtime.clone(),
        };
        (source, Emitter::new(sender), Received { feed, stop })
    }

    async fn marker(&self) -> Option<Marker> {
        self.store.read(&tag(), &[], &[]).await.unwrap().marker
    }
}

/// What a source emits.
struct Received {
    feed: mpsc::Receiver<Feed<RecordRun>>,
    stop: watch::Sender<bool>,
}

/// Runs a source until it has handed on the one record, or fails. Returns how many records came.
async fn run(source: PartitionedSource, out: Emitter<Feed<RecordRun>>, received: Received) -> Result<usize> {
    let Received { mut feed, stop } = received;
    let receive = async {
        while let Some(message) = feed.recv().await {
            if let Feed::Data { data, .. } = message {
                stop.send_replace(true);
                return data.records.len();
            }
        }
        0
    };
    let (ended, records) = tokio::join!(source.run(out), receive);
    ended.map(|()| records)
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
    let error = run(source, out, received).await.unwrap_err();
    assert_eq!((error.fault, error.reason.as_str()), (Fault::User, "the namespace was dropped"));
    assert_eq!(world.marker().await, None);
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
    assert_eq!(run(source, out, received).await.unwrap(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(world.marker().await, Some(Marker::start(Offset(0))));

    let (source, out, received) = world.source(Some(Admit::new(|_| async { gone() })));
    assert_eq!(run(source, out, received).await.unwrap(), 1);
}

/// Another namespace of the same name has markers of its own: a worker of the one before finds another than it wrote, and asks.
#[tokio::test]
async fn a_namespace_that_was_made_again_is_not_taken_for_the_one_before() {
    let world = World::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let admit = Admit::new(move |_| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Ok(()) } else { gone() } }
    });
    let (feedback, signals) = mpsc::unbounded_channel();
    let (mut source, out, mut received) = world.source(Some(admit));
    source.signals = signals;
    let behind = async {
        let Some(Feed::Begin { lease, .. }) = received.feed.recv().await else { panic!("it begins") };
        world.store.drop_namespace("green").await.unwrap();
        let other = world.store.initialise(&tag(), Marker::start(Offset(1))).await.unwrap();
        feedback.send(Signal::Reset { lease, reason: format!("found {other}") }).unwrap();
        while received.feed.recv().await.is_some() {}
    };
    let (ended, ()) = tokio::join!(source.run(out), behind);
    assert_eq!(ended.unwrap_err().reason, "the namespace was dropped");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_state_from_which_readers_were_removed_is_not_folded_on() {
    let world = World::new().await;
    let marker = Marker { forgotten: Some(Offset(1)), ..Marker::start(Offset(0)) };
    world.store.initialise(&tag(), marker).await.unwrap();
    let (source, out, received) = world.source(None);
    let error = run(source, out, received).await.unwrap_err();
    assert!(error.reason.contains("no fold of the log"), "{error}");
    assert_eq!(world.marker().await, Some(marker));
}
