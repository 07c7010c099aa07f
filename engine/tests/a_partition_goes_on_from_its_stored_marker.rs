//! Whatever happens to a worker, a partition's state is the fold of its log up to its marker: after a crash before or after a write, after
//! another worker wrote, after an orderly stop. And a log that is another one is refused.

#![allow(clippy::unwrap_used)] // Tests.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use abovefold_engine::{
    Dataflow, Emitter, EngineError, Epoch, EpochSink, Feed, Lease, Operator, PartitionedSource, Result,
    Runtime, SourceSettings, Troubles, TumblingWindow, WindowSettings,
    log::{Log, LogSettings, Membership, NewRecord, RecordRun},
    source::check_log,
    state::{Changes, EpochWrite, MemoryStore, Put, Snapshot, StateStore, Tag, Value, WriteOutcome},
};
use abovefold_schemas::{LastRecord, Marker, Offset};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream::BoxStream};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

const TOPIC: &str = "user_events";
const NAMESPACE: &str = "main";
const PARTITIONS: u32 = 2;

/// The smallest fold that repeats and gaps show in: how often each key came.
struct Count {
    store: Arc<dyn StateStore>,
    counts: BTreeMap<u32, (Lease, BTreeMap<Bytes, u64>)>,
}

impl Count {
    fn fold(&mut self, lease: Lease, epoch: Epoch<RecordRun>) -> EpochWrite {
        let (_, counts) = self.counts.get_mut(&lease.partition).expect("a lease begins before its data");
        let mut changed = BTreeMap::new();
        for record in epoch.runs.iter().flat_map(|run| &run.records) {
            let key = record.key.clone().expect("every record has a key here");
            let count = counts.entry(key.clone()).or_default();
            *count += 1;
            changed.insert(
                key,
                Value { version: record.offset.next(), bytes: count.to_be_bytes().to_vec().into() },
            );
        }
        let puts = changed.into_iter().map(|(key, value)| Put { key, value: Some(value), mirrored: false });
        EpochWrite {
            expected: epoch.expected,
            target: epoch.target,
            puts: puts.collect(),
            invalidated: Vec::new(),
        }
    }
}

impl Operator for Count {
    type In = Feed<Epoch<RecordRun>>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        "count"
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        if let Feed::Begin { lease, .. } = &input {
            let stored = state(self.store.as_ref(), lease.partition).await;
            self.counts.insert(lease.partition, (*lease, stored));
        }
        let current =
            |lease: &Lease| self.counts.get(&lease.partition).is_some_and(|(holder, _)| holder == lease);
        if matches!(&input, Feed::Data { lease, .. } if !current(lease)) {
            return Ok(());
        }
        let written = input.try_map(|lease, epoch| Ok::<_, EngineError>(self.fold(lease, epoch)))?;
        out.emit(written).await
    }
}

async fn state(store: &dyn StateStore, partition: u32) -> BTreeMap<Bytes, u64> {
    let tag = Tag { namespace: NAMESPACE.into(), partition };
    let values: Vec<(Bytes, Value)> = store.scan(&tag).try_collect().await.unwrap();
    let number = |value: &Value| u64::from_be_bytes(value.bytes.as_ref().try_into().unwrap());
    values.into_iter().map(|(key, value)| (key, number(&value))).collect()
}

async fn whole_state(store: &dyn StateStore) -> Vec<BTreeMap<Bytes, u64>> {
    let mut whole = Vec::new();
    for partition in 0..PARTITIONS {
        whole.push(state(store, partition).await);
    }
    whole
}

