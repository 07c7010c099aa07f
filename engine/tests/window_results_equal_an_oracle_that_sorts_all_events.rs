//! Whatever the events, the windows, the cuts into epochs and the restarts: results are what one gets from the whole list of events, sorted.
//!
//! `ABOVEFOLD_SEED=7 cargo test --release --workspace --test window_results_equal_an_oracle_that_sorts_all_events` runs other cases.

#![allow(clippy::unwrap_used)] // Tests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use abovefold_engine::{
    Runtime,
    state::{EpochWrite, MemoryStore, StateStore, Tag, Value},
    time::{
        Measured, OpenWindows, Pane, ResultChange, Results, ResultsSettings, TimeDomain, TimedEvent,
        Windowing, Windows,
    },
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use bytes::Bytes;
use futures::TryStreamExt;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

const NAME: &str = "test";
const NAMESPACE: &str = "main";
const CASES: u32 = 300;

/// An event: its partition, its key, its time, and what it brings.
#[derive(Clone, Copy, Debug)]
struct Event {
    partition: usize,
    key: u8,
    time: i64,
    number: u8,
    /// Whether an epoch ends after it, whether its partition is started again then, and whether results are asked for.
    cut: bool,
    restart: bool,
    ask: bool,
}

/// What a window holds: how many events, their sum, the least, the greatest.
type Content = (u64, f64, f64, f64);
/// By key, start and end.
type Table = BTreeMap<(u8, i64, i64), Content>;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        0..2_usize,
        0..3_u8,
        0..120_i64,
        any::<u8>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        any::<bool>(),
    );
    let event = event.prop_map(|(partition, key, time, number, cut, restart, ask)| Event {
        partition,
        key,
        time,
        number,
        cut,
        restart: restart && cut,
        ask,
    });
    // Half of the lists go forward on the whole, so that not all but the first events are late.
    (prop::collection::vec(event, 1..60), any::<bool>()).prop_map(|(mut events, forward)| {
        if forward {
            for (place, event) in (0..).zip(&mut events) {
                event.time = event.time / 4 + place * 3;
            }
        }
        events
    })
}

fn windowings() -> impl Strategy<Value = Windowing> {
    let ms = Duration::from_millis;
    let windows = prop_oneof![
        (1..40_u64).prop_map(move |length| Windows::Tumbling { length: ms(length) }),
        (1..40_u64, 1..40_u64)
            .prop_map(move |(a, b)| Windows::Sliding { length: ms(a.max(b)), slide: ms(a.min(b)) }),
        (1..30_u64).prop_map(move |gap| Windows::Session { gap: ms(gap) }),
    ];
    (windows, 0..30_u64, 0..20_u64).prop_map(move |(windows, out_of_orderness, allowed_lateness)| Windowing {
        windows,
        domain: TimeDomain::Event,
        out_of_orderness: ms(out_of_orderness),
        allowed_lateness: ms(allowed_lateness),
        // Nothing is removed: the oracle forgets nothing.
        retention: ms(1_000_000),
    })
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis() as i64
}

/// The windows that hold a moment, found by trying all.
fn windows_at(windows: Windows, time: i64) -> Vec<(i64, i64)> {
    let (length, slide) = match windows {
        Windows::Tumbling { length } => (millis(length), millis(length)),
        Windows::Sliding { length, slide } => (millis(length), millis(slide)),
        Windows::Session { gap } => return vec![(time, time + millis(gap))],
    };
    (-50..=time)
        .filter(|start| start % slide == 0 && (*start..start + length).contains(&time))
        .map(|start| (start, start + length))
        .collect()
}

/// Events and windows that took them, and how many were late: the definition, word by word, over the whole list.
fn accepted(events: &[Event], windowing: Windowing) -> (Vec<(Event, i64, i64)>, u64) {
    let mut all = Vec::new();
    let mut late = 0;
    for (place, event) in events.iter().enumerate() {
        let before = events[..place].iter().filter(|other| other.partition == event.partition);
        let watermark =
            before.map(|other| other.time).max().map(|latest| latest - millis(windowing.out_of_orderness));
        let mut windows = windows_at(windowing.windows, event.time);
        windows.retain(|(_, end)| {
            watermark.is_none_or(|watermark| end + millis(windowing.allowed_lateness) > watermark)
        });
        late += u64::from(windows.is_empty());
        all.extend(windows.into_iter().map(|(start, end)| (*event, start, end)));
    }
    (all, late)
}

fn oracle(events: &[Event], windowing: Windowing) -> (Table, u64) {
    let (mut taken, late) = accepted(events, windowing);
    taken.sort_by_key(|(event, start, _)| (event.key, event.time, *start));
    let is_session = matches!(windowing.windows, Windows::Session { .. });
    let mut table = Table::new();
    for (event, mut start, end) in taken {
        let number = f64::from(event.number);
        let mut content = (1, number, number, number);
        // Sorted by time, a session can only be the one before.
        let joined = table
            .iter()
            .filter(|((key, _, _), _)| *key == event.key)
            .find(|((_, s, e), _)| if is_session { start < *e } else { (*s, *e) == (start, end) })
            .map(|(bounds, content)| (*bounds, *content));
        if let Some((bounds, before)) = joined {
            table.remove(&bounds);
            start = bounds.1;
            content = (before.0 + 1, before.1 + number, before.2.min(number), before.3.max(number));
        }
        table.insert((event.key, start, end), content);
    }
    (table, late)
}

