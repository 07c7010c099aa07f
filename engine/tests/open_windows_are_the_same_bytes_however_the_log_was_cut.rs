//! Open windows are state: what the store holds is a pure function of the log up to the marker. Neither where epochs were cut, nor when a worker
//! was started again, nor which one it was, shows in a byte of it. And what a worker holds is void once the marker is another.

#![allow(clippy::unwrap_used)] // Tests.

#[path = "common/redis.rs"]
mod redis_servers;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use abovefold_engine::{
    Dataflow, Epoch, EpochSink, Feed, Lease, Operator, Result, Run, Runtime, Signal,
    log::{Record, RecordRun},
    state::{EpochWrite, MemoryStore, StateSettings, StateStore, Tag, Value, open},
    time::{
        LateEvent, LateOutput, Measured, ResultChange, Results, ResultsSettings, TimeDomain, TimedEvent,
        WindowFold, WindowFoldSettings, Windowing, Windows,
    },
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use redis_servers::RedisServer;
use tokio::sync::mpsc;

const NAMESPACE: &str = "main";
const RECORDS: u64 = 240;

fn tag() -> Tag {
    Tag { namespace: NAMESPACE.into(), partition: 0 }
}

/// A log in which time goes on, with events out of order, some of them late, and three keys.
fn log() -> Vec<Record> {
    let mut chance = 88_172_645_463_325_252_u64;
    let mut random = |below: u64| {
        // xorshift64: the same list each time.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance % below
    };
    (0..RECORDS)
        .map(|offset| {
            let behind = if random(12) == 0 { 200 } else { 30 };
            let time = (offset * 10 + 500) as i64 - random(behind) as i64;
            Record {
                offset: Offset(offset),
                time: Timestamp((offset * 10 + 500) as i64),
                key: Some(Bytes::from(format!("key-{}", random(3)))),
                value: Bytes::from(format!("{time} {}", random(1_000))),
                headers: Vec::new(),
            }
        })
        .collect()
}

fn events(run: &RecordRun) -> Vec<TimedEvent<f64>> {
    let event = |record: &Record| {
        let text = std::str::from_utf8(&record.value).unwrap();
        let (time, number) = text.split_once(' ').unwrap();
        TimedEvent {
            offset: record.offset,
            log_time: record.time,
            event_time: time.parse().ok().map(Timestamp),
            key: record.key.clone().unwrap(),
            // Sums of such numbers depend on their order in the last bits.
            item: number.parse::<f64>().unwrap() / 7.0,
            payload: record.value.clone(),
        }
    };
    run.records.iter().map(event).collect()
}

fn windowings() -> Vec<Windowing> {
    let ms = Duration::from_millis;
    let kinds = [
        Windows::Tumbling { length: ms(100) },
        Windows::Sliding { length: ms(100), slide: ms(30) },
        Windows::Session { gap: ms(25) },
    ];
    let in_event_time = kinds.map(|windows| Windowing {
        windows,
        domain: TimeDomain::Event,
        out_of_orderness: ms(20),
        allowed_lateness: ms(30),
        retention: ms(400),
    });
    let processing = Windowing { domain: TimeDomain::Processing, ..in_event_time[0] };
    in_event_time.into_iter().chain([processing]).collect()
}

/// The epochs of a stretch of the log, of at most so many records.
fn epochs(log: &[Record], most: usize) -> Vec<Epoch<RecordRun>> {
    let mut expected = match log.first().map(|first| first.offset.0) {
        None | Some(0) => Marker::start(Offset(0)),
        Some(first) => marker_at(first),
    };
    log.chunks(most)
        .map(|records| {
            let run = RecordRun::new(0, records.to_vec());
            let target = Marker { last: run.last(), ..Marker::start(run.next) };
            let epoch = Epoch { expected, target, runs: vec![run] };
            expected = target;
            epoch
        })
        .collect()
}

fn marker_at(next: u64) -> Marker {
    Marker { last: log().get(next as usize - 1).map(Record::as_last), ..Marker::start(Offset(next)) }
}

/// Late events, in order.
#[derive(Clone, Debug, Default)]
struct Taken(Arc<Mutex<Vec<LateEvent>>>);

#[async_trait]
impl LateOutput for Taken {
    async fn send(&self, events: Vec<LateEvent>) -> Result<()> {
        self.0.lock().unwrap().extend(events);
        Ok(())
    }
}

fn fold(
    windowing: Windowing,
    store: &Arc<dyn StateStore>,
    late: &Taken,
    feedback: mpsc::UnboundedSender<Signal>,
) -> impl Operator<In = Feed<Epoch<RecordRun>>, Out = Feed<EpochWrite>> {
    let settings = WindowFoldSettings {
        name: "measured",
        windowing,
        namespace: NAMESPACE.into(),
        store: store.clone(),
        late: Some(Arc::new(late.clone())),
        feedback,
        runtime: Runtime::real(),
    };
    WindowFold::<RecordRun, Measured, _>::new(settings, events).unwrap()
}

/// A worker that folds these epochs from `marker` on, and whose writes reach the store. Returns what it told its source.
async fn work(
    windowing: Windowing,
    store: &Arc<dyn StateStore>,
    late: &Taken,
    marker: Marker,
    epochs: Vec<Epoch<RecordRun>>,
) -> Vec<Signal> {
    let lease = Lease { partition: 0, generation: 1 };
    let begin = [Ok(Feed::Begin { lease, marker })];
    let data = epochs.into_iter().map(move |data| Ok(Feed::Data { lease, data }));
    let (feedback, mut signals) = mpsc::unbounded_channel();
    let runtime = Runtime::real();
    let mut flow = Dataflow::new("test", runtime.clone());
    let sink = EpochSink::new("test", NAMESPACE, store.clone(), feedback.clone(), runtime);
    flow.source("epochs", stream::iter(begin.into_iter().chain(data)))
        .then(&mut flow, fold(windowing, store, late, feedback))
        .sink(&mut flow, sink);
    flow.finish().await.unwrap();
    let mut told = Vec::new();
    while let Some(signal) = signals.recv().await {
        told.push(signal);
    }
    told
}

async fn fresh() -> Arc<dyn StateStore> {
    let store = MemoryStore::new();
    store.initialise(&tag(), Marker::start(Offset(0))).await.unwrap();
    Arc::new(store)
}

async fn stored(store: &Arc<dyn StateStore>) -> (Option<Marker>, BTreeMap<Bytes, Value>) {
    let values = store.scan(&tag()).try_collect().await.unwrap();
    (store.read(&tag(), &[], &[]).await.unwrap().marker, values)
}

#[tokio::test]
async fn epochs_of_one_of_seven_and_of_all_leave_the_same_bytes() {
    let log = log();
    for windowing in windowings() {
        let (all, late) = (fresh().await, Taken::default());
        work(windowing, &all, &late, Marker::start(Offset(0)), epochs(&log, log.len())).await;
        let expected = stored(&all).await;
        assert!(expected.1.len() > 5, "{windowing}: something is kept");
        let in_event_time = windowing.domain == TimeDomain::Event;
        assert_eq!(!late.0.lock().unwrap().is_empty(), in_event_time, "{windowing}: some events are late");
        for most in [1, 7] {
            let (store, again) = (fresh().await, Taken::default());
            work(windowing, &store, &again, Marker::start(Offset(0)), epochs(&log, most)).await;
            assert_eq!(stored(&store).await, expected, "{windowing}, epochs of {most}");
            assert_eq!(*again.0.lock().unwrap(), *late.0.lock().unwrap(), "the same events are late");
        }
    }
}

#[tokio::test]
async fn a_restart_at_any_epoch_on_any_worker_leaves_the_same_bytes() {
    let log = log();
    for windowing in windowings() {
        let at_once = fresh().await;
        work(windowing, &at_once, &Taken::default(), Marker::start(Offset(0)), epochs(&log, log.len())).await;
        let expected = stored(&at_once).await;
        let in_pieces = fresh().await;
        for piece in log.chunks(7) {
            // Another worker each time: it has nothing but the store.
            let marker = in_pieces.read(&tag(), &[], &[]).await.unwrap().marker.unwrap();
            let told = work(windowing, &in_pieces, &Taken::default(), marker, epochs(piece, 3)).await;
            assert!(told.iter().all(|signal| matches!(signal, Signal::Acked { .. })), "{told:?}");
        }
        assert_eq!(stored(&in_pieces).await, expected, "{windowing}");
    }
}

/// Names of windows hold any bytes, and sessions that join are removed and written in one call: a real Redis keeps what memory keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_keeps_the_same_bytes() {
    if let Err(reason) = redis_servers::binary() {
        return skip("a_redis_keeps_the_same_bytes", &reason);
    }
    let server = RedisServer::start(&[]);
    let log = log();
    let redis = open(&server.url(), &StateSettings::default()).await.unwrap();
    for windowing in windowings() {
        let memory = fresh().await;
        let begin = Marker::start(Offset(0));
        work(windowing, &memory, &Taken::default(), begin, epochs(&log, 7)).await;
        redis.drop_namespace(NAMESPACE).await.unwrap();
        redis.initialise(&tag(), begin).await.unwrap();
        for piece in log.chunks(80) {
            let marker = redis.read(&tag(), &[], &[]).await.unwrap().marker.unwrap();
            work(windowing, &redis, &Taken::default(), marker, epochs(piece, 7)).await;
        }
        assert_eq!(stored(&redis).await, stored(&memory).await, "{windowing}");
        // And a reader of results hears the same of both.
        let (from_redis, from_memory) = (results(&redis, windowing).await, results(&memory, windowing).await);
        assert_eq!(from_redis, from_memory, "{windowing}");
        assert!(from_redis.len() > 5, "{windowing}");
    }
}