/// A log of so many records, and what its fold has to be.
async fn log_of(folder: &TempDir, records: usize) -> (Arc<dyn Log>, Vec<BTreeMap<Bytes, u64>>) {
    let url = format!("file:{}", folder.path().display());
    let log = abovefold_engine::log::open(&url, &LogSettings::default()).unwrap();
    log.create_topic(TOPIC, PARTITIONS).await.unwrap();
    let records: Vec<NewRecord> = (0..records)
        .map(|number| NewRecord::keyed(format!("key-{}", number * 7 % 11), number.to_string()))
        .collect();
    let positions = log.append(TOPIC, records.clone()).await.unwrap();
    let mut expected = vec![BTreeMap::new(); PARTITIONS as usize];
    for (record, position) in records.into_iter().zip(positions) {
        *expected[position.partition as usize].entry(record.key.unwrap()).or_default() += 1;
    }
    (log, expected)
}

struct Worker {
    flow: Dataflow,
    stop: watch::Sender<bool>,
}

impl Worker {
    fn start(
        log: &Arc<dyn Log>,
        store: &Arc<dyn StateStore>,
        window: Duration,
        until: Option<Vec<Offset>>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (feedback, signals) = mpsc::unbounded_channel();
        let runtime = Runtime::real();
        let source = PartitionedSource {
            settings: SourceSettings {
                dataflow: "test",
                topic: TOPIC.into(),
                membership: Membership { group: "workers".into(), member: None },
                namespace: NAMESPACE.into(),
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
        let window = WindowSettings { length: window, max_records: 8, ..WindowSettings::default() };
        let mut flow = Dataflow::new("test", runtime.clone());
        flow.source_loop("source", |out| source.run(out))
            .then(&mut flow, TumblingWindow::new(window, runtime.clone()))
            .then(&mut flow, Count { store: Arc::clone(store), counts: BTreeMap::new() })
            .sink(&mut flow, EpochSink::new("test", NAMESPACE, Arc::clone(store), feedback, runtime));
        flow.start();
        Self { flow, stop }
    }

    async fn to_the_end(log: &Arc<dyn Log>, store: &Arc<dyn StateStore>) {
        let ends = log.bounds(TOPIC).await.unwrap().iter().map(|bounds| bounds.end).collect();
        let worker = Self::start(log, store, Duration::ZERO, Some(ends));
        tokio::time::timeout(Duration::from_secs(30), worker.flow.finish()).await.expect("it ends").unwrap();
    }
}

/// What a store does wrong, once, at its nth write.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The worker dies before the write.
    Before,
    /// The worker dies after the write, before it hears of it.
    After,
    /// The write is done and its answer lost: the call is repeated.
    LostAnswer,
    /// Another worker writes first.
    Overtaken,
    /// The store breaks its promise: values without their marker, and the worker dies.
    Torn,
    /// The store breaks its promise: the marker without the values.
    Hollow,
}

#[derive(Debug)]
struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    at: usize,
    writes: AtomicUsize,
}

impl Faulty {
    fn dies() -> EngineError {
        EngineError::ours("write an epoch", "the worker was killed here")
    }
}

#[async_trait]
impl StateStore for Faulty {
    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome> {
        if self.writes.fetch_add(1, Ordering::SeqCst) != self.at {
            return self.inner.write_epoch(tag, epoch).await;
        }
        match self.fault {
            Fault::Before => Err(Self::dies()),
            Fault::After => {
                self.inner.write_epoch(tag, epoch).await?;
                Err(Self::dies())
            }
            Fault::LostAnswer => {
                self.inner.write_epoch(tag, epoch).await?;
                Err(EngineError::outside("write an epoch", "no answer in time"))
            }
            Fault::Overtaken => {
                // The other worker had cut shorter: it folded the same records, all but the last.
                let (mut first, target) = (epoch.clone(), epoch.target);
                first.target = between(epoch.expected, target);
                first.puts.clear();
                self.inner.write_epoch(tag, &first).await?;
                let found = self.inner.write_epoch(tag, epoch).await?;
                // What it wrote was nothing, which no worker would: put it right before anyone looks.
                let back = EpochWrite {
                    expected: first.target,
                    target: epoch.expected,
                    puts: Vec::new(),
                    invalidated: Vec::new(),
                };
                self.inner.write_epoch(tag, &back).await?;
                Ok(found)
            }
            Fault::Torn => {
                let (mut values, middle) = (epoch.clone(), between(epoch.expected, epoch.target));
                values.target = middle;
                self.inner.write_epoch(tag, &values).await?;
                let back = EpochWrite {
                    expected: middle,
                    target: epoch.expected,
                    puts: Vec::new(),
                    invalidated: Vec::new(),
                };
                self.inner.write_epoch(tag, &back).await?;
                Err(Self::dies())
            }
            Fault::Hollow => {
                let hollow = EpochWrite { puts: Vec::new(), ..epoch.clone() };
                self.inner.write_epoch(tag, &hollow).await?;
                Err(Self::dies())
            }
        }
    }

