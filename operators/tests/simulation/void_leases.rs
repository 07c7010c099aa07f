//! What a lease that is void still says is not obeyed: its last write may be acknowledged, refused or sent back long after its partition began anew.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Emitter, EngineError, Feed, Feedback, Lease, PartitionedSource, Runtime, Signal, Simulation,
    SourceSettings, Task, Troubles,
    log::{Log, Membership, MemoryLog, NewRecord, RecordRun},
    state::{EpochWrite, MemoryStore, StateStore, Tag, WriteOutcome},
};
use abovefold_schemas::{Marker, Offset};
use tokio::sync::{mpsc, watch};

use crate::{run::NOON, world::EVENTS};

const GROUP: &str = "scene-main";
const RECORDS: u64 = 10;

/// A source over one partition; the test plays the steps behind it.
struct Scene {
    runtime: Runtime,
    log: MemoryLog,
    store: MemoryStore,
    troubles: Troubles,
    feed: mpsc::Receiver<Feed<RecordRun>>,
    signals: Feedback,
    stop: watch::Sender<bool>,
    source: Task<Result<(), EngineError>>,
}

impl Scene {
    async fn start(runtime: &Runtime) -> Self {
        let clock = runtime.clone();
        let log = MemoryLog::new(Arc::new(move || clock.now()));
        log.create_topic(EVENTS, 1).await.unwrap();
        log.append(EVENTS, vec![NewRecord::keyed("ann", "read"); RECORDS as usize]).await.unwrap();
        let store = MemoryStore::within(runtime.clone());
        let (feedback, signals) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (sender, feed) = mpsc::channel(64);
        let troubles = Troubles::none();
        let source = PartitionedSource {
            settings: SourceSettings {
                dataflow: "scene",
                topic: EVENTS.into(),
                membership: Membership { group: GROUP.into(), member: None },
                namespace: "main".into(),
                first_offsets: Vec::new(),
                until: None,
                admit: None,
            },
            log: Arc::new(log.clone()),
            store: Arc::new(store.clone()),
            signals,
            stop: stopped,
            pause: abovefold_engine::Pause::default(),
            troubles: troubles.clone(),
            runtime: runtime.clone(),
        };
        let source = runtime.spawn(source.run(Emitter::new(sender)));
        Self { runtime: runtime.clone(), log, store, troubles, feed, signals: feedback, stop, source }
    }

    /// What comes next, unless nothing does.
    async fn next(&mut self) -> Option<Feed<RecordRun>> {
        self.runtime.timeout(Duration::from_secs(5), self.feed.recv()).await.flatten()
    }

    /// The next lease, with its records read to their end.
    async fn begun(&mut self) -> (Lease, Marker) {
        let Some(Feed::Begin { lease, marker }) = self.next().await else { panic!("a lease begins") };
        let mut next = marker.next;
        while next < Offset(RECORDS) {
            let Some(Feed::Data { lease: of, data }) = self.next().await else { panic!("records come") };
            assert_eq!(of, lease);
            next = data.next;
        }
        (lease, marker)
    }

    /// Writes all records as one epoch.
    async fn write(&self) -> Marker {
        let target = Marker::start(Offset(RECORDS));
        let expected = Marker::start(Offset(0));
        let epoch = EpochWrite { expected, target, puts: Vec::new(), invalidated: Vec::new() };
        let outcome = self.store.write_epoch(&tag(), &epoch).await.unwrap();
        assert_eq!(outcome, WriteOutcome::Applied);
        target
    }

    fn committed(&self) -> Option<Offset> {
        self.log.committed(GROUP, EVENTS, 0)
    }
}

fn tag() -> Tag {
    Tag { namespace: "main".into(), partition: 0 }
}

/// Begins twice: the store loses the epoch that was just written, and its acknowledgement is still on its way.
fn after_a_new_begin<F: Future<Output = ()> + Send>(
    then: impl FnOnce(Scene, Lease, Lease, Marker) -> F + Send + 'static,
) {
    let simulation = Simulation::new(NOON, 1);
    let runtime = simulation.runtime();
    let inside = async move {
        let mut scene = Scene::start(&runtime).await;
        let (old, _) = scene.begun().await;
        let written = scene.write().await;
        scene.store.restore(&Default::default());
        scene.signals.send(Signal::Reset { lease: old, reason: "the store forgot".into() }).unwrap();
        let (new, marker) = scene.begun().await;
        assert!(new.generation > old.generation && marker == Marker::start(Offset(0)), "{new:?} {marker}");
        then(scene, old, new, written).await;
    };
    simulation.run_within(10_000_000, inside).unwrap();
}

/// The new lease goes on to its end as if nothing had been said.
async fn goes_on(mut scene: Scene, new: Lease) {
    assert_eq!(scene.committed(), None, "nothing is stored");
    assert_eq!(scene.next().await, None, "nothing begins, ends, or is acknowledged");
    assert_eq!(scene.troubles.list(), []);
    let marker = scene.write().await;
    scene.signals.send(Signal::Acked { lease: new, marker }).unwrap();
    assert_eq!(scene.next().await, Some(Feed::Acked { lease: new, marker }));
    assert_eq!(scene.committed(), Some(marker.next));
    scene.stop.send_replace(true);
    drop(scene.signals);
    scene.source.await.unwrap().unwrap();
}

#[test]
fn a_late_acknowledgement_is_not_obeyed() {
    after_a_new_begin(|scene, old, new, marker| async move {
        scene.signals.send(Signal::Acked { lease: old, marker }).unwrap();
        scene.runtime.sleep(Duration::from_secs(3)).await;
        goes_on(scene, new).await;
    });
}

#[test]
fn a_late_reset_is_not_obeyed() {
    after_a_new_begin(|scene, old, new, _| async move {
        scene.signals.send(Signal::Reset { lease: old, reason: "a conflict".into() }).unwrap();
        goes_on(scene, new).await;
    });
}

#[test]
fn a_late_failure_is_not_obeyed() {
    after_a_new_begin(|scene, old, new, _| async move {
        let error = EngineError::user("write an epoch", "refused");
        scene.signals.send(Signal::Failed { lease: old, error }).unwrap();
        goes_on(scene, new).await;
    });
}
