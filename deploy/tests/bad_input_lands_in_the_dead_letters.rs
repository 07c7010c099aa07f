//! What is no event folds to nothing and lands in the dead letters with its reason; what lies in the wrong partition reaches its home; what is
//! put back counts once. The pipeline lives through all of it.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::collections::BTreeMap;

use abovefold_engine::log::{LogSettings, NewRecord, open, partition_of};
use abovefold_schemas::{
    Kept,
    records::{DeadLetter, ORIGIN_HEADER},
};
use common::{
    Home, http,
    newsroom::read_event,
    program::{Program, eventually},
};
use serde_json::{Value, json};

const PARTITIONS: u32 = 4;

/// Appends to the embedded log of a home that nobody owns.
fn append(home: &Home, topic: &str, records: Vec<NewRecord>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = open(&format!("file:{}", home.at("log").display()), &LogSettings::default()).unwrap();
    runtime.block_on(async {
        log.create_topic(topic, PARTITIONS).await.unwrap();
        log.append(topic, records).await.unwrap();
    });
}

fn home() -> Home {
    Home::new().with("WINDOW__LENGTH", "20ms")
}

fn run(home: &Home) -> (Program, String) {
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    (program, address)
}

/// Waits until everything is folded and the intake has passed on what it found.
fn wait_for_letters(home: &Home, count: usize) -> Vec<Value> {
    let letters = eventually("the dead letters are there", || {
        let letters = home.json_lines(&["dead-letters", "list", "--json"]);
        (letters.len() >= count).then_some(letters)
    });
    eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
    letters
}

fn reads(home: &Home, reader: &str) -> Option<u64> {
    let outcome = home.run(&["inspect", "reader", reader, "--json"]);
    if outcome.status != Some(0) {
        return None;
    }
    let state: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(state["session_embedding"].as_array().map(Vec::len).unwrap_or_default() % 768, 0);
    state["total_reads"].as_u64()
}

