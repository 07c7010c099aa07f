//! `train` that is killed as `kill -9` does, in the middle of a pass, and run again ends with the same bytes as one that nobody disturbed.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{
    fs,
    time::{Duration, Instant},
};

use common::{Home, program::Program};

const PASSES: &str = "2";

fn train(out: &str) -> Vec<&str> {
    vec!["train", "--data", "data", "--out", out, "--epochs", PASSES, "--checkpoint-every", "0s"]
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bytes() {
    let home = Home::new();
    home.done(&["generate", "--out", "data", "--readers", "300", "--articles", "200", "--days", "4"]);
    home.done(&train("undisturbed"));

    let checkpoint = home.at("killed.checkpoint");
    let mut kills = 0;
    // Each time a little later: in the session model's passes first, then in the reranker's.
    for wait in [0, 400, 1_500] {
        let program = Program::spawn(home.command(&train("killed")));
        let end = Instant::now() + Duration::from_secs(120);
        while !checkpoint.exists() && !home.at("killed/model.json").exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(wait));
        program.kill();
        if home.at("killed/model.json").exists() {
            break;
        }
        assert!(checkpoint.exists(), "what was killed left a checkpoint");
        kills += 1;
    }
    assert!(kills > 0, "it was killed at least once before its end");
    let said = home.run(&train("killed"));
    assert_eq!(said.status, Some(0), "{said}");
    assert!(said.stderr.contains("goes on from its checkpoint"), "{said}");
    let bytes = |out: &str| fs::read(home.at(out).join("model.safetensors")).unwrap();
    assert!(bytes("killed") == bytes("undisturbed"), "the models differ");
    assert!(!checkpoint.exists(), "a training at its end leaves no checkpoint");

    let svg = fs::read_to_string(home.at("killed/curves.svg")).unwrap();
    assert!(svg.contains("<polyline") && svg.contains("<circle"));
    let lines = fs::read_to_string(home.at("killed/curves.jsonl")).unwrap();
    assert!(lines.lines().count() > 2);
    for line in lines.lines() {
        let point: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(point["loss"].as_f64().is_some_and(f64::is_finite), "{line}");
    }
}

#[test]
fn a_checkpoint_of_other_options_is_not_gone_on_from() {
    let home = Home::new();
    home.done(&["generate", "--out", "data", "--readers", "120", "--articles", "100", "--days", "3"]);
    let checkpoint = home.at("out.checkpoint");
    let program = Program::spawn(home.command(&train("out")));
    let end = Instant::now() + Duration::from_secs(60);
    while !checkpoint.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    program.kill();
    let mut other = train("out");
    other.extend(["--seed", "2"]);
    let said = home.run(&other);
    assert_eq!(said.status, Some(0), "{said}");
    assert!(said.stderr.contains("of other data or options"), "{said}");
}
