//! Over a real Kafka the marker comes to the end of the log, whatever lies in it that is no record for a reader: control records of transactions,
//! aborted records, gaps that compaction left. And a log that was cut, or made again, is refused in one line, never skipped over.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // Tests.

#[path = "common/kafka.rs"]
mod kafka;
#[path = "common/worker.rs"]
mod worker;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use abovefold_engine::{
    EngineError, Fault,
    log::{self, Log, LogSettings, NewRecord, Position},
    source::{check_log, read_to_end},
    state::{MemoryStore, StateStore, Tag},
};
use abovefold_schemas::{Marker, Offset};
use bytes::Bytes;
use futures::TryStreamExt;
use kafka::KafkaServer;
use rdkafka::{
    ClientConfig, Offset as Place, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseProducer, BaseRecord, Producer},
};
use worker::{Worker, copied, ends};

const LONG: Duration = Duration::from_secs(60);

/// One server for the tests of this file; the last one stops it.
static SERVER: Mutex<Weak<KafkaServer>> = Mutex::new(Weak::new());

fn server() -> Result<Arc<KafkaServer>, String> {
    let mut place = SERVER.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(server) = place.upgrade() {
        return Ok(server);
    }
    // The cleaner looks often, so that a compacted topic is compacted within a test.
    let started = Arc::new(KafkaServer::start_with(&["log.cleaner.backoff.ms=100"])?);
    *place = Arc::downgrade(&started);
    Ok(started)
}

macro_rules! server_or_skip {
    ($test:literal) => {
        match server() {
            Ok(server) => server,
            Err(reason) => return println!("SKIP {}: {reason}", $test),
        }
    };
}

fn open(server: &KafkaServer) -> Arc<dyn Log> {
    log::open(&server.url("user_events"), &LogSettings::default()).unwrap()
}

fn memory() -> Arc<dyn StateStore> {
    Arc::new(MemoryStore::new())
}

fn config(server: &KafkaServer) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("127.0.0.1:{}", server.port));
    config
}

fn admin(server: &KafkaServer) -> AdminClient<DefaultClientContext> {
    config(server).create().unwrap()
}

fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

fn records(texts: &[String]) -> Vec<NewRecord> {
    let record = |text: &String| NewRecord { partition: Some(0), ..NewRecord::keyed("k", text.clone()) };
    texts.iter().map(record).collect()
}

/// A producer that writes in transactions. Its calls block.
struct Transactions {
    producer: BaseProducer,
    topic: &'static str,
}

impl Transactions {
    fn start(server: &KafkaServer, topic: &'static str) -> Self {
        let producer: BaseProducer = config(server).set("transactional.id", topic).create().unwrap();
        producer.init_transactions(LONG).unwrap();
        Self { producer, topic }
    }