/// All that is kept, as results.
async fn results(store: &Arc<dyn StateStore>, windowing: Windowing) -> Vec<ResultChange<Measured>> {
    let settings = ResultsSettings { early: Some(Duration::ZERO), ..ResultsSettings::default() };
    let windows = ("measured", windowing);
    let mut results = Results::new(windows, store.clone(), (NAMESPACE, 1), settings, Runtime::real());
    results.refresh().await.unwrap()
}

#[allow(clippy::print_stdout, reason = "the tally reads it")]
fn skip(test: &str, reason: &str) {
    println!("SKIP {test}: {reason}");
}

#[tokio::test]
async fn a_marker_that_moved_makes_the_lease_void_and_nothing_is_folded() {
    let log = log();
    let windowing = windowings()[0];
    let store = fresh().await;
    work(windowing, &store, &Taken::default(), Marker::start(Offset(0)), epochs(&log[..14], 7)).await;
    let before = stored(&store).await;
    // This worker believes that the partition stands where it began.
    let told =
        work(windowing, &store, &Taken::default(), Marker::start(Offset(0)), epochs(&log[..7], 7)).await;
    // It notices before it folds, and does not come to the store with what it made of the wrong windows.
    let [Signal::Reset { reason, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert!(reason.contains("moved while its windows were loaded"), "{reason}");
    assert_eq!(stored(&store).await, before);
}

#[tokio::test]
async fn late_events_are_told_before_their_epoch_is_written_and_again_after_a_crash() {
    let log = log();
    let windowing = windowings()[0];
    let (store, late) = (fresh().await, Taken::default());
    // The worker dies before its epoch reaches the store: what it emits goes nowhere.
    let lease = Lease { partition: 0, generation: 1 };
    let mut feed = vec![Ok(Feed::Begin { lease, marker: Marker::start(Offset(0)) })];
    feed.extend(epochs(&log, log.len()).into_iter().map(|data| Ok(Feed::Data { lease, data })));
    let (feedback, _signals) = mpsc::unbounded_channel();
    let mut flow = Dataflow::new("test", Runtime::real());
    let writes = flow
        .source("epochs", stream::iter(feed))
        .then(&mut flow, fold(windowing, &store, &late, feedback))
        .into_stream();
    flow.start();
    let written: Vec<Feed<EpochWrite>> = writes.collect().await;
    flow.finish().await.unwrap();
    assert_eq!(written.len(), 2, "the lease's begin, and one epoch");
    let first = std::mem::take(&mut *late.0.lock().unwrap());
    assert!(first.len() > 3, "{first:?}");
    assert_eq!(stored(&store).await.1.len(), 0);
    work(windowing, &store, &late, Marker::start(Offset(0)), epochs(&log, 7)).await;
    assert_eq!(*late.0.lock().unwrap(), first, "the same ids, by which a repeat is known");
    for event in &first {
        assert_eq!(event.payload, log[event.offset.0 as usize].value);
    }
}
