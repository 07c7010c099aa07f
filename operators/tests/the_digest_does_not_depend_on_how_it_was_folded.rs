//! One log, one digest: whatever the window, the size of an epoch, how many workers share the partitions, and where one of them ended.
//!
//! Every way folds the same log at the same time, each into a store of its own. Events come at a steady rate, at which windows of 0.1, 1 and
//! 5 s, and epochs of 16 and 1,024 records, cut the log in other places.
#![allow(clippy::unwrap_used, reason = "a test ends where its world breaks")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    Result, Runtime, Task, Troubles, WindowSettings,
    log::{
        Bounds, Log, LogClock, LogMember, LogReader, LogSettings, MemberEvent, Membership, NewRecord,
        Position, open,
    },
    state::{MemoryStore, StateStore, Tag, Value},
};
use abovefold_operators::{
    fold::{FOLD_VERSION, FoldSettings},
    pipeline::{Topics, WorkerContext, write_path},
    steps::Steps,
};
use abovefold_schemas::{Event, Offset, Timestamp, records::NamespaceRecord, tables::DataFolder};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use tokio::sync::watch;

const PARTITIONS: u32 = 4;
const TOPIC: &str = "user_events";
const NAMESPACE: &str = "main";
/// Events that arrive together, every so often: 4,000 a second. A window of 0.1 s holds some 100 records of a partition, one of 1 s some 1,000,
/// and one of 5 s is closed by its 1,024th.
const PORTION: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);
const NOON: i64 = 1_704_110_400_000;

/// How the log is folded.
#[derive(Clone, Copy, Debug)]
struct Way {
    window: Duration,
    max_records: usize,
    workers: u32,
}

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for window in [100, 1_000, 5_000].map(Duration::from_millis) {
        for max_records in [16, 1_024] {
            for workers in [1, PARTITIONS] {
                ways.push(Way { window, max_records, workers });
            }
        }
    }
    ways
}

/// A log of which a member gets one partition, as one of four members of a group does.
#[derive(Debug)]
struct OnePartition {
    log: Arc<dyn Log>,
    partition: u32,
}

struct OneMember {
    log: Arc<dyn Log>,
    topic: String,
    partition: u32,
    assigned: bool,
    reader: Option<Box<dyn LogReader>>,
    paused: bool,
}

#[async_trait]
impl Log for OnePartition {
    async fn partitions(&self, topic: &str) -> Result<Option<u32>> {
        self.log.partitions(topic).await
    }
    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32> {
        self.log.create_topic(topic, partitions).await
    }
    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        self.log.append(topic, records).await
    }
    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>> {
        self.log.bounds(topic).await
    }
    async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<Vec<Offset>> {
        self.log.offsets_at(topic, time).await
    }
    async fn read(&self, topic: &str, from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        self.log.read(topic, from).await
    }
    async fn join(&self, topic: &str, _membership: Membership) -> Result<Box<dyn LogMember>> {
        let (log, partition) = (self.log.clone(), self.partition);
        Ok(Box::new(OneMember {
            log,
            topic: topic.into(),
            partition,
            assigned: false,
            reader: None,
            paused: false,
        }))
    }
}

