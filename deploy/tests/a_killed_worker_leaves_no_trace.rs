//! `kill -9` of the worker in mid-stream, again and again: the state ends with the same bytes as without, on both makes of the edges.
//!
//! Kills are aimed: the sink says when an epoch's write begins and ends, and most kills follow a "begins" at once. What the program had said
//! when it died tells afterwards where each of them fell.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{
    collections::BTreeMap,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use abovefold_engine::{
    log::{Log, LogClock, LogSettings, NewRecord, open},
    source::read_to_end,
};
use abovefold_schemas::{Timestamp, records::NamespaceChange};
use common::{
    Home, at_length,
    newsroom::{self, Dice},
    program::{PATIENCE, Program},
    say,
    servers::Server,
    skip,
    stream::{self, PARTITIONS, append, block_on, ends, make_topics},
};
use futures::TryStreamExt;
use serde_json::Value;

const RECORDS: usize = 320;

fn seeds() -> u64 {
    at_length(20, 100) as u64
}

/// Where the kills of a run of seeds fell.
#[derive(Default)]
struct Kills {
    inside: usize,
    all: usize,
}

impl Kills {
    fn check(&self, what: &str, started: Instant) {
        let (Self { inside, all }, seconds) = (self, started.elapsed().as_secs_f64());
        let seeds = seeds();
        say(&format!(
            "{what}: {seeds} seeds, {all} kills, {inside} of them within an epoch's write, {seconds:.0} s"
        ));
        assert!(*all >= seeds as usize, "only {all} kills in {seeds} seeds");
        assert!(
            inside * 2 >= *all,
            "only {inside} of {all} kills fell between the begin and the end of an epoch's write"
        );
    }
}

#[test]
fn on_the_embedded_edges() {
    let started = Instant::now();
    let mut kills = Kills::default();
    for seed in 0..seeds() {
        let undisturbed = home(seed);
        let log =
            open(&format!("file:{}", undisturbed.at("log").display()), &LogSettings::default()).unwrap();
        // The embeddings are part of the state too; some seeds have them.
        if seed % 4 == 0 {
            newsroom::model(&undisturbed.at("model"));
        }
        let ends = block_on(async {
            make_topics(log.as_ref(), "user_events", "articles").await;
            append(log.as_ref(), "user_events", stream(seed, false)).await;
            ends(log.as_ref(), "user_events").await
        });
        drop(log);
        let killed = home(seed);
        undisturbed.copy_to(&killed);
        work(undisturbed.command(&["process"]), "main", std::slice::from_ref(&ends), None);
        let seen = disturb(seed, "main", &ends, &mut kills, || killed.command(&["process"]));
        let (expected, found) = (undisturbed.digest("main"), killed.digest("main"));
        assert_same(seed, &expected, &found, &seen);
        assert_eq!(expected["offsets"], serde_json::json!(ends), "the whole log is covered");
    }
    kills.check("embedded", started);
}

#[test]
fn over_kafka_and_redis() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip("over_kafka_and_redis", &reason),
    };
    let started = Instant::now();
    let mut kills = Kills::default();
    let log = open(&format!("kafka://127.0.0.1:{}", kafka.port), &LogSettings::default()).unwrap();
    block_on(make_topics(log.as_ref(), "user_events", "articles"));
    for seed in 0..seeds() {
        let (events, namespaces) = (format!("events_{seed}"), format!("namespaces_{seed}"));
        block_on(async {
            log.create_topic(&events, PARTITIONS).await.unwrap();
            log.create_topic(&namespaces, 1).await.unwrap();
            append(log.as_ref(), &events, stream(seed, true)).await;
        });
        let home = home(seed)
            .with("LOG", format!("kafka://127.0.0.1:{}/{events}", kafka.port))
            .with("STATE", format!("redis://127.0.0.1:{}/{seed}", redis.port))
            .with("TOPICS__NAMESPACES", &namespaces)
            .with("GROUP", format!("group-{seed}"))
            // A static member takes its partitions back at once, where another would wait for the session's end.
            .with("MEMBER", "worker");
        // The first run meets strays, whose copies the intake appends: it has come to the end once the log does not grow any more.
        let mut reached = Vec::new();
        loop {
            let ends = block_on(ends(log.as_ref(), &events));
            if reached == ends {
                break;
            }
            work(home.command(&["process"]), "main", &[ends.clone(), ends.clone()], None);
            reached = ends;
        }
        block_on(name_another(log.as_ref(), &namespaces));
        let process = || home.command(&["process", "--namespace", "killed"]);
        let seen = disturb(seed, "killed", &reached, &mut kills, process);
        assert_same(seed, &home.digest("main"), &home.digest("killed"), &seen);
    }
    kills.check("Kafka and Redis", started);
}

/// The guard's guard: where one event is left out, the digests differ, and they are the same where none is.
#[test]
fn a_missing_event_shows_in_the_digest() {
    let digest = |leave_out: bool| {
        let home = home(1);
        // The log's own times are part of what is folded: here they do not depend on when the test runs.
        let clock: LogClock = Arc::new(|| Timestamp(newsroom::MIDNIGHT + 86_400_000));
        let settings = LogSettings { clock, ..LogSettings::default() };
        let log = open(&format!("file:{}", home.at("log").display()), &settings).unwrap();
        let mut records = stream(1, false);
        if leave_out {
            // Something dead stands in its place, so that the offsets are the same.
            let last_read = records.iter().rposition(|record| is_plain_read(&record.value)).unwrap();
            records[last_read].value = "none".into();
        }
        let ends = block_on(async {
            make_topics(log.as_ref(), "user_events", "articles").await;
            append(log.as_ref(), "user_events", records).await;
            ends(log.as_ref(), "user_events").await
        });
        drop(log);
        work(home.command(&["process"]), "main", &[ends], None);
        home.digest("main")
    };
    let (whole, again, lacking) = (digest(false), digest(false), digest(true));
    assert_eq!(whole, again);
    assert_eq!(whole["offsets"], lacking["offsets"]);
    assert_ne!(whole["digest"], lacking["digest"]);
}

