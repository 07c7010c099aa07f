//! The consumer group on a real Kafka, while events flow: workers join, leave, are killed and come back, the broker restarts, the store hangs for
//! longer than the group's patience. Nothing is lost, nothing is counted twice, and nobody is expelled for waiting.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use common::{
    Home,
    pipeline::{Pipeline, count, end},
    program::{Program, eventually},
    say,
    servers::{Server, kafka_tool},
    skip,
    stream::PARTITIONS,
};

/// After so many seconds without a sign of life, a member's partitions go to others.
const SESSION_SECONDS: &str = "2";
/// Between two appends of four records.
const PAUSE: Duration = Duration::from_millis(40);

/// What happens to the group, in this order: from one worker to four, and in the end three.
#[derive(Clone, Copy, Debug)]
enum Change {
    Joins(&'static str),
    Leaves(&'static str),
    IsKilled(&'static str),
}

const CHANGES: [Change; 9] = [
    Change::Joins("b"),
    Change::Joins("c"),
    Change::Joins("d"),
    Change::IsKilled("b"),
    Change::Joins("b"),
    Change::Leaves("c"),
    Change::Joins("c"),
    Change::IsKilled("d"),
    Change::Joins("d"),
];

fn home(pipeline: &Pipeline) -> Home {
    pipeline.home().with("SESSION_TIMEOUT_SECONDS", SESSION_SECONDS)
}

#[test]
fn ten_rebalances_a_static_member_and_a_broker_restart_lose_nothing() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => {
            return skip("ten_rebalances_a_static_member_and_a_broker_restart_lose_nothing", &reason);
        }
    };
    let started = Instant::now();
    let mut pipeline = Pipeline::new("group", kafka.port, &format!("redis://127.0.0.1:{}/0", redis.port));
    let outside = pipeline.home();
    let homes: BTreeMap<&str, Home> = ["a", "b", "c", "d"].map(|name| (name, home(&pipeline))).into();
    // It is given the time to come back on a busy machine.
    let static_home = pipeline.home().with("MEMBER", "static").with("SESSION_TIMEOUT_SECONDS", "20");
    let mut workers: BTreeMap<&str, Program> = BTreeMap::new();
    let mut said = Vec::new();
    workers.insert("a", pipeline.worker(&homes["a"]));
    let feeder = pipeline.feed(pipeline.stream(31, 20_000), PAUSE);
    pipeline.catches_up();
    for (number, change) in CHANGES.into_iter().enumerate() {
        match change {
            Change::Joins(name) => {
                let mut worker = pipeline.worker(&homes[name]);
                // It has its share, of events and intake, when it says so.
                worker.wait_for("partition begins tag={main:");
                workers.insert(name, worker);
            }
            Change::Leaves(name) => said.extend(end(workers.remove(name).unwrap())),
            Change::IsKilled(name) => said.extend(workers.remove(name).unwrap().kill()),
        }
        pipeline.catches_up();
        if number == CHANGES.len() / 2 {
            kafka.stop();
            kafka.start_again().unwrap();
            pipeline.catches_up();
        }
    }
    // Down to three; one of them is static, and comes back to what it had without a rebalance.
    said.extend(end(workers.remove("b").unwrap()));
    said.extend(end(workers.remove("c").unwrap()));
    let mut worker = pipeline.worker(&static_home);
    worker.wait_for("partition begins tag={main:");
    pipeline.catches_up();
    let before = members(&kafka, "group-main");
    said.extend(worker.kill());
    let mut worker = pipeline.worker(&static_home);
    worker.wait_for("partition begins tag={main:");
    workers.insert("static", worker);
    pipeline.catches_up();
    let after = members(&kafka, "group-main");
    assert_eq!(holders(&before), holders(&after), "the static member came back to its partitions");
    assert_eq!(workers.len(), 3);

    feeder.stop();
    let checked = pipeline.check(&outside);
    // What is committed is for monitoring: the offset to read next, so that the lag of an idle group is 0.
    let ends = pipeline.settle();
    for group in ["group-main", "group-intake"] {
        let committed = eventually("what is folded is committed", || {
            let committed = committed(&kafka, group);
            (committed.len() == PARTITIONS as usize && committed == ends).then_some(committed)
        });
        assert_eq!(committed, ends, "{group}");
    }
    for worker in workers.into_values() {
        said.extend(end(worker));
    }
    let rebalanced = CHANGES.len() + 3;
    say(&format!(
        "consumer group: {rebalanced} rebalances (1 -> 4 -> 3 workers, 2 kills), a static member that came back, a broker restart; {} records, \
         {} partitions begun, {} conflicts, {} copies sent again; digest equal, committed offsets at the end, {:.0} s",
        checked.records,
        count(&said, "partition begins"),
        count(&said, "the partition begins again"),
        checked.copies - checked.strays,
        started.elapsed().as_secs_f64()
    ));
}

/// The store hangs while events flow, for more than twice as long as a member may be silent.
#[test]
fn a_store_that_hangs_longer_than_the_poll_interval_gets_nobody_expelled() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => {
            return skip("a_store_that_hangs_longer_than_the_poll_interval_gets_nobody_expelled", &reason);
        }
    };
    let started = Instant::now();
    let mut pipeline = Pipeline::new("hangs", kafka.port, &format!("redis://127.0.0.1:{}/0", redis.port));
    let outside = pipeline.home();
    let homes = [home(&pipeline), home(&pipeline)];
    let mut workers: Vec<Program> = homes
        .iter()
        .map(|home| {
            let poll = "[kafka]\n\"max.poll.interval.ms\" = \"3000\"\n";
            fs::write(home.at("kafka.toml"), poll).unwrap();
            let mut command = home.command(&["process", "--config", "kafka.toml"]);
            command.env("RUST_LOG", "info,librdkafka=error");
            let mut worker = Program::spawn(command);
            worker.wait_for("partition begins tag={main:");
            worker
        })
        .collect();
    let feeder = pipeline.feed(pipeline.stream(41, 4_000), PAUSE);
    pipeline.catches_up();
    let before = members(&kafka, "hangs-main");
    for worker in &mut workers {
        worker.say_all();
    }
    let held = Instant::now();
    redis.signal("", "STOP");
    // The stream goes on for longer than twice the interval.
    let mut fed = feeder.count();
    while held.elapsed() < Duration::from_secs(7) {
        fed += 40;
        feeder.reaches(fed);
    }
    redis.signal("", "CONT");
    let hung = held.elapsed();
    pipeline.catches_up();
    feeder.stop();
    let after = members(&kafka, "hangs-main");
    let checked = pipeline.check(&outside);
    assert_eq!(before, after, "the same members hold the same partitions");
    // What they say when they end in order is another matter.
    let said: Vec<String> = workers.iter_mut().flat_map(Program::say_all).collect();
    workers.into_iter().for_each(|worker| drop(end(worker)));
    let rebalances = count(&said, "revoked") + count(&said, "assigned");
    assert_eq!(rebalances, 0, "nobody was expelled:\n{}", said.join("\n"));
    say(&format!(
        "store hung for {:.1} s, with max.poll.interval.ms 3000: 0 rebalances, {} records, digest equal, {:.0} s",
        hung.as_secs_f64(),
        checked.records,
        started.elapsed().as_secs_f64()
    ));
}