#[async_trait]
impl LogMember for OneMember {
    async fn next(&mut self) -> Result<MemberEvent> {
        if !self.assigned {
            self.assigned = true;
            return Ok(MemberEvent::Assigned(vec![self.partition]));
        }
        match &mut self.reader {
            Some(reader) if !self.paused => reader.next().await.map(MemberEvent::Records),
            _ => std::future::pending().await,
        }
    }
    async fn start(&mut self, partition: u32, from: Offset) -> Result<()> {
        assert_eq!(partition, self.partition);
        self.reader = Some(self.log.read(&self.topic, vec![Position { partition, offset: from }]).await?);
        Ok(())
    }
    async fn pause(&mut self, _partition: u32) -> Result<()> {
        self.paused = true;
        Ok(())
    }
    async fn resume(&mut self, _partition: u32) -> Result<()> {
        self.paused = false;
        Ok(())
    }
    fn commit(&mut self, _partition: u32, _next: Offset) {}
    async fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A log whose times are set by the test, so that the same events give the same log.
struct World {
    log: Arc<dyn Log>,
    clock: Arc<AtomicI64>,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(NOON));
        let told = clock.clone();
        let says: LogClock = Arc::new(move || Timestamp(told.load(Ordering::Relaxed)));
        let settings = LogSettings { clock: says, ..LogSettings::default() };
        let log = open(&format!("file:{}", folder.path().display()), &settings).unwrap();
        for topic in [TOPIC, "articles"] {
            log.create_topic(topic, PARTITIONS).await.unwrap();
        }
        Self { log, clock, runtime: Runtime::real(), _folder: folder }
    }

    /// Appends everything in portions, each at its own moment of the log.
    async fn append(&self, events: &[NewRecord]) {
        let begun = self.runtime.now();
        for (number, portion) in events.chunks(PORTION).enumerate() {
            let pause = PAUSE.as_millis() as i64 * number as i64;
            self.runtime.sleep_until(Timestamp(begun.0 + pause)).await;
            self.clock.store(NOON + number as i64 * 1_000, Ordering::Relaxed);
            self.log.append(TOPIC, portion.to_vec()).await.unwrap();
        }
    }

    /// Starts the workers of a way over a store.
    fn start(&self, way: Way, store: &Arc<dyn StateStore>, until: Option<&[Offset]>) -> Workers {
        let (stop, stopped) = watch::channel(false);
        let logs: Vec<Arc<dyn Log>> = match way.workers {
            1 => vec![self.log.clone()],
            _ => (0..PARTITIONS)
                .map(|partition| Arc::new(OnePartition { log: self.log.clone(), partition }) as Arc<dyn Log>)
                .collect(),
        };
        let start = |log: Arc<dyn Log>| {
            let context = WorkerContext {
                log,
                store: store.clone(),
                topics: Topics::default(),
                partitions: PARTITIONS,
                window: WindowSettings {
                    length: way.window,
                    max_records: way.max_records,
                    backlog_records: 2 * way.max_records,
                },
                fold: FoldSettings { cached_readers: 512, cached_articles: 512 },
                steps: Steps::default(),
                group: format!("{way:?}"),
                member: None,
                admit: None,
                pause: abovefold_engine::Pause::default(),
                troubles: Troubles::none(),
                stop: stopped.clone(),
                runtime: self.runtime.clone(),
            };
            let flow = write_path(&context, &namespace(), None, until.map(<[Offset]>::to_vec));
            self.runtime.spawn(flow.finish())
        };
        Workers { stop, flows: logs.into_iter().map(start).collect() }
    }

    async fn ends(&self) -> Vec<Offset> {
        self.log.bounds(TOPIC).await.unwrap().iter().map(|bounds| bounds.end).collect()
    }
}

struct Workers {
    stop: watch::Sender<bool>,
    flows: Vec<Task<Result<()>>>,
}

impl Workers {
    async fn end(self) {
        self.stop.send_replace(true);
        self.ended().await;
    }

    async fn ended(self) {
        for flow in self.flows {
            flow.await.unwrap().unwrap();
        }
    }
}

fn namespace() -> NamespaceRecord {
    NamespaceRecord {
        name: NAMESPACE.into(),
        fold_version: FOLD_VERSION,
        session_model: "none".into(),
        precision: "none".into(),
        tile: 0,
        device_class: "none".into(),
        first_offsets: vec![0; PARTITIONS as usize],
        base_article_offsets: vec![0; PARTITIONS as usize],
        ..NamespaceRecord::default()
    }
}

/// Every value of every partition.
type State = BTreeMap<(u32, Bytes), Value>;

async fn state(store: &dyn StateStore, ends: &[Offset]) -> State {
    let mut whole = State::new();
    for (partition, end) in (0..).zip(ends) {
        let tag = Tag { namespace: NAMESPACE.into(), partition };
        let marker = store.read(&tag, &[], &[]).await.unwrap().marker.unwrap();
        assert_eq!(marker.next, *end, "{tag} is folded to its end");
        let values: Vec<(Bytes, Value)> = store.scan(&tag).try_collect().await.unwrap();
        whole.extend(values.into_iter().map(|(key, value)| ((partition, key), value)));
    }
    whole
}

/// Names the first value that differs: whole states would fill the screen.
fn assert_same(expected: &State, found: &State, how: impl std::fmt::Debug) {
    for (key, value) in expected {
        assert_eq!(found.get(key), Some(value), "{key:?} differs, folded so: {how:?}");
    }
    assert_eq!(found.len(), expected.len(), "there is more than there should be, folded so: {how:?}");
}

