//! What every log promises, run against the embedded one and a real Kafka.

// Helpers outside of test functions are tests all the same.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "common/kafka.rs"]
mod kafka;
#[path = "common/log_cases.rs"]
mod log_cases;
#[path = "common/log_kafka_cases.rs"]
mod log_kafka_cases;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use abovefold_engine::{
    Fault,
    log::{self, Log, LogSettings, MemberEvent, NewRecord},
};
use abovefold_schemas::{Offset, Timestamp};
use log_cases::{Subject, all_cases, in_time, membership, read_all};
use tempfile::TempDir;

fn open_embedded(folder: &Path) -> Arc<dyn Log> {
    log::open(&format!("file:{}", folder.display()), &LogSettings::default()).expect("the folder is ours")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_log_keeps_its_promises() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_owned();
    let subject = Subject::new("embedded", move || open_embedded(&path));
    all_cases(subject).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_keeps_its_promises() {
    let server = match kafka::KafkaServer::start() {
        Ok(server) => server,
        Err(reason) => {
            println!("SKIP kafka_keeps_its_promises: {reason}");
            return;
        }
    };
    let url = server.url("user_events");
    let subject = Subject::new("kafka", move || log::open(&url, &LogSettings::default()).unwrap());
    all_cases(subject).await;
    log_kafka_cases::all(&server).await;
}

#[tokio::test]
async fn a_kafka_that_is_not_there_is_named_within_ten_seconds() {
    let port = kafka::free_port();
    let log = log::open(&format!("kafka://127.0.0.1:{port}/user_events"), &LogSettings::default()).unwrap();
    let begun = Instant::now();
    let error = log.append("user_events", vec![NewRecord::keyed("a", "b")]).await.unwrap_err();
    println!("after {:?}: {error}", begun.elapsed());
    assert!(begun.elapsed().as_secs() < 10);
    assert_eq!((error.fault, error.retry), (Fault::Outside, true));
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[test]
fn properties_that_librdkafka_does_not_know_are_refused() {
    let mut settings = LogSettings::default();
    settings.kafka.insert("no.such.property".into(), "1".into());
    let error = log::open("kafka://127.0.0.1:1/t", &settings).unwrap_err();
    assert_eq!(error.fault, Fault::User);
    assert!(error.to_string().contains("no.such.property"), "{error}");
}

#[test]
fn the_users_poll_interval_may_be_as_short_as_the_sessions_time_out() {
    let mut settings = LogSettings { session_timeout: Duration::from_secs(2), ..LogSettings::default() };
    settings.kafka.insert("max.poll.interval.ms".into(), "3000".into());
    log::open("kafka://127.0.0.1:1/t", &settings).unwrap();
}

#[tokio::test]
async fn an_embedded_log_that_another_owns_is_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let _owner = open_embedded(folder.path());
    let error = log::open(&format!("file:{}", folder.path().display()), &LogSettings::default()).unwrap_err();
    assert_eq!(error.fault, Fault::User);
    assert!(error.to_string().contains("another abovefold owns"), "{error}");
}

#[tokio::test]
async fn the_embedded_logs_time_never_goes_back() {
    let folder = TempDir::new().unwrap();
    let now = Arc::new(AtomicI64::new(1_000));
    let clock = Arc::clone(&now);
    let settings = LogSettings {
        clock: Arc::new(move || Timestamp(clock.load(Ordering::Relaxed))),
        ..LogSettings::default()
    };
    let log = log::open(&format!("file:{}", folder.path().display()), &settings).unwrap();
    log.create_topic("t", 1).await.unwrap();
    for time in [1_000, 500, 2_000, 1_500, 3_000] {
        now.store(time, Ordering::Relaxed);
        log.append("t", vec![NewRecord::keyed("k", "v")]).await.unwrap();
    }
    let times: Vec<_> = read_all(&*log, "t").await[&0].iter().map(|record| record.time.0).collect();
    assert_eq!(times, [1_000, 1_000, 2_000, 2_000, 3_000]);
    for (time, offset) in [(0, 0), (1_000, 0), (1_001, 2), (2_000, 2), (2_001, 4), (3_001, 5)] {
        assert_eq!(log.offsets_at("t", Timestamp(time)).await.unwrap(), [Offset(offset)], "{time}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_wait_together_share_a_transaction() {
    let folder = TempDir::new().unwrap();
    let log = open_embedded(folder.path());
    log.create_topic("t", 4).await.unwrap();
    let begun = Instant::now();
    let alone = 20;
    for _ in 0..alone {
        log.append("t", vec![NewRecord::keyed("k", "v")]).await.unwrap();
    }
    let each = begun.elapsed() / alone;
    let begun = Instant::now();
    let appends = (0..500).map(|at| {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append("t", vec![NewRecord::keyed(format!("k{at}"), "v")]).await })
    });
    for appended in futures::future::join_all(appends).await {
        appended.unwrap().unwrap();
    }
    println!("one append alone {each:?}; 500 at once {:?}", begun.elapsed());
    assert!(
        begun.elapsed() < each * 250,
        "500 appends at once took {:?}, one alone {each:?}",
        begun.elapsed()
    );
}

/// Not a test by itself: [`what_was_acknowledged_survives_a_kill`] runs it in a process of its own, and kills that.
#[tokio::test]
async fn child_that_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os("ABOVEFOLD_TEST_APPEND_TO") else { return };
    let log = open_embedded(Path::new(&folder));
    log.create_topic("t", 1).await.unwrap();
    loop {
        let records = (0..20).map(|_| NewRecord::keyed("k", "v".repeat(1_000))).collect();
        let positions = log.append("t", records).await.unwrap();
        println!("acknowledged {}", positions.last().unwrap().offset);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = TempDir::new().unwrap();
    let mut least = 0;
    for round in 1..=3_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends_until_it_is_killed", "--nocapture"])
            .env("ABOVEFOLD_TEST_APPEND_TO", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged = lines.map_while(Result::ok).filter_map(|line| {
            line.rsplit_once("acknowledged ").and_then(|(_, offset)| offset.parse::<u64>().ok())
        });
        let mut last = None;
        for offset in acknowledged {
            last = Some(offset);
            if offset >= least + 200 * round {
                // SIGKILL, while the next append is under way.
                let _ = child.kill();
            }
        }
        child.wait().unwrap();
        let last = last.expect("the child appended something");
        let log = open_embedded(folder.path());
        let records = &read_all(&*log, "t").await[&0];
        assert!(records.len() as u64 > last, "{} records, {last} acknowledged", records.len());
        assert!(records.iter().zip(0..).all(|(record, offset)| record.offset == Offset(offset)));
        least = records.len() as u64;
    }
}

#[tokio::test]
async fn a_second_member_waits_until_the_first_leaves_the_embedded_group() {
    let folder = TempDir::new().unwrap();
    let log = open_embedded(folder.path());
    log.create_topic("t", 3).await.unwrap();
    let mut first = log.join("t", membership("g")).await.unwrap();
    let mut second = log.join("t", membership("g")).await.unwrap();
    assert_eq!(in_time(first.next()).await.unwrap(), MemberEvent::Assigned(vec![0, 1, 2]));
    assert!(futures::poll!(second.next()).is_pending());
    let mut other_group = log.join("t", membership("h")).await.unwrap();
    assert_eq!(in_time(other_group.next()).await.unwrap(), MemberEvent::Assigned(vec![0, 1, 2]));
    first.leave().await.unwrap();
    assert_eq!(in_time(second.next()).await.unwrap(), MemberEvent::Assigned(vec![0, 1, 2]));
}
