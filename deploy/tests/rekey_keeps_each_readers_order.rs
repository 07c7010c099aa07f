//! The log into a topic of another partition count: each reader's events once and in their order, and nothing into a topic that holds something.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use abovefold_engine::log::{LogSettings, NewRecord, open, partition_of};
use abovefold_schemas::records::PUT_BACK_HEADER;
use common::{
    Home,
    newsroom::read_event,
    program::{Program, eventually},
};
use serde_json::Value;

const PARTITIONS: u32 = 4;
const READERS: usize = 12;

fn home() -> Home {
    Home::new().with("WINDOW__LENGTH", "20ms")
}

fn append(home: &Home, records: Vec<NewRecord>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = open(&format!("file:{}", home.at("log").display()), &LogSettings::default()).unwrap();
    runtime.block_on(async {
        log.create_topic("user_events", PARTITIONS).await.unwrap();
        log.append("user_events", records).await.unwrap();
    });
}

/// Reads in turn; every seventh lies in a wrong partition, every eleventh record is none.
fn records() -> Vec<NewRecord> {
    let one = |number: usize| {
        let reader = format!("reader-{}", number % READERS);
        let home = partition_of(reader.as_bytes(), PARTITIONS);
        let value =
            if number % 11 == 10 { "poison".to_owned() } else { read_event(&reader, number as i64, 30) };
        let partition = if number % 7 == 3 { (home + 1) % PARTITIONS } else { home };
        NewRecord { partition: Some(partition), ..NewRecord::keyed(reader, value) }
    };
    (0..200).map(one).collect()
}

/// Folds until the log has `count` records, copies of strays among them, and all are folded.
fn fold(home: &Home, count: usize) {
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    program.address();
    let letters = || home.json_lines(&["dead-letters", "list", "--json"]).len();
    eventually("the intake has sent what it found, and all is folded", || {
        let lag = home.json(&["inspect", "lag", "--json"]);
        let ends =
            lag["partitions"].as_array().unwrap().iter().map(|partition| partition["end"].as_u64().unwrap());
        (ends.sum::<u64>() == count as u64 && lag["lag"] == 0 && letters() == 18).then_some(())
    });
    assert_eq!(program.terminate().0, Some(0));
}

/// Articles and times of each reader's reads, in the order of the fold.
fn histories(home: &Home) -> Vec<Vec<(Value, Value)>> {
    let of = |number: usize| {
        let state = home.json(&["inspect", "reader", &format!("reader-{number}"), "--json"]);
        let reads = state["reads"].as_array().unwrap().clone();
        reads.into_iter().map(|read| (read["article_id"].clone(), read["timestamp"].clone())).collect()
    };
    (0..READERS).map(of).collect()
}

#[test]
fn rekey_keeps_each_readers_order() {
    let old = home();
    append(&old, records());
    let check = old.done(&["check"]);
    let line = check.lines().find(|line| line.starts_with("ok      log")).unwrap();
    assert!(
        line.contains("stray") && line.contains("partitioner=murmur2_random") && line.contains("user_id"),
        "{line}"
    );
    let strays = (0..200).filter(|number| number % 7 == 3 && number % 11 != 10).count();
    fold(&old, 200 + strays);
    let letters = old.done(&["dead-letters", "list"]);
    assert!(
        letters.contains("18 dead letters") && letters.contains("      18  not a JSON object"),
        "{letters}"
    );

    // A stray that the intake has not come to, and what was put back of a record that is an event by itself.
    let late = "reader-3";
    let away = (partition_of(late.as_bytes(), PARTITIONS) + 2) % PARTITIONS;
    let mut put_back = NewRecord::keyed("reader-0", read_event("reader-0", 0, 30));
    put_back
        .headers
        .push((PUT_BACK_HEADER.into(), format!("{}:0", partition_of(b"reader-0", PARTITIONS)).into()));
    append(
        &old,
        vec![
            NewRecord { partition: Some(away), ..NewRecord::keyed(late, read_event(late, 900, 30)) },
            put_back,
        ],
    );
    let folder = old.at("rekeyed");
    let to = format!("file:{}", folder.display());
    let said = old.done(&["rekey", "--to", &to, "--partitions", "6"]);
    assert!(said.contains("201 of ") && said.contains("with 6 partitions"), "{said}");
    let refused = old.run(&["rekey", "--to", &to, "--partitions", "6"]);
    assert_eq!(
        (refused.status, refused.error_line().contains("already holds records")),
        (Some(1), true),
        "{refused}"
    );
    let refused = old.run(&["rekey", "--to", &to, "--partitions", "8"]);
    assert_eq!(
        (refused.status, refused.error_line().contains("with 6 partitions")),
        (Some(1), true),
        "{refused}"
    );

    let new = home().with("LOG", &to);
    fold(&new, 201);
    let check = new.done(&["check"]);
    assert!(check.contains("topic user_events has 6 partitions; none of its last"), "{check}");
    let (mut before, after) = (histories(&old), histories(&new));
    // The stray that came late has no place in the old state yet.
    let (article, _) = after[3].last().unwrap();
    assert_eq!(article, 900);
    before[3].push(after[3].last().unwrap().clone());
    assert_eq!(before, after, "the same reads, at the same times, in the same order");
}