/// For each partition who holds it, as Kafka's own tool says.
fn members(kafka: &Server, group: &str) -> BTreeMap<u32, String> {
    described(kafka, group).into_iter().map(|(partition, fields)| (partition, fields[6].clone())).collect()
}

/// Which partitions are held together, whatever their holders are called.
fn holders(members: &BTreeMap<u32, String>) -> BTreeSet<BTreeSet<u32>> {
    let names: BTreeSet<&String> = members.values().collect();
    let held =
        |name| members.iter().filter(move |(_, holder)| *holder == name).map(|(partition, _)| *partition);
    names.into_iter().map(|name| held(name).collect()).collect()
}

/// The committed offset of each partition.
fn committed(kafka: &Server, group: &str) -> Vec<u64> {
    described(kafka, group).into_values().filter_map(|fields| fields[3].parse().ok()).collect()
}

/// Group, topic, partition, committed, end, lag, member of each partition.
fn described(kafka: &Server, group: &str) -> BTreeMap<u32, Vec<String>> {
    eventually("the group is stable", || {
        let said = kafka_tool("kafka-groups.sh", kafka.port, &["--describe", "--group", group]);
        let rows = said.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let rows: BTreeMap<u32, Vec<String>> = rows
            .filter(|fields| fields.first().is_some_and(|first| first == group))
            .filter(|fields| fields.len() > 6 && fields[6] != "-")
            .map(|fields| (fields[2].parse().unwrap(), fields))
            .collect();
        (rows.len() == PARTITIONS as usize).then_some(rows)
    })
}
