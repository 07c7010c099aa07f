//! A namespace and its rebuild have the same bytes, however their windows and batches were cut; it can be promoted and dropped.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use common::{
    Home, Outcome, http, newsroom,
    program::{Program, eventually},
};
use serde_json::{Value, json};

/// Folds a stream into `main` and ends.
fn folded() -> Home {
    let home = Home::new();
    newsroom::model(&home.at("model"));
    newsroom::data_folder(&home.at("data"), 40, 15, 300, 3);
    let home = home.with("WINDOW__LENGTH", "20ms").with("WINDOW__MAX_RECORDS", "7");
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);
    // Forgotten at once, so that every part of the log that is folded has it.
    let forget = json!({"user_id": "4", "type": "forget"});
    assert_eq!(http::post(&address, "/event", &forget).status, 202);
    home.done(&["simulate", "--data", "data", "--rate", "0"]);
    // What no data folder holds: pieces of a view, preferences, an article of which nothing is known.
    for event in [
        json!({"user_id": "1", "article_id": 3, "view_id": "v", "seq": 1, "read_time": 5}),
        json!({"user_id": "1", "article_id": 3, "view_id": "v", "seq": 2, "read_time": 9}),
        json!({"user_id": "2", "type": "preferences", "topics": ["World"]}),
        json!({"user_id": "3", "type": "profile", "age": 40, "gender": 1}),
        json!({"user_id": "4", "article_id": 999_999}),
    ] {
        assert_eq!(http::post(&address, "/event", &event).status, 202, "{event}");
    }
    wait_for_lag(&home);
    assert_eq!(program.terminate().0, Some(0));
    home
}

fn wait_for_lag(home: &Home) {
    eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
}

fn replay(home: &Home, name: &str, window_records: &str, further: &[&str]) -> Outcome {
    let arguments: Vec<&str> = ["replay", "--namespace", name].iter().chain(further).copied().collect();
    let mut command = home.command(&arguments);
    command.env("ABOVEFOLD__WINDOW__MAX_RECORDS", window_records);
    command.env("ABOVEFOLD__WINDOW__REPLAY_RECORDS", window_records);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Outcome {
        arguments: arguments.iter().map(ToString::to_string).collect(),
        status: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn names(home: &Home) -> Vec<(String, bool)> {
    let lines = home.json_lines(&["namespace", "list", "--json"]);
    lines.iter().map(|line| (line["name"].as_str().unwrap().to_owned(), line["live"] == true)).collect()
}

#[test]
fn a_replay_equals_live() {
    let home = folded();
    let live = home.digest("main");
    let covered: u64 =
        live["offsets"].as_array().unwrap().iter().map(|offset| offset.as_u64().unwrap()).sum();
    assert_eq!(covered, 306, "the digest names the offsets that it covers: {live}");
    for (name, max_records) in [("green", "1000"), ("blue", "1"), ("grey", "64")] {
        let outcome = replay(&home, name, max_records, &[]);
        assert_eq!(outcome.status, Some(0), "{outcome}");
        assert!(outcome.stdout.contains("306 records replayed"), "{outcome}");
        assert_eq!(home.digest(name), live, "{name}, cut at {max_records} records");
    }
    // Said for people, the digest is the same one.
    let hash = live["digest"].as_str().unwrap();
    let words = home.done(&["inspect", "digest", "--namespace", "green"]);
    assert!(words.contains(hash) && words.contains("0:"), "{words}");

    assert_eq!(
        names(&home),
        [("blue".into(), false), ("green".into(), false), ("grey".into(), false), ("main".into(), true)]
    );
    home.done(&["namespace", "promote", "green"]);
    assert_eq!(
        names(&home).iter().filter(|(_, live)| *live).collect::<Vec<_>>(),
        [&("green".to_owned(), true)]
    );
    assert_eq!(home.digest("live"), live);
    let refused = home.run(&["namespace", "drop", "green"]);
    assert_eq!(
        (refused.status, refused.error_line().contains("promote another")),
        (Some(1), true),
        "{refused}"
    );
    home.done(&["namespace", "drop", "blue"]);
    assert!(!names(&home).iter().any(|(name, _)| name == "blue"));
    assert_eq!(home.run(&["inspect", "digest", "--namespace", "blue"]).status, Some(1));
    assert_eq!(home.digest("grey"), live, "the others are untouched");
    home.done(&["namespace", "promote", "main"]);
    assert_eq!(home.digest("live"), live);
}

#[test]
fn a_part_of_the_log_has_a_digest_of_its_own_and_goes_on_from_there() {
    let home = folded();
    let live = home.digest("main");
    let offsets: Vec<u64> =
        live["offsets"].as_array().unwrap().iter().map(|offset| offset.as_u64().unwrap()).collect();
    let half: Vec<u64> = offsets.iter().map(|offset| offset / 2).collect();
    let until: Vec<String> =
        half.iter().enumerate().map(|(partition, offset)| format!("{partition}:{offset}")).collect();
    let until = until.join(",");
    let outcome = replay(&home, "part", "16", &["--until", &until]);
    assert_eq!(outcome.status, Some(0), "{outcome}");
    let part = home.digest("part");
    assert_eq!(part["offsets"], json!(half));
    assert_ne!(part["digest"], live["digest"]);
    // Twice the same part has the same bytes.
    let outcome = replay(&home, "part2", "3", &["--until", &until]);
    assert_eq!(outcome.status, Some(0), "{outcome}");
    assert_eq!(home.digest("part2"), part);
    let past = home.run(&["namespace", "promote", "part", "--wait", "0"]);
    assert_eq!((past.status, past.error_line().contains("past moment")), (Some(1), true), "{past}");
    let outcome = replay(&home, "part", "50", &[]);
    assert_eq!(outcome.status, Some(0), "{outcome}");
    assert_eq!(home.digest("part"), live);
}

#[test]
fn beside_a_running_program_the_tail_is_followed_and_promoted() {
    let home = folded();
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0", "--window", "10ms"]));
    let address = program.address();
    // The owner runs it; `--follow` goes on until the owner ends.
    let follow = Program::spawn(home.command(&["replay", "--namespace", "green", "--follow"]));
    let event = json!({"user_id": "1", "article_id": 5, "read_time": 30});
    assert_eq!(http::post(&address, "/event", &event).status, 202);
    let same: Value = eventually("green has come as far as main", || {
        let outcome = home.run(&["inspect", "digest", "--json", "--namespace", "green"]);
        let green: Value = serde_json::from_str(&outcome.stdout).ok()?;
        let main = home.json(&["inspect", "digest", "--json", "--namespace", "main"]);
        (green["offsets"] == main["offsets"]).then_some(json!([green["digest"], main["digest"]]))
    });
    assert_eq!(same[0], same[1]);
    home.done(&["namespace", "promote", "green"]);
    assert_eq!(program.terminate().0, Some(0));
    drop(follow);
}