fn is_plain_read(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| text.contains("scroll_pct"))
}

/// Small epochs, often: many writes to be killed in. The seed decides how small.
fn home(seed: u64) -> Home {
    Home::new()
        .with("WINDOW__LENGTH", format!("{}ms", 10 + seed % 3 * 20))
        .with("WINDOW__MAX_RECORDS", format!("{}", [8, 16, 23][seed as usize % 3]))
        // A backlog in as small epochs: there are many writes to fall into.
        .with("WINDOW__BACKLOG_RECORDS", "1")
}

fn stream(seed: u64, with_strays: bool) -> Vec<NewRecord> {
    stream::stream(seed, RECORDS, with_strays)
}

/// Makes the namespace `killed` beside `main`, defined as that is.
async fn name_another(log: &dyn Log, topic: &str) {
    let mut runs = std::pin::pin!(read_to_end(log, topic, &[]).await.unwrap());
    let mut record = None;
    while let Some(run) = runs.try_next().await.unwrap() {
        for change in run.records.iter().map(|record| NamespaceChange::from_json(&record.value).unwrap()) {
            if let NamespaceChange::Made { record: made } = change {
                record = Some(made);
            }
        }
    }
    let mut record = record.unwrap();
    record.name = "killed".into();
    append(log, topic, vec![NewRecord::keyed("namespaces", NamespaceChange::Made { record }.to_json())])
        .await;
}

/// When to kill: this long after so many writes have begun.
#[derive(Clone, Copy, Debug)]
struct Aim {
    begun: usize,
    delay: Duration,
}

/// Runs the worker until it is killed, again and again, and at last to the end. Returns where the kills fell, in words.
fn disturb(
    seed: u64,
    namespace: &str,
    ends: &[u64],
    kills: &mut Kills,
    command: impl Fn() -> Command,
) -> Vec<String> {
    let mut dice = Dice::new(seed + 1_000);
    let mut seen = Vec::new();
    for _ in 0..2 + dice.below(3) {
        // Three of four follow a begin at once; the others fall anywhere: before it, after it, between fold and write.
        let delay = if dice.below(4) == 0 { dice.below(12) } else { 0 };
        let aim = Aim { begun: dice.below(6) as usize + 1, delay: Duration::from_millis(delay) };
        match work(command(), namespace, &[ends.to_vec()], Some(aim)) {
            Some(inside) => {
                kills.all += 1;
                kills.inside += usize::from(!inside.is_empty());
                seen.push(format!("{aim:?}, writes under way: {inside:?}"));
            }
            None => break,
        }
    }
    work(command(), namespace, &[ends.to_vec()], None);
    seen
}

/// Runs a worker until the namespace has come to `ends` (the first of them; the second, where there is one, is the intake's), or until it
/// is killed. Returns the writes that were under way when it was killed; `None` where it came to the end and ended in order.
fn work(mut command: Command, namespace: &str, ends: &[Vec<u64>], aim: Option<Aim>) -> Option<Vec<String>> {
    command.env("RUST_LOG", "warn,abovefold_engine=debug");
    let mut program = Program::spawn(command);
    let watched = [namespace, "intake"];
    let mut written: BTreeMap<String, u64> = BTreeMap::new();
    let mut under_way: BTreeMap<String, u64> = BTreeMap::new();
    let mut begun = 0;
    let has_ended = |written: &BTreeMap<String, u64>| {
        watched.iter().zip(ends).all(|(namespace, ends)| {
            (0..).zip(ends).all(|(partition, end): (u32, &u64)| {
                *end == 0
                    || written.get(&format!("{{{namespace}:{partition}}}")).is_some_and(|next| next >= end)
            })
        })
    };
    while !has_ended(&written) {
        let line = program.next_line(PATIENCE);
        let line = line.unwrap_or_else(|| panic!("the worker ended by itself:\n{}", program.said.join("\n")));
        note(&line, namespace, &mut written, &mut under_way, &mut begun);
        if let Some(aim) = aim.filter(|aim| begun >= aim.begun) {
            std::thread::sleep(aim.delay);
            for line in program.kill() {
                note(&line, namespace, &mut written, &mut under_way, &mut begun);
            }
            return Some(under_way.into_keys().collect());
        }
    }
    let (status, said) = program.terminate();
    assert_eq!(status, Some(0), "it ends in order:\n{}", said.join("\n"));
    None
}

/// Takes in what a line says of an epoch's write.
fn note(
    line: &str,
    namespace: &str,
    written: &mut BTreeMap<String, u64>,
    under_way: &mut BTreeMap<String, u64>,
    begun: &mut usize,
) {
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let Some(tag) = field("tag=") else { return };
    let number = |name: &str| field(name).and_then(|number| number.parse::<u64>().ok());
    if line.contains("partition begins") {
        written.insert(tag.to_owned(), number("next=").expect("a partition begins somewhere"));
    } else if line.contains("epoch write begins") && tag.starts_with(&format!("{{{namespace}:")) {
        *begun += 1;
        under_way.insert(tag.to_owned(), number("target=").expect("an epoch has a target"));
    } else if line.contains("epoch write ends") {
        under_way.remove(tag);
        written.insert(tag.to_owned(), number("target=").expect("an epoch has a target"));
    }
}

fn assert_same(seed: u64, expected: &Value, found: &Value, seen: &[String]) {
    assert_eq!(expected, found, "seed {seed}: the state differs after these kills:\n{}", seen.join("\n"));
}