/// What a reader of results has in hand.
#[derive(Default)]
struct Reader {
    table: BTreeMap<(u8, i64, i64), (Pane, Content)>,
}

impl Reader {
    async fn ask(&mut self, results: &mut Results<Measured>, now: i64) {
        for change in results.refresh_at(Timestamp(now)).await.unwrap() {
            match change {
                ResultChange::Upsert(result) => {
                    let bounds = (result.key[0], result.window.start.0, result.window.end.0);
                    let Measured { count, sum, least, greatest } = result.aggregate;
                    assert_eq!(count, result.events);
                    self.table.insert(bounds, (result.pane, (count, sum, least, greatest)));
                }
                ResultChange::Retract { key, window } => {
                    let bounds = (key[0], window.start.0, window.end.0);
                    self.table.remove(&bounds).expect("only what was said is retracted");
                }
            }
        }
    }
}

/// Folds the list and reads its results; returns them, the global watermark, and how many events were late.
async fn folded(events: &[Event], windowing: Windowing) -> (Reader, i64, u64) {
    let store = MemoryStore::new();
    let tag = |partition: usize| Tag { namespace: NAMESPACE.into(), partition: partition as u32 };
    let settings = ResultsSettings { idle_after: Duration::from_millis(5), early: Some(Duration::ZERO) };
    let mut now = 0;
    let reading: Arc<dyn StateStore> = Arc::new(store.clone());
    let mut results = Results::new((NAME, windowing), reading, (NAMESPACE, 2), settings, Runtime::real());
    let mut reader = Reader::default();
    let mut partitions = Vec::new();
    for partition in 0..2 {
        store.initialise(&tag(partition), Marker::start(Offset(0))).await.unwrap();
        partitions.push((OpenWindows::<Measured>::new(NAME, windowing).unwrap(), 0_u64, 0_u64));
    }
    for (place, event) in events.iter().enumerate() {
        let (windows, next, written) = &mut partitions[event.partition];
        windows.fold(&TimedEvent {
            offset: Offset(*next),
            log_time: Timestamp(1_000_000),
            event_time: Some(Timestamp(event.time)),
            key: Bytes::copy_from_slice(&[event.key]),
            item: f64::from(event.number),
            payload: Bytes::new(),
        });
        *next += 1;
        let is_last = !events[place + 1..].iter().any(|other| other.partition == event.partition);
        if event.cut || is_last {
            let write = EpochWrite {
                expected: Marker::start(Offset(*written)),
                target: Marker::start(Offset(*next)),
                puts: windows.take_changes(),
                invalidated: Vec::new(),
            };
            store.write_epoch(&tag(event.partition), &write).await.unwrap();
            *written = *next;
        }
        if event.restart {
            let values: Vec<(Bytes, Value)> = store.scan(&tag(event.partition)).try_collect().await.unwrap();
            *windows = OpenWindows::load(NAME, windowing, values).unwrap();
        }
        if event.ask {
            now += 1;
            reader.ask(&mut results, now).await;
        }
    }
    // Everything is idle: the watermark is the greatest.
    reader.ask(&mut results, now + 1).await;
    reader.ask(&mut results, now + 1_000).await;
    (reader, results.watermark().unwrap().0, results.late_events())
}

#[test]
fn results_are_those_of_the_whole_list() {
    let seed: u64 = std::env::var("ABOVEFOLD_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut sessions, mut late_events) = (0, 0);
    let outcome =
        TestRunner::new_with_rng(config, rng).run(&(events(), windowings()), |(events, windowing)| {
            let (table, late) = oracle(&events, windowing);
            let (reader, watermark, counted) = tokio.block_on(folded(&events, windowing));
            let found: Table =
                reader.table.iter().map(|(bounds, (_, content))| (*bounds, *content)).collect();
            prop_assert_eq!(&found, &table);
            prop_assert_eq!(counted, late);
            for ((_, _, end), (pane, _)) in &reader.table {
                prop_assert_eq!(
                    *pane == Pane::Early,
                    *end > watermark,
                    "pane {} of a window to {}",
                    pane,
                    end
                );
            }
            Ok::<(), TestCaseError>(())
        });
    if let Err(error) = outcome {
        panic!(
            "{error}\nrepeat it by ABOVEFOLD_SEED={seed} cargo test --release --workspace --test \
             window_results_equal_an_oracle_that_sorts_all_events"
        );
    }
    // The cases are worth something: sessions that join, and events that are late.
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    for _ in 0..CASES {
        let (events, windowing) = (events(), windowings()).new_tree(&mut runner).unwrap().current();
        let (table, late) = oracle(&events, windowing);
        let joined = table.values().any(|content| content.0 > 2);
        sessions += u32::from(joined && matches!(windowing.windows, Windows::Session { .. }));
        late_events += late;
    }
    assert!(sessions > 20 && late_events > 500, "{sessions} cases of sessions, {late_events} late events");
}
