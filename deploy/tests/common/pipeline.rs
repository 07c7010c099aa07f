//! A pipeline over real servers under test: its topics, workers with homes of their own, a stream that flows meanwhile, and the oracle: the same
//! log folded by a program that nobody disturbed, into another make of store.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use abovefold_engine::{
    log::{Log, LogSettings, NewRecord, Record, open, partition_of},
    source::read_to_end,
    state::{StateSettings, StateStore, Tag},
};
use abovefold_schemas::{
    Event, Kept, ReaderId, keys::reader_key, records::ORIGIN_HEADER, state::ReaderState,
};
use futures::TryStreamExt;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{
    Home, newsroom,
    program::Program,
    stream::{self, ARTICLES, PARTITIONS, append, ends, make_topics},
};

/// How long a pipeline may take to come to the end of its log, servers that start again included.
const PATIENCE: Duration = Duration::from_secs(90);
/// The names of readers who read once.
const ONCE: &str = "once-";

/// Topics of its own, a state store, and what works on them.
pub struct Pipeline {
    name: String,
    log_url: String,
    state_url: String,
    runtime: Runtime,
    pub log: Arc<dyn Log>,
    store: Option<Arc<dyn StateStore>>,
    with_model: bool,
    appended: Arc<AtomicUsize>,
}

/// Figures of a pipeline that has come to the end of its log and is as it should be.
#[derive(Debug)]
pub struct Checked {
    /// Records in the log.
    pub records: u64,
    /// Strays, each passed on.
    pub strays: usize,
    /// Copies of strays, with those that were sent again.
    pub copies: usize,
    /// Dead letters.
    pub letters: usize,
}

impl Pipeline {
    /// Makes the topics of a name; programs will keep their state at `state_url`.
    pub fn new(name: &str, kafka_port: u16, state_url: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let log_url = format!("kafka://127.0.0.1:{kafka_port}/events-{name}");
        let log = open(&log_url, &LogSettings::default()).unwrap();
        let state_url = state_url.to_owned();
        let pipeline = Self {
            name: name.to_owned(),
            log_url,
            state_url,
            runtime,
            log,
            store: None,
            with_model: false,
            appended: Arc::default(),
        };
        pipeline.block_on(make_topics(
            pipeline.log.as_ref(),
            &pipeline.events(),
            &pipeline.topic("articles"),
        ));
        pipeline
    }