/// Folds the events in every way while they arrive, and live plus a replay of the tail.
async fn check(events: Vec<NewRecord>) {
    let world = World::new().await;
    let start = |way: Way| {
        let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        (way, store.clone(), world.start(way, &store, None))
    };
    let folding: Vec<_> = ways().into_iter().map(start).collect();
    world.append(&events).await;
    let ends = world.ends().await;
    let mut expected: Option<State> = None;
    for (way, store, workers) in folding {
        for (partition, end) in (0..).zip(&ends) {
            let tag = Tag { namespace: NAMESPACE.into(), partition };
            // Somebody waits: the last window does not run to its end.
            store.hurry(&tag, *end).await.unwrap();
            store.wait_for(&tag, *end).await.unwrap();
        }
        workers.end().await;
        let state = state(store.as_ref(), &ends).await;
        assert_same(expected.get_or_insert_with(|| state.clone()), &state, way);
    }
    let expected = expected.unwrap();
    assert!(expected.len() > 100, "something was folded: {}", expected.len());

    // Replays of the whole log, and of its tail on top of what a worker that was stopped in between left.
    let half: Vec<Offset> = ends.iter().map(|end| Offset(end.0 / 2)).collect();
    let at_once = |max_records| Way { window: Duration::ZERO, max_records, workers: 1 };
    for (max_records, tail_records) in [(16, 1_024), (1_024, 16)] {
        let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        world.start(at_once(max_records), &store, Some(&ends)).ended().await;
        assert_same(&expected, &state(store.as_ref(), &ends).await, ("replay from zero", max_records));
        let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
        world.start(at_once(max_records), &store, Some(&half)).ended().await;
        world.start(at_once(tail_records), &store, Some(&ends)).ended().await;
        let how = ("live, then a replay of the tail", max_records, tail_records);
        assert_same(&expected, &state(store.as_ref(), &ends).await, how);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_generated_stream() {
    check(generated(7_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_real_events() {
    let Some(folder) = real_data() else {
        println!(
            "SKIP over_real_events: no globo-dev under ../../shared/data; name the data's folder by ABOVEFOLD_DATA"
        );
        return;
    };
    // All of them in `make soak`.
    let count = if std::env::var_os("ABOVEFOLD_SOAK").is_some() { usize::MAX } else { 50_000 };
    let events = real(&folder, count);
    let (ways, count, started) = (ways().len(), events.len(), std::time::Instant::now());
    check(events).await;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "digests: {count} real events, {ways} ways while they came and 4 replays, one digest, {seconds:.0} s"
    );
}

fn real_data() -> Option<PathBuf> {
    let named = std::env::var_os("ABOVEFOLD_DATA").map(PathBuf::from);
    let data = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    Some(data.join("globo-dev")).filter(|folder| folder.join("events.parquet").is_file())
}

fn real(folder: &Path, count: usize) -> Vec<NewRecord> {
    let rows = DataFolder::open(folder).unwrap().events().unwrap().take(count);
    let record = |row: abovefold_schemas::tables::EventRow| {
        let mut event = Event::read(row.reader, row.article_id);
        (event.read_time, event.scroll_pct) = (row.read_time, row.scroll_pct);
        event.timestamp = Some(row.timestamp);
        NewRecord::keyed(event.user_id.as_str().to_owned(), event.to_json())
    };
    rows.map(|row| record(row.unwrap())).collect()
}

/// A stream in which everything happens that folds know: reads, pieces of views, preferences, profiles, forgetting, strays, and records that
/// are no event.
fn generated(count: usize) -> Vec<NewRecord> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |limit: u64| {
        // Steele, Lea and Flood's splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    };
    let one = move |number: usize| {
        let (reader, article, kind) = (format!("reader-{}", below(300)), below(60), below(24));
        let time = NOON + number as i64 * 900 - below(100_000_000) as i64 * i64::from(below(9) == 0);
        let value = match kind {
            0 => format!(r#"{{"user_id":"{reader}","type":"preferences","topics":["World"]}}"#),
            1 => format!(r#"{{"user_id":"{reader}","type":"profile","age":30}}"#),
            2 => format!(r#"{{"user_id":"{reader}","type":"forget"}}"#),
            3 => format!(r#"{{"user_id":"{reader}","article_id":"#),
            4..=8 => format!(
                r#"{{"user_id":"{reader}","article_id":{},"view_id":"v{}","seq":{},"read_time":5}}"#,
                article % 3,
                article % 3,
                below(4)
            ),
            _ => {
                format!(r#"{{"user_id":"{reader}","article_id":{article},"read_time":9,"timestamp":{time}}}"#)
            }
        };
        let stray = (kind == 9).then(|| below(u64::from(PARTITIONS)) as u32);
        NewRecord { partition: stray, ..NewRecord::keyed(reader, value) }
    };
    (0..count).map(one).collect()
}
