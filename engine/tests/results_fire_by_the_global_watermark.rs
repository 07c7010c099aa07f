//! When a result is said, and as what: by the watermark of all partitions that are not idle. In the drawings, `~` is a partition's watermark.

#![allow(clippy::unwrap_used)] // Tests.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Dataflow, Runtime,
    log::{LogSettings, Position},
    state::{EpochWrite, MemoryStore, StateStore, Tag},
    time::{
        Count, LateEvent, LateOutput, LateTopic, OpenWindows, ResultChange, Results, ResultsSettings,
        TimedEvent, Windowing, Windows,
        late::{LATE_ORIGIN_HEADER, LATE_WATERMARK_HEADER},
    },
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::watch;

const NAME: &str = "test";
const NAMESPACE: &str = "main";

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn tumbling() -> Windowing {
    Windowing { allowed_lateness: ms(100), ..Windowing::of(Windows::Tumbling { length: ms(10) }) }
}

/// Two partitions that are folded by hand, and whoever reads their results.
struct Stage {
    store: MemoryStore,
    partitions: Vec<(OpenWindows<Count>, u64)>,
    windowing: Windowing,
}

impl Stage {
    async fn new(windowing: Windowing) -> Self {
        let store = MemoryStore::new();
        for partition in 0..2 {
            let tag = Tag { namespace: NAMESPACE.into(), partition };
            store.initialise(&tag, Marker::start(Offset(0))).await.unwrap();
        }
        let empty = || (OpenWindows::new(NAME, windowing).unwrap(), 0);
        Self { store, partitions: vec![empty(), empty()], windowing }
    }

    fn results(&self, idle_after: Duration, early: Option<Duration>) -> Results<Count> {
        let store: Arc<dyn StateStore> = Arc::new(self.store.clone());
        let settings = ResultsSettings { idle_after, early };
        Results::new((NAME, self.windowing), store, (NAMESPACE, 2), settings, Runtime::real())
    }

    /// An event at `time`, folded and written.
    async fn event(&mut self, partition: u32, key: &'static str, time: i64) {
        let (windows, next) = &mut self.partitions[partition as usize];
        windows.fold(&TimedEvent {
            offset: Offset(*next),
            log_time: Timestamp(1_000),
            event_time: Some(Timestamp(time)),
            key: Bytes::from_static(key.as_bytes()),
            item: (),
            payload: Bytes::new(),
        });
        let write = EpochWrite {
            expected: Marker::start(Offset(*next)),
            target: Marker::start(Offset(*next + 1)),
            puts: windows.take_changes(),
            invalidated: Vec::new(),
        };
        *next += 1;
        self.store.write_epoch(&Tag { namespace: NAMESPACE.into(), partition }, &write).await.unwrap();
    }
}

/// What is said `now`, in words: `key start..end count pane`.
async fn said(results: &mut Results<Count>, now: i64) -> Vec<String> {
    let word = |change: ResultChange<Count>| match change {
        ResultChange::Upsert(result) => {
            let (from, to) = (result.window.start.0, result.window.end.0);
            let key = String::from_utf8_lossy(&result.key).into_owned();
            format!("{key} {from}..{to} {} {}", result.aggregate.0, result.pane)
        }
        ResultChange::Retract { key, window } => {
            format!("{} {}..{} void", String::from_utf8_lossy(&key), window.start.0, window.end.0)
        }
    };
    results.refresh_at(Timestamp(now)).await.unwrap().into_iter().map(word).collect()
}

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn a_result_fires_when_the_slowest_partition_has_passed_its_end_and_adds_up_all_of_them() {
    // 0         10        20
    // |---------|---------|
    //   *2a      ~*12a              partition 0
    //      *5a          ~*19b       partition 1
    let mut stage = Stage::new(tumbling()).await;
    let mut results = stage.results(ms(1_000), None);
    stage.event(0, "a", 2).await;
    stage.event(0, "a", 12).await;
    assert_eq!(said(&mut results, 0).await, NOTHING, "of partition 1 nothing is known");
    stage.event(1, "a", 5).await;
    assert_eq!(said(&mut results, 0).await, NOTHING, "partition 1 is at 5");
    stage.event(1, "b", 19).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..10 2 on time"]);
    assert_eq!(results.watermark(), Some(Timestamp(12)));
    assert_eq!(said(&mut results, 0).await, NOTHING, "nothing is said twice");
    // Within the lateness, by partition 0's own watermark: an amendment.
    stage.event(0, "a", 8).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..10 3 late"]);
    // Whoever comes later hears what is kept: late for good, since partition 0 says so.
    let mut later = stage.results(ms(1_000), None);
    assert_eq!(said(&mut later, 0).await, ["a 0..10 3 late"]);
}

#[tokio::test]
async fn an_idle_partition_is_not_waited_for_and_is_not_late_when_it_wakes() {
    // 0         10        20
    // |---------|---------|
    //   *2a          ~*17a          partition 0
    //      *5a                      partition 1: silent for 1 s
    //         *8a                   partition 1 wakes: by its own watermark (5) this is in time
    let mut stage = Stage::new(Windowing::of(Windows::Tumbling { length: ms(10) })).await;
    let mut results = stage.results(ms(1_000), None);
    stage.event(1, "a", 5).await;
    stage.event(0, "a", 2).await;
    stage.event(0, "a", 17).await;
    assert_eq!(said(&mut results, 0).await, NOTHING);
    stage.event(0, "a", 18).await;
    assert_eq!(said(&mut results, 600).await, NOTHING);
    assert_eq!(
        said(&mut results, 1200).await,
        ["a 0..10 2 on time"],
        "partition 1 has been silent for 1.2 s"
    );
    stage.event(1, "a", 8).await;
    assert_eq!(
        said(&mut results, 1200).await,
        ["a 0..10 3 late"],
        "folded as any other, said as an amendment"
    );
    assert_eq!(results.late_events(), 0);
}

