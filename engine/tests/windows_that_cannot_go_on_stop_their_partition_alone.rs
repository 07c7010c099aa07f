//! Windows that cannot be loaded, and late events that are refused for good, stop their partition: the source is told, and the others go on.

#![allow(clippy::unwrap_used)] // Tests.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Emitter, EngineError, Epoch, Feed, Lease, Operator, Result, Runtime, Signal,
    state::{EpochWrite, MemoryStore, StateStore, Tag},
    time::{
        Count, LateEvent, LateOutput, OpenWindows, TimedEvent, WindowFold, WindowFoldSettings, Windowing,
        Windows,
    },
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

const NAME: &str = "test";

/// A topic that refuses.
#[derive(Debug)]
struct Refusing;

#[async_trait]
impl LateOutput for Refusing {
    async fn send(&self, _events: Vec<LateEvent>) -> Result<()> {
        Err(EngineError::user("write late events", "no such right"))
    }
}

fn tumbling(millis: u64) -> Windowing {
    Windowing::of(Windows::Tumbling { length: Duration::from_millis(millis) })
}

fn tag(partition: u32) -> Tag {
    Tag { namespace: "main".into(), partition }
}

fn event(offset: u64, time: i64) -> TimedEvent<()> {
    TimedEvent {
        offset: Offset(offset),
        log_time: Timestamp(1_000),
        event_time: Some(Timestamp(time)),
        key: Bytes::from_static(b"a"),
        item: (),
        payload: Bytes::new(),
    }
}

/// Begins both partitions at `begin` and folds an event at each of `times` of each; returns which were folded, and what the source was told.
async fn fold(store: MemoryStore, begin: [u64; 2], times: &[i64]) -> (Vec<u32>, Vec<Signal>) {
    let (feedback, mut signals) = mpsc::unbounded_channel();
    let settings = WindowFoldSettings {
        name: NAME,
        windowing: tumbling(10),
        namespace: "main".into(),
        store: Arc::new(store),
        late: Some(Arc::new(Refusing)),
        feedback,
        runtime: Runtime::real(),
    };
    let (sender, mut emitted) = mpsc::channel(64);
    let mut out = Emitter::new(sender);
    let events = |run: &Vec<(u64, i64)>| run.iter().map(|(offset, time)| event(*offset, *time)).collect();
    let mut fold = WindowFold::<_, Count, _>::new(settings, events).unwrap();
    for (partition, begin) in (0..).zip(begin) {
        let lease = Lease { partition, generation: 1 };
        let marker = Marker::start(Offset(begin));
        fold.handle(Feed::Begin { lease, marker }, &mut out).await.unwrap();
        // The second partition has only the first event.
        let times = if partition == 0 { times } else { &times[..1] };
        let runs = vec![(begin..).zip(times.iter().copied()).collect()];
        let target = Marker::start(Offset(begin + times.len() as u64));
        let data = Epoch { expected: marker, target, runs };
        fold.handle(Feed::Data { lease, data }, &mut out).await.unwrap();
    }
    drop((fold, out));
    let mut folded = Vec::new();
    while let Some(message) = emitted.recv().await {
        if let Feed::Data { lease, .. } = message {
            folded.push(lease.partition);
        }
    }
    let mut said = Vec::new();
    while let Some(signal) = signals.recv().await {
        said.push(signal);
    }
    (folded, said)
}

async fn begun() -> MemoryStore {
    let store = MemoryStore::new();
    for partition in 0..2 {
        store.initialise(&tag(partition), Marker::start(Offset(0))).await.unwrap();
    }
    store
}

fn failure(said: &[Signal]) -> &str {
    let [Signal::Failed { lease, error }] = said else { panic!("{said:?}") };
    assert_eq!(lease.partition, 0);
    &error.reason
}

#[tokio::test]
async fn windows_that_cannot_be_loaded() {
    let store = begun().await;
    let mut others = OpenWindows::<Count>::new(NAME, tumbling(20)).unwrap();
    others.fold(&event(0, 5));
    let (expected, target) = (Marker::start(Offset(0)), Marker::start(Offset(1)));
    let write = EpochWrite { expected, target, puts: others.take_changes(), invalidated: Vec::new() };
    store.write_epoch(&tag(0), &write).await.unwrap();
    let (folded, said) = fold(store, [1, 0], &[7]).await;
    assert_eq!(folded, [1]);
    assert!(failure(&said).contains("fold other windows into a new namespace"), "{said:?}");
}

#[tokio::test]
async fn late_events_that_are_refused() {
    // 0         10   ...   50
    // |---------|          |
    //   *5a (3rd: late)      *55a (2nd)
    let (folded, said) = fold(begun().await, [0, 0], &[5, 55, 5]).await;
    assert_eq!(folded, [1]);
    assert_eq!(failure(&said), "no such right");
}