    fn begin(&self, partition: i32, texts: &[String]) {
        self.producer.begin_transaction().unwrap();
        for text in texts {
            let record = BaseRecord::<str, str>::to(self.topic).partition(partition).key("k").payload(text);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(LONG).unwrap();
    }

    fn commit(&self) {
        self.producer.commit_transaction(LONG).unwrap();
    }

    fn abort(&self) {
        self.producer.abort_transaction(LONG).unwrap();
    }
}

/// Waits for the ends that a topic is to have: the control records follow a commit or an abort in their own time.
async fn comes_to(log: &dyn Log, topic: &str, expected: [u64; 3]) -> Vec<Offset> {
    let end = Instant::now() + LONG;
    loop {
        let found = ends(log, topic).await;
        if found.iter().map(|offset| offset.0).eq(expected) {
            return found;
        }
        assert!(Instant::now() < end, "{topic} has the ends {found:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Everything from the begin of a topic to its end, and the offsets that were come to. It has to end.
async fn whole(log: &dyn Log, topic: &str) -> (BTreeMap<(u32, u64), Bytes>, BTreeMap<u32, Offset>) {
    let (mut found, mut places) = (BTreeMap::new(), BTreeMap::new());
    let mut runs = std::pin::pin!(read_to_end(log, topic, &[]).await.unwrap());
    while let Some(run) = tokio::time::timeout(LONG, runs.try_next()).await.expect("it ends").unwrap() {
        places.insert(run.partition, run.next);
        found.extend(run.records.into_iter().map(|record| ((run.partition, record.offset.0), record.value)));
    }
    (found, places)
}

fn values(found: &BTreeMap<u64, Bytes>) -> Vec<String> {
    found.values().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_transactions_is_read_to_its_end() {
    let server = server_or_skip!("a_topic_of_transactions_is_read_to_its_end");
    let (log, store) = (open(&server), memory());
    let topic = "transactions";
    log.create_topic(topic, 3).await.unwrap();
    let transactions = tokio::task::block_in_place(|| {
        let transactions = Transactions::start(&server, topic);
        // Partition 0 ends with a commit, partition 1 with an abort, partition 2 stays empty.
        transactions.begin(0, &texts(0..20));
        transactions.commit();
        transactions.begin(0, &texts(20..30));
        transactions.abort();
        transactions.begin(0, &texts(30..35));
        transactions.commit();
        transactions.begin(1, &texts(0..7));
        transactions.abort();
        transactions
    });
    // Each transaction ends in a control record.
    let at_first = comes_to(log.as_ref(), topic, [38, 8, 0]).await;
    let committed = [texts(0..20), texts(30..35)].concat();

    let (found, places) = whole(log.as_ref(), topic).await;
    assert_eq!(
        found.values().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect::<Vec<_>>(),
        committed
    );
    assert_eq!(places, BTreeMap::from([(0, Offset(38)), (1, Offset(8))]));
    // From between the last record and the control record behind it.
    let rest = read_to_end(log.as_ref(), topic, &[Offset(37), Offset(8), Offset(0)]).await.unwrap();
    let rest: Vec<_> = tokio::time::timeout(LONG, rest.try_collect()).await.expect("it ends").unwrap();
    assert_eq!(rest.iter().map(|run| (run.records.len(), run.next)).collect::<Vec<_>>(), [(0, Offset(38))]);

    // A dataflow that is to end at the end ends, and the markers are there.
    let bounded = Worker::start(&log, &store, topic, "bounded", Some(at_first.clone()));
    bounded.ended().await.unwrap();
    for (partition, end) in (0..).zip(&at_first) {
        let tag = Tag { namespace: "bounded".into(), partition };
        let marker = store.read(&tag, &[], &[]).await.unwrap().marker.unwrap();
        assert_eq!(marker.next, *end, "{tag}");
        check_log(log.as_ref(), topic, partition, marker).await.unwrap();
    }
    assert_eq!(values(&copied(store.as_ref(), "bounded", 0).await), committed);
    assert_eq!(copied(store.as_ref(), "bounded", 1).await, BTreeMap::new());

    // One that follows comes to each new end: after records, after an abort, and not into a transaction that is open.
    let following = Worker::start(&log, &store, topic, "following", None);
    following.reaches(&at_first).await;
    tokio::task::block_in_place(|| {
        transactions.begin(0, &texts(35..40));
        transactions.commit();
        transactions.begin(1, &texts(7..9));
        transactions.abort();
    });
    let then = comes_to(log.as_ref(), topic, [44, 11, 0]).await;
    following.reaches(&then).await;
    tokio::task::block_in_place(|| transactions.begin(0, &texts(40..42)));
    assert_eq!(ends(log.as_ref(), topic).await, then, "what is open is not there yet");
    tokio::task::block_in_place(|| transactions.commit());
    comes_to(log.as_ref(), topic, [47, 11, 0]).await;
    following.reaches(&[Offset(47)]).await;
    following.stop().await;
    let expected = [committed, texts(35..42)].concat();
    assert_eq!(values(&copied(store.as_ref(), "following", 0).await), expected);
    println!(
        "transactions: 7 of them, 3 aborted; 42 records folded, 19 aborted ones passed, lag 0 each time"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_that_compaction_left_are_passed() {
    let server = server_or_skip!("gaps_that_compaction_left_are_passed");
    let (log, store) = (open(&server), memory());
    let topic = "compacted";
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("segment.ms", "50")
        .set("min.cleanable.dirty.ratio", "0.001")
        .set("min.compaction.lag.ms", "0");
    admin(&server).create_topics([&new], &AdminOptions::new()).await.unwrap();
    let keyed = |number: u64| NewRecord::keyed(format!("k{}", number % 4), number.to_string());
    log.append(topic, (0..40).map(keyed).collect()).await.unwrap();
    // Folded up to here before the cleaner came: the last record that the marker names will be gone.
    let before = Worker::start(&log, &store, topic, "before", Some(vec![Offset(30)]));
    before.ended().await.unwrap();
    let marker =
        store.read(&Tag { namespace: "before".into(), partition: 0 }, &[], &[]).await.unwrap().marker;
    let end = Instant::now() + LONG;
    let (found, places) = loop {
        // A new segment begins with a new record; the cleaner takes those before it.
        let last = log.append(topic, vec![NewRecord::keyed("other", "x")]).await.unwrap()[0].offset;
        let (found, places) = whole(log.as_ref(), topic).await;
        assert_eq!(places, BTreeMap::from([(0, last.next())]));
        if !found.contains_key(&(0, 29)) {
            break (found, places);
        }
        assert!(Instant::now() < end, "the topic is not compacted");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let at_end = ends(log.as_ref(), topic).await;
    check_log(log.as_ref(), topic, 0, marker.unwrap()).await.unwrap();
    for namespace in ["before", "fresh"] {
        let worker = Worker::start(&log, &store, topic, namespace, Some(at_end.clone()));
        worker.ended().await.unwrap();
        let marker =
            store.read(&Tag { namespace: namespace.into(), partition: 0 }, &[], &[]).await.unwrap().marker;
        assert_eq!(marker.unwrap().next, at_end[0]);
    }
    let folded = copied(store.as_ref(), "fresh", 0).await;
    assert!(found.iter().all(|((_, offset), value)| folded.get(offset).is_none_or(|copied| copied == value)));
    assert_eq!(folded.get(&39), Some(&Bytes::from_static(b"39")), "the last of each key stays");
    println!("compaction: {} of {} records are left, the marker is at the end", found.len(), places[&0]);
}

/// A worker's error has to be one line for the user, which says these words.
fn assert_refused(error: &EngineError, words: &[&str]) {
    let line = error.to_string();
    println!("  refused: {line}");
    assert_eq!((error.fault, error.retry), (Fault::User, false), "{line}");
    assert!(!line.contains('\n'), "{line}");
    for word in words {
        assert!(line.contains(word), "the line lacks {word:?}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_were_removed_before_they_were_folded_are_not_skipped() {
    let server = server_or_skip!("records_that_were_removed_before_they_were_folded_are_not_skipped");
    let (log, store) = (open(&server), memory());
    let topic = "removed";
    log.create_topic(topic, 1).await.unwrap();
    log.append(topic, records(&texts(0..40))).await.unwrap();
    let first = Worker::start(&log, &store, topic, "main", Some(vec![Offset(10)]));
    first.ended().await.unwrap();
    let cut = async |to: i64| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Place::Offset(to)).unwrap();
        admin(&server).delete_records(&list, &AdminOptions::new()).await.unwrap();
    };
    // What was folded may go, also with the record that the marker names.
    cut(10).await;
    let second = Worker::start(&log, &store, topic, "main", Some(vec![Offset(20)]));
    second.ended().await.unwrap();
    cut(25).await;
    let error = Worker::start(&log, &store, topic, "main", None).ended().await.unwrap_err();
    assert_refused(&error, &["begins at offset 25", "before they were folded", "retention"]);
    assert_eq!(copied(store.as_ref(), "main", 0).await.len(), 20, "nothing more was folded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_again_is_refused_alive_and_at_a_start() {
    let server = server_or_skip!("a_topic_that_was_made_again_is_refused_alive_and_at_a_start");
    let admin = admin(&server);
    // With fewer records than before, with as many, and with more.
    for (topic, records_after) in [("again-0", 0), ("again-10", 10), ("again-30", 30), ("again-90", 90)] {
        let (log, store) = (open(&server), memory());
        log.create_topic(topic, 1).await.unwrap();
        log.append(topic, records(&texts(0..30))).await.unwrap();
        let worker = Worker::start(&log, &store, topic, "main", None);
        worker.reaches(&[Offset(30)]).await;

        admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
        let other = open(&server);
        make_again(other.as_ref(), topic).await;
        other.append(topic, records(&texts(1_000..1_000 + records_after))).await.unwrap();
        let begun = Instant::now();
        let error = worker.ended().await.unwrap_err();
        println!("{topic}: noticed after {:?}", begun.elapsed());
        assert_refused(&error, &[topic, "made"]);
        let expected: BTreeMap<u64, Bytes> =
            (0..30).map(|number| (number, Bytes::from(number.to_string()))).collect();
        assert_eq!(copied(store.as_ref(), "main", 0).await, expected, "nothing of the other log was folded");
        // At a start the marker tells.
        let error = Worker::start(&other, &store, topic, "main", None).ended().await.unwrap_err();
        assert_refused(&error, &[topic, "made again", "abovefold replay"]);
        assert_eq!(copied(store.as_ref(), "main", 0).await, expected);
    }
}

/// Makes a topic again as soon as Kafka has let go of the old one.
async fn make_again(log: &dyn Log, topic: &str) {
    let end = Instant::now() + LONG;
    loop {
        if log.create_topic(topic, 1).await.is_ok()
            && log.bounds(topic).await.is_ok_and(|bounds| bounds[0].end == Offset(0))
        {
            return;
        }
        assert!(Instant::now() < end, "{topic} is not made again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_made_again_with_other_partitions_is_looked_up_again() {
    let server = server_or_skip!("a_topic_that_is_made_again_with_other_partitions_is_looked_up_again");
    let log = open(&server);
    let topic = "partitions";
    log.create_topic(topic, 3).await.unwrap();
    assert_eq!(log.bounds(topic).await.unwrap().len(), 3);
    let admin = admin(&server);
    admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
    make_again(open(&server).as_ref(), topic).await;
    let end = Instant::now() + LONG;
    while !log.bounds(topic).await.is_ok_and(|bounds| bounds.len() == 1) {
        assert!(Instant::now() < end, "the partitions stay what they were");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let read = log.read(topic, vec![Position { partition: 2, offset: Offset(0) }]).await;
    assert_eq!(read.err().unwrap().fault, Fault::User);
    let marker = Marker::start(Offset(0));
    assert_refused(&check_log(log.as_ref(), topic, 2, marker).await.unwrap_err(), &["no such partition"]);
}