#[test]
fn each_with_its_reason() {
    let home = home();
    let huge = 10 << 20;
    let bad: Vec<(&str, Vec<u8>, &str)> = vec![
        ("not JSON", b"hello".to_vec(), "not a JSON object"),
        ("half of JSON", br#"{"user_id":"a","#.to_vec(), "not a JSON object"),
        ("no object", b"[1,2]".to_vec(), ""),
        ("nothing", Vec::new(), "not a JSON object"),
        ("bad UTF-8", b"{\"user_id\":\"\xff\xfe\",\"article_id\":1}".to_vec(), "not UTF-8"),
        ("no reader", br#"{"article_id":1}"#.to_vec(), "`user_id`"),
        ("no article", br#"{"user_id":"a"}"#.to_vec(), "`article_id`"),
        ("an article as text", br#"{"user_id":"a","article_id":"first"}"#.to_vec(), "`article_id`"),
        ("a reader as a list", br#"{"user_id":[],"article_id":1}"#.to_vec(), "`user_id`"),
        (
            "a name of 129 bytes",
            format!(r#"{{"user_id":"{}","article_id":1}}"#, "x".repeat(129)).into_bytes(),
            "`user_id`",
        ),
        ("NaN", br#"{"user_id":"a","article_id":1,"read_time":NaN}"#.to_vec(), "not a JSON object"),
        ("a time too great", br#"{"user_id":"a","article_id":1,"read_time":1e300}"#.to_vec(), "`read_time`"),
        ("a negative time", br#"{"user_id":"a","article_id":1,"read_time":-4}"#.to_vec(), "`read_time`"),
        ("before 1970", br#"{"user_id":"a","article_id":1,"timestamp":-1}"#.to_vec(), "`timestamp`"),
        ("a scroll of 101 %", br#"{"user_id":"a","article_id":1,"scroll_pct":101}"#.to_vec(), "`scroll_pct`"),
        ("an unknown kind", br#"{"user_id":"a","type":"dance"}"#.to_vec(), "`type`"),
        ("10 MB of nothing", vec![b'x'; huge], "bytes"),
        (
            "10 MB of an event",
            format!(r#"{{"user_id":"a","article_id":1,"x":"{}"}}"#, "x".repeat(huge)).into_bytes(),
            "bytes",
        ),
    ];
    let mut records: Vec<NewRecord> = Vec::new();
    for (key, value, _) in &bad {
        records.push(NewRecord::keyed(key.to_string(), value.clone()));
        // Between the poison, a reader goes on reading: articles of which nothing is known.
        records.push(NewRecord::keyed("good", read_event("good", 7_000_000 + records.len() as i64, 30)));
    }
    append(&home, "user_events", records);
    let (program, address) = run(&home);
    let letters = wait_for_letters(&home, bad.len());
    assert_eq!(letters.len(), bad.len(), "{letters:?}");
    let mut found = BTreeMap::new();
    for letter in &letters {
        let id = letter["id"].as_str().unwrap();
        let shown = home.json(&["dead-letters", "show", id, "--json"]);
        found.insert(shown["key"].as_str().unwrap().to_owned(), (letter.clone(), shown));
    }
    for (key, value, reason) in &bad {
        let (letter, shown) = &found[*key];
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{key}: {letter}");
        assert_eq!(letter["bytes"], value.len(), "{key}");
        assert_eq!(
            shown["value"].as_str().unwrap(),
            String::from_utf8_lossy(value),
            "its bytes are kept: {key}"
        );
    }
    assert_eq!(
        reads(&home, "good"),
        Some(bad.len() as u64),
        "an unknown article is no poison: it counts as a read"
    );
    assert_eq!(reads(&home, "a"), None, "poison folds to nothing");
    assert_eq!(http::get(&address, "/health").status, 200);
    let refused = home.run(&["dead-letters", "put-back"]);
    assert_eq!(
        (refused.status, refused.error_line().contains("still are no events")),
        (Some(1), true),
        "{refused}"
    );
    assert_eq!(program.terminate().0, Some(0));
    // After a restart nothing is told twice.
    let (program, _) = run(&home);
    assert_eq!(wait_for_letters(&home, bad.len()).len(), bad.len());
    assert_eq!(program.terminate().0, Some(0));
}

#[test]
fn strays_reach_their_home_once() {
    let home = home();
    let home_of = |reader: &str| partition_of(reader.as_bytes(), PARTITIONS);
    let wrong = |reader: &str| (home_of(reader) + 1) % PARTITIONS;
    let at = |partition: u32, key: Option<&str>, value: String| NewRecord {
        partition: Some(partition),
        key: key.map(|key| key.to_owned().into()),
        value: value.into(),
        ..NewRecord::default()
    };
    append(
        &home,
        "user_events",
        vec![
            at(wrong("stray"), Some("stray"), read_event("stray", 1, 10)),
            at(wrong("keyless"), None, read_event("keyless", 2, 10)),
            at(wrong("renamed"), Some("another key"), read_event("renamed", 3, 10)),
            at(home_of("at home"), None, read_event("at home", 4, 10)),
        ],
    );
    let all_once = |home: &Home| {
        let expected = ["stray", "keyless", "renamed", "at home"].map(|reader| (reader, Some(1)));
        eventually("each stray counts", || {
            expected.iter().all(|(reader, _)| reads(home, reader).is_some()).then_some(())
        });
        eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
        for (reader, count) in expected {
            assert_eq!(reads(home, reader), count, "{reader}");
        }
    };
    let (program, _) = run(&home);
    all_once(&home);
    assert_eq!(program.terminate().0, Some(0));
    let digest = home.digest("main");

    // An intake that died between its send and its marker sends again: a second copy of the same origin changes nothing.
    let mut copy = at(home_of("stray"), Some("stray"), read_event("stray", 1, 10));
    copy.headers.push((ORIGIN_HEADER.into(), format!("{}:0", wrong("stray")).into()));
    append(&home, "user_events", vec![copy]);
    let (program, _) = run(&home);
    all_once(&home);
    assert_eq!(program.terminate().0, Some(0));
    let again = home.digest("main");
    assert_eq!(again["digest"], digest["digest"], "only the marker moved");
    assert_ne!(again["offsets"], digest["offsets"]);
}

#[test]
fn what_is_put_back_counts_once() {
    let home = home();
    // A letter that an older program wrote, which knew less; today it is an event.
    let letter = DeadLetter {
        topic: "user_events".into(),
        partition: 1,
        offset: 0,
        time: 1_704_067_200_000,
        key: None,
        value: read_event("late", 5, 20).into_bytes(),
        reason: "an older program did not know it".into(),
    };
    append(&home, "dead_letters", vec![NewRecord::keyed(letter.id(), letter.to_kept())]);
    let (program, address) = run(&home);
    let id = letter.id();
    assert_eq!(id, "user_events-1-0");
    for _ in 0..3 {
        assert_eq!(home.done(&["dead-letters", "put-back", &id]), "1 put back\n");
    }
    let unknown = home.run(&["dead-letters", "put-back", "user_events-9-9"]);
    assert_eq!(
        (unknown.status, unknown.error_line().contains("dead-letters list")),
        (Some(1), true),
        "{unknown}"
    );
    assert_eq!(http::post(&address, "/event", &json!({"user_id": "late", "article_id": 6})).status, 202);
    eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
    assert_eq!(reads(&home, "late"), Some(2), "one put back, one new");
    assert_eq!(program.terminate().0, Some(0));
}