    /// Gives every home a model: embeddings are part of the state too.
    pub fn with_model(self) -> Self {
        Self { with_model: true, ..self }
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The topic of the events.
    pub fn events(&self) -> String {
        self.topic("events")
    }

    /// A topic of this pipeline.
    pub fn topic(&self, kind: &str) -> String {
        format!("{kind}-{}", self.name)
    }

    /// A home for a program over this pipeline, with small epochs.
    pub fn home(&self) -> Home {
        let mut home = Home::new()
            .with("LOG", &self.log_url)
            .with("STATE", &self.state_url)
            .with("GROUP", &self.name)
            .with("TOPICS__PARTITIONS", PARTITIONS.to_string())
            .with("WINDOW__LENGTH", "20ms")
            .with("WINDOW__MAX_RECORDS", "16")
            .with("WINDOW__BACKLOG_RECORDS", "1");
        for kind in ["articles", "namespaces", "dead_letters", "impressions", "learned"] {
            home = home.with(&format!("TOPICS__{}", kind.to_uppercase()), self.topic(kind));
        }
        if self.with_model {
            newsroom::model(&home.at("model"));
        }
        home
    }

    /// Starts a worker and waits until it works.
    pub fn worker(&self, home: &Home) -> Program {
        let mut command = home.command(&["process"]);
        command.env("RUST_LOG", "info,librdkafka=error");
        let mut program = Program::spawn(command);
        program.wait_for("processing namespace main");
        program
    }

    /// The stream of a seed, and among it readers who read once: what a store has lost of them, no later write puts right. Every other one of
    /// them is a stray.
    pub fn stream(&self, seed: u64, records: usize) -> Vec<NewRecord> {
        let mut all = Vec::new();
        for (number, record) in stream::stream(seed, records, true).into_iter().enumerate() {
            all.push(record);
            if number % 8 == 5 {
                let reader = format!("{ONCE}{seed}-{number}");
                let wrong = (partition_of(reader.as_bytes(), PARTITIONS) + 1) % PARTITIONS;
                let value = newsroom::read_event(&reader, number as i64 % ARTICLES, 10);
                let stray = number % 16 == 5;
                all.push(NewRecord { partition: stray.then_some(wrong), ..NewRecord::keyed(reader, value) });
            }
        }
        all
    }

    /// Appends all of it, in order and at once.
    pub fn append(&self, records: Vec<NewRecord>) {
        self.appended.fetch_add(records.len(), Ordering::Relaxed);
        self.block_on(append(self.log.as_ref(), &self.events(), records));
    }

    /// Begins to append, a few records at a time with a pause between, while the test does other things.
    pub fn feed(&self, records: Vec<NewRecord>, pause: Duration) -> Feeder {
        let (log, topic, handle) = (Arc::clone(&self.log), self.events(), self.runtime.handle().clone());
        let (done, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stopped, appended) = (Arc::clone(&done), Arc::clone(&stop), Arc::clone(&self.appended));
        let thread = std::thread::spawn(move || {
            for some in records.chunks(4).take_while(|_| !stopped.load(Ordering::Relaxed)) {
                // The log may be away for a while: what was not acknowledged is not known to be there, and is sent again.
                while let Err(error) = handle.block_on(log.append(&topic, some.to_vec())) {
                    assert!(error.retry, "{error}");
                }
                counter.fetch_add(some.len(), Ordering::Relaxed);
                appended.fetch_add(some.len(), Ordering::Relaxed);
                std::thread::sleep(pause);
            }
        });
        Feeder { done, stop, thread }
    }

    /// The address of a running program's health, and the program, which has read path and write path.
    pub fn run(&self, home: &Home) -> (Program, String) {
        let mut command = home.command(&["run", "--listen", "127.0.0.1:0"]);
        command.env("RUST_LOG", "info,librdkafka=error");
        let mut program = Program::spawn(command);
        let address = program.address();
        (program, address)
    }

    fn store(&mut self) -> Arc<dyn StateStore> {
        if self.store.is_none() {
            let settings = StateSettings::default();
            let opened = abovefold_engine::state::open(&self.state_url, &settings);
            self.store = Some(self.runtime.block_on(opened).unwrap());
        }
        Arc::clone(self.store.as_ref().unwrap())
    }

    /// The markers of a namespace; `None` while the store is away.
    pub fn markers(&mut self, namespace: &str) -> Option<Vec<u64>> {
        let store = self.store();
        self.block_on(async {
            let mut markers = Vec::new();
            for partition in 0..PARTITIONS {
                let tag = Tag { namespace: namespace.into(), partition };
                let snapshot = store.read(&tag, &[], &[]).await.ok()?;
                markers.push(snapshot.marker.map_or(0, |marker| marker.next.0));
            }
            Some(markers)
        })
    }

    /// Waits until namespace and intake have come to where the log ends now: each partition has a worker.
    pub fn catches_up(&mut self) {
        let ends = self.block_on(ends(self.log.as_ref(), &self.events()));
        let begun = Instant::now();
        for namespace in ["main", "intake"] {
            while !self
                .markers(namespace)
                .is_some_and(|markers| markers.iter().zip(&ends).all(|(m, end)| m >= end))
            {
                let markers = self.markers(namespace);
                assert!(begun.elapsed() < PATIENCE, "the end was at {ends:?}, {namespace} is at {markers:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Waits until namespace and intake have come to the end of the log, and the intake has sent nothing more; returns the end.
    pub fn settle(&mut self) -> Vec<u64> {
        let begun = Instant::now();
        loop {
            let before = self.block_on(ends(self.log.as_ref(), &self.events()));
            let (main, intake) = (self.markers("main"), self.markers("intake"));
            let after = self.block_on(ends(self.log.as_ref(), &self.events()));
            if before == after && main.as_ref() == Some(&after) && intake.as_ref() == Some(&after) {
                return after;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the end is at {after:?}, main at {main:?}, the intake at {intake:?}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Compares the state with the oracle's, and counts what the intake did.
    ///
    /// # Panics
    /// When anything is lost, doubled, or has other bytes.
    pub fn check(&mut self, outside: &Home) -> Checked {
        let ends = self.settle();
        let found = outside.digest("main");
        let oracle = self.home().with("STATE", "").with("WINDOW__MAX_RECORDS", "256");
        oracle.done(&["replay", "--namespace", "oracle"]);
        let expected = oracle.digest("oracle");
        assert_eq!(found, expected, "the state is not that of an undisturbed fold");
        assert_eq!(found["offsets"], serde_json::json!(ends), "the whole log is covered");

        let log = self.block_on(whole(self.log.as_ref(), &self.events()));
        let appended = self.appended.load(Ordering::Relaxed);
        let originals = log.iter().filter(|(_, record)| record.header(ORIGIN_HEADER).is_none());
        // What was appended twice because nobody acknowledged it is in the log twice, and is folded twice.
        assert!(originals.clone().count() >= appended, "the log lacks records");
        let mut strays = BTreeSet::new();
        let mut poison = 0;
        for (partition, record) in originals {
            match Event::from_json(&record.value) {
                Ok(event) => {
                    if partition_of(event.user_id.as_bytes(), PARTITIONS) != *partition {
                        strays.insert(format!("{partition}:{}", record.offset));
                    }
                }
                Err(_) => poison += 1,
            }
        }
        let copies: Vec<String> = log
            .iter()
            .filter_map(|(_, record)| record.header(ORIGIN_HEADER))
            .map(|origin| String::from_utf8(origin.to_vec()).unwrap())
            .collect();
        assert_eq!(copies.iter().cloned().collect::<BTreeSet<_>>(), strays, "each stray was passed on");
        let letters = outside.json_lines(&["dead-letters", "list", "--json"]);
        assert_eq!(letters.len(), poison, "each record that is no event is a dead letter");
        self.check_once(&log);
        let records = ends.iter().sum();
        Checked { records, strays: strays.len(), copies: copies.len(), letters: letters.len() }
    }

    /// Readers of whom there is one read have one, however often its copy was sent.
    fn check_once(&mut self, log: &[(u32, Record)]) {
        let store = self.store();
        let mut counted = BTreeMap::new();
        for (_, record) in log {
            let Ok(event) = Event::from_json(&record.value) else { continue };
            if event.user_id.as_str().starts_with(ONCE) && record.header(ORIGIN_HEADER).is_none() {
                *counted.entry(event.user_id.as_str().to_owned()).or_insert(0_u64) += 1;
            }
        }
        for (reader, count) in counted {
            let tag =
                Tag { namespace: "main".into(), partition: partition_of(reader.as_bytes(), PARTITIONS) };
            let key = reader_key(&ReaderId::new(reader.as_str()).unwrap());
            let read = self.block_on(store.read(&tag, &[key], &[])).unwrap();
            let value = read.values[0].as_ref().unwrap_or_else(|| panic!("nothing is known of {reader}"));
            assert_eq!(ReaderState::from_kept(&value.bytes).unwrap().total_reads, count, "{reader}");
        }
    }
}

/// Appends while the test does other things.
pub struct Feeder {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Feeder {
    /// Waits until so many records are appended.
    pub fn reaches(&self, records: usize) {
        let begun = Instant::now();
        while self.done.load(Ordering::Relaxed) < records {
            assert!(
                !self.thread.is_finished() && begun.elapsed() < PATIENCE,
                "{records} records are not appended"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many records are appended.
    pub fn count(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends with what has been appended.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }

    /// Waits for the rest.
    pub fn finish(self) {
        self.thread.join().unwrap();
    }
}

/// Everything that a topic holds, with its partition.
pub async fn whole(log: &dyn Log, topic: &str) -> Vec<(u32, Record)> {
    let mut runs = std::pin::pin!(read_to_end(log, topic, &[]).await.unwrap());
    let mut all = Vec::new();
    while let Some(run) = runs.try_next().await.unwrap() {
        all.extend(run.records.into_iter().map(|record| (run.partition, record)));
    }
    all
}

/// Ends a worker in order; returns all that it said.
pub fn end(worker: Program) -> Vec<String> {
    let (status, said) = worker.terminate();
    assert_eq!(status, Some(0), "it ends in order:\n{}", said.join("\n"));
    said
}

/// How many lines hold a text.
pub fn count(said: &[String], text: &str) -> usize {
    said.iter().filter(|line| line.contains(text)).count()
}

/// The digest's hash.
pub fn hash(digest: &Value) -> &str {
    digest["digest"].as_str().unwrap()
}