    async fn read(&self, tag: &Tag, keys: &[Bytes], derived: &[Bytes]) -> Result<Snapshot> {
        self.inner.read(tag, keys, derived).await
    }

    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        self.inner.initialise(tag, marker).await
    }

    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker> {
        self.inner.wait_for(tag, next).await
    }

    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()> {
        self.inner.hurry(tag, next).await
    }

    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>> {
        self.inner.hurries(namespace).await
    }

    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes> {
        self.inner.changed_since(tag, since).await
    }

    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
        self.inner.scan(tag)
    }

    async fn put_derived(
        &self,
        tag: &Tag,
        key: &Bytes,
        version: Offset,
        derived: Bytes,
        lives: Duration,
    ) -> Result<bool> {
        self.inner.put_derived(tag, key, version, derived, lives).await
    }

    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>> {
        self.inner.partitions(namespace).await
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<()> {
        self.inner.drop_namespace(namespace).await
    }

    async fn check(&self) -> Result<String> {
        self.inner.check().await
    }
}

/// A marker that is neither of the two.
fn between(expected: Marker, target: Marker) -> Marker {
    Marker { last: Some(LastRecord { offset: target.next, hash: 0x5eed }), ..Marker::start(expected.next) }
}

/// Folds the log with the fault at each of the first writes; a worker that died is started again. Returns how often the state was wrong.
async fn wrong_states(fault: Fault) -> usize {
    let folder = TempDir::new().unwrap();
    let (log, expected) = log_of(&folder, 60).await;
    let mut wrong = 0;
    for at in 0..6 {
        let inner = MemoryStore::new();
        let store: Arc<dyn StateStore> = Arc::new(Faulty { inner, fault, at, writes: AtomicUsize::new(0) });
        let ends: Vec<Offset> = log.bounds(TOPIC).await.unwrap().iter().map(|bounds| bounds.end).collect();
        let worker = Worker::start(&log, &store, Duration::ZERO, Some(ends));
        let first =
            tokio::time::timeout(Duration::from_secs(30), worker.flow.finish()).await.expect("it ends");
        let dies = !matches!(fault, Fault::LostAnswer | Fault::Overtaken);
        assert_eq!(first.is_err(), dies, "{fault:?} at write {at}: {first:?}");
        Worker::to_the_end(&log, &store).await;
        wrong += usize::from(whole_state(store.as_ref()).await != expected);
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_died_anywhere_leaves_no_trace() {
    for fault in [Fault::Before, Fault::After, Fault::LostAnswer] {
        assert_eq!(wrong_states(fault).await, 0, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_conflict_makes_the_source_begin_again_from_what_is_stored() {
    assert_eq!(wrong_states(Fault::Overtaken).await, 0);
}

/// The guard's guard: a store that writes by halves is found out, each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_writes_by_halves_is_found_out() {
    for fault in [Fault::Torn, Fault::Hollow] {
        assert_eq!(wrong_states(fault).await, 6, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_writes_what_was_read() {
    let folder = TempDir::new().unwrap();
    let (log, expected) = log_of(&folder, 60).await;
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    // The window would close in an hour; seven records fill none.
    let worker = Worker::start(&log, &store, Duration::from_secs(3_600), None);
    let bounds = log.bounds(TOPIC).await.unwrap();
    let full: Vec<u64> = bounds.iter().map(|bounds| bounds.end.0 / 8 * 8).collect();
    for (partition, next) in (0..).zip(full) {
        let tag = Tag { namespace: NAMESPACE.into(), partition };
        tokio::time::timeout(Duration::from_secs(30), store.wait_for(&tag, Offset(next)))
            .await
            .unwrap()
            .unwrap();
    }
    worker.stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(30), worker.flow.finish()).await.expect("it ends").unwrap();
    assert_eq!(whole_state(store.as_ref()).await, expected, "what had been read is folded and written");
    for (partition, bounds) in (0..).zip(bounds) {
        let tag = Tag { namespace: NAMESPACE.into(), partition };
        assert_eq!(store.read(&tag, &[], &[]).await.unwrap().marker.unwrap().next, bounds.end);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgot_is_noticed_while_idle_and_filled_again() {
    let folder = TempDir::new().unwrap();
    let (log, expected) = log_of(&folder, 60).await;
    let memory = MemoryStore::new();
    let store: Arc<dyn StateStore> = Arc::new(memory.clone());
    let worker = Worker::start(&log, &store, Duration::ZERO, None);
    let bounds = log.bounds(TOPIC).await.unwrap();
    let all_written = || async {
        for (partition, bounds) in (0..).zip(&bounds) {
            let tag = Tag { namespace: NAMESPACE.into(), partition };
            tokio::time::timeout(Duration::from_secs(30), store.wait_for(&tag, bounds.end))
                .await
                .unwrap()
                .unwrap();
        }
    };
    all_written().await;
    memory.drop_namespace(NAMESPACE).await.unwrap();
    all_written().await;
    assert_eq!(whole_state(store.as_ref()).await, expected);
    worker.stop.send_replace(true);
    worker.flow.finish().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_or_made_again_is_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let (log, _) = log_of(&folder, 60).await;
    let store: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    Worker::to_the_end(&log, &store).await;
    let tag = Tag { namespace: NAMESPACE.into(), partition: 0 };
    let marker = store.read(&tag, &[], &[]).await.unwrap().marker.unwrap();
    check_log(log.as_ref(), TOPIC, 0, marker).await.unwrap();

    let other = TempDir::new().unwrap();
    let (shorter, _) = log_of(&other, 20).await;
    let another = TempDir::new().unwrap();
    let (longer, _) = log_of(&another, 60).await;
    let records =
        (0..60).map(|number| NewRecord { partition: Some(number % 2), ..NewRecord::keyed("k", "other") });
    longer.append(TOPIC, records.collect()).await.unwrap();
    let mut rewritten = marker;
    rewritten.last = marker.last.map(|last| LastRecord { hash: last.hash ^ 1, ..last });
    for (log, partition, marker, reason) in [
        (&shorter, 0, marker, "was cut or made again"),
        (&longer, 0, rewritten, "another record than the one that was folded"),
        (&log, 9, marker, "no such partition"),
    ] {
        let error = check_log(log.as_ref(), TOPIC, partition, marker).await.unwrap_err();
        let line = error.to_string();
        assert!(line.contains(reason) && !line.contains('\n'), "{line}");
        assert!(!error.retry, "trying again does not help");
    }
    // A worker over such a log ends with that line, and writes nothing.
    let before = whole_state(store.as_ref()).await;
    let worker = Worker::start(&shorter, &store, Duration::ZERO, None);
    let error = tokio::time::timeout(Duration::from_secs(30), worker.flow.finish())
        .await
        .expect("it ends")
        .unwrap_err();
    assert!(error.to_string().contains("rebuild the namespace"), "{error}");
    assert_eq!(whole_state(store.as_ref()).await, before);
}