#[tokio::test]
async fn early_results_are_said_as_often_as_is_wished() {
    // 0         10
    // |---------|
    //   *2a  *7a  ~*12a
    let mut stage = Stage::new(tumbling()).await;
    let mut results = stage.results(ms(10_000), Some(ms(100)));
    stage.event(1, "b", 55).await;
    stage.event(0, "a", 2).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..10 1 early", "b 50..60 1 early"]);
    stage.event(0, "a", 7).await;
    assert_eq!(said(&mut results, 60).await, NOTHING, "60 ms after the last ones");
    assert_eq!(said(&mut results, 120).await, ["a 0..10 2 early"]);
    stage.event(0, "a", 12).await;
    assert_eq!(said(&mut results, 120).await, ["a 0..10 2 on time"], "what fires does not wait");
}

#[tokio::test]
async fn sessions_of_two_partitions_that_touch_are_one_and_what_was_said_of_their_parts_is_void() {
    // 0         10        20        30
    // *0--------|                   partition 0
    //               *14-------|     partition 1
    //         *8--------|           partition 1: joins 14, and touches what lies in partition 0
    let windowing = Windowing { out_of_orderness: ms(50), ..Windowing::of(Windows::Session { gap: ms(10) }) };
    let mut stage = Stage::new(windowing).await;
    let mut results = stage.results(ms(10_000), Some(Duration::ZERO));
    stage.event(0, "a", 0).await;
    stage.event(1, "a", 14).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..10 1 early", "a 14..24 1 early"]);
    stage.event(1, "a", 8).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..10 void", "a 14..24 void", "a 0..24 3 early"]);
    stage.event(0, "b", 100).await;
    stage.event(1, "b", 104).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..24 3 on time", "b 100..114 2 early"]);
}

#[tokio::test]
async fn a_store_that_went_back_is_read_anew() {
    let mut stage = Stage::new(tumbling()).await;
    let mut results = stage.results(ms(10_000), Some(Duration::ZERO));
    stage.event(0, "a", 2).await;
    stage.event(0, "a", 3).await;
    assert_eq!(said(&mut results, 0).await, ["a 0..10 2 early"]);
    // The store forgets everything, and has another first event then.
    stage.store.drop_namespace(NAMESPACE).await.unwrap();
    for partition in 0..2 {
        let tag = Tag { namespace: NAMESPACE.into(), partition };
        stage.store.initialise(&tag, Marker::start(Offset(0))).await.unwrap();
    }
    stage.partitions[0] = (OpenWindows::new(NAME, tumbling()).unwrap(), 0);
    stage.event(0, "c", 4).await;
    assert_eq!(said(&mut results, 0).await, ["c 0..10 1 early"]);
}

#[tokio::test]
async fn results_are_a_source_of_a_dataflow() {
    let mut stage = Stage::new(tumbling()).await;
    stage.event(0, "a", 2).await;
    let results = stage.results(ms(1_000_000), None);
    let (stop, stopped) = watch::channel(false);
    let mut flow = Dataflow::new("results", Runtime::real());
    let mut news = flow.source_loop("results", |out| results.run(ms(1), stopped, out)).into_stream();
    flow.start();
    stage.event(0, "a", 13).await;
    stage.event(1, "a", 14).await;
    let first = tokio::time::timeout(Duration::from_secs(30), news.next()).await.expect("a window closed");
    assert!(matches!(first, Some(ResultChange::Upsert(result)) if result.window.start == Timestamp(0)));
    stop.send_replace(true);
    flow.finish().await.unwrap();
    assert_eq!(news.next().await, None, "it ends, and there is nothing more to say");
}

#[tokio::test]
async fn a_topic_of_late_events_names_the_origin_of_each() {
    let folder = tempfile::TempDir::new().unwrap();
    let url = format!("file:{}", folder.path().display());
    let log = abovefold_engine::log::open(&url, &LogSettings::default()).unwrap();
    log.create_topic("late", 1).await.unwrap();
    let output = LateTopic { log: log.clone(), topic: "late".into(), runtime: Runtime::real() };
    let event = LateEvent {
        partition: 3,
        offset: Offset(42),
        key: Bytes::from_static(b"a"),
        watermark: Timestamp(1_704_110_400_000),
        payload: Bytes::from_static(b"as it came"),
    };
    output.send(vec![event]).await.unwrap();
    let begin = Position { partition: 0, offset: Offset(0) };
    let run = log.read("late", vec![begin]).await.unwrap().next().await.unwrap();
    let record = &run.records[0];
    assert_eq!(record.header(LATE_ORIGIN_HEADER), Some(&b"3:42"[..]));
    assert_eq!(record.header(LATE_WATERMARK_HEADER), Some(&b"2024-01-01T12:00:00.000Z"[..]));
    assert_eq!((record.key.as_deref(), record.value.as_ref()), (Some(&b"a"[..]), &b"as it came"[..]));
    // A topic that is away is waited for: nothing is dropped.
    let event = LateEvent {
        partition: 0,
        offset: Offset(0),
        key: Bytes::new(),
        watermark: Timestamp(0),
        payload: Bytes::new(),
    };
    let late_to_come = LateTopic { topic: "late_to_come".into(), ..output };
    let sent = tokio::spawn(async move { late_to_come.send(vec![event]).await });
    log.create_topic("late_to_come", 1).await.unwrap();
    sent.await.unwrap().unwrap();
    assert_eq!(log.bounds("late_to_come").await.unwrap()[0].end, Offset(1));
}
