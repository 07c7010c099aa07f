//! What is missing, wrong, taken or locked is said in one line that names it and a way out, with status 1; wrong usage has status 2.
//! Nothing is left half-written.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{fs, net::TcpListener, path::Path};

use common::{Home, Outcome, newsroom, program::Program, servers::free_port};

/// It failed, and its one line holds all of `words`.
fn assert_says(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.status, Some(1), "{outcome}");
    let line = outcome.error_line();
    // Its log may warn beside, but must not bury the line.
    assert!(outcome.stderr.lines().count() <= 5, "{outcome}");
    for word in words {
        assert!(line.contains(word), "the line lacks {word:?}: {line}");
    }
}

/// Names of everything below a folder.
fn everything(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        found.push(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_missing_model_folder() {
    let home = Home::new();
    let outcome = home.run(&["process", "--model", "no-such-model"]);
    assert_says(&outcome, &["load the model no-such-model", "model.json"]);
    // A folder that is there but holds no model.
    fs::create_dir(home.at("empty")).unwrap();
    let outcome = home.run(&["process", "--model", "empty"]);
    assert_says(&outcome, &["load the model empty", "model.json"]);
}

#[test]
fn a_redis_that_nobody_is() {
    let home = Home::new();
    let port = free_port().to_string();
    let outcome = home.run(&["process", "--state", &format!("redis://127.0.0.1:{port}/0")]);
    assert_says(&outcome, &["redis", &port, "is it up"]);
    let outcome = home.run(&["process", "--state", "rodis://127.0.0.1:1/0"]);
    assert_says(&outcome, &["rodis://127.0.0.1:1/0", "redis://host:port/db"]);
}

#[test]
fn a_kafka_that_nobody_is() {
    let home = Home::new();
    let port = free_port().to_string();
    let outcome = home.run(&["process", "--log", &format!("kafka://127.0.0.1:{port}/user_events")]);
    assert_says(&outcome, &["kafka", &port]);
    let outcome = home.run(&["process", "--log", "kafka://nowhere"]);
    assert_says(&outcome, &["kafka://nowhere", "kafka://HOST:PORT"]);
}

#[test]
fn an_elasticsearch_that_nobody_is() {
    let home = Home::new();
    let port = free_port().to_string();
    let outcome = home.run(&["process", "--articles", &format!("http://127.0.0.1:{port}/articles")]);
    assert_says(&outcome, &[&port, "is it up"]);
    let outcome = home.run(&["process", "--articles", "ftp://127.0.0.1/articles"]);
    assert_says(&outcome, &["ftp", "http://host:port/index"]);
}

#[test]
fn a_port_in_use() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let outcome = home.run(&["run", "--listen", &address]);
    assert_says(&outcome, &[&address, "--listen"]);
    let outcome = home.run(&["run", "--listen", "no-address"]);
    assert_says(&outcome, &["no-address", "--listen"]);
    assert!(!home.at("owner.json").exists(), "nobody owns the home");
    // Nothing was left in the way of the next start.
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    program.address();
    assert_eq!(program.terminate().0, Some(0));
}

#[test]
fn a_locked_home() {
    let home = Home::new();
    let mut first = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    first.address();
    for command in [["run", "--listen", "127.0.0.1:0"].as_slice(), &["process"]] {
        let outcome = home.run(command);
        let folder = home.path().display().to_string();
        assert_says(&outcome, &[&folder, "stop it"]);
    }
    // The owner was not disturbed.
    home.done(&["inspect", "lag"]);
    assert_eq!(first.terminate().0, Some(0));
}

#[test]
fn an_unknown_namespace() {
    let home = Home::new();
    let outcome = home.run(&["inspect", "digest"]);
    assert_says(&outcome, &["live", "abovefold run"]);
    for command in [
        ["inspect", "digest", "--namespace", "green"].as_slice(),
        &["process", "--namespace", "green"],
        &["namespace", "promote", "green"],
        &["namespace", "drop", "green"],
    ] {
        assert_says(&home.run(command), &["green", "namespace list"]);
    }
    assert_says(&home.run(&["replay"]), &["--namespace"]);
    assert_says(&home.run(&["replay", "--namespace", "Not A Name"]), &["Not A Name"]);
    assert_says(
        &home.run(&["replay", "--namespace", "green", "--until", "soon"]),
        &["soon", "PARTITION:OFFSET"],
    );
}

#[test]
fn a_data_folder_that_is_none() {
    let home = Home::new();
    fs::create_dir(home.at("empty")).unwrap();
    for command in [
        ["index", "--data", "empty"].as_slice(),
        &["simulate", "--data", "empty"],
        &["index", "--data", "no-such-folder"],
    ] {
        let outcome = home.run(command);
        assert_says(&outcome, &[command[2]]);
    }
    let before = everything(home.path());
    let outcome = home.run(&["train", "--data", "empty", "--out", "model"]);
    assert_says(&outcome, &["empty", "behaviors.parquet"]);
    assert_eq!(everything(home.path()), before, "no half of a model is left");
}

#[test]
fn a_broken_model_folder() {
    let home = Home::new();
    newsroom::model(&home.at("model"));
    let weights = home.at("model/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let outcome = home.run(&["process"]);
    assert_says(&outcome, &["model.safetensors"]);
}

#[test]
fn a_configuration_that_is_none() {
    let home = Home::new();
    assert_says(
        &home.run(&["check", "--config", "nowhere.toml"]),
        &["nowhere.toml", "there is no such file"],
    );
    fs::write(home.at("wrong.toml"), "colour = \"red\"\n").unwrap();
    assert_says(&home.run(&["check", "--config", "wrong.toml"]), &["colour"]);
    let outcome = home.run(&["process", "--window", "soon"]);
    assert_says(&outcome, &["soon", "5s"]);
    let wrong = Home::new().with("WINDOW__MAX_RECORDS", "many");
    assert_says(&wrong.run(&["check"]), &["MAX_RECORDS", "many"]);
}

#[test]
fn wrong_usage_has_status_two() {
    let home = Home::new();
    for command in [
        ["no-such-command"].as_slice(),
        &[],
        &["index"],
        &["run", "--no-such-flag"],
        &["simulate", "--data", "x", "--rate", "fast"],
        &["inspect", "article", "x"],
    ] {
        let outcome = home.run(command);
        assert_eq!(outcome.status, Some(2), "{outcome}");
        assert!(outcome.stderr.contains("Usage") || outcome.stderr.contains("--help"), "{outcome}");
    }
    assert_eq!(home.run(&["--help"]).status, Some(0));
    assert!(everything(home.path()).is_empty(), "wrong usage touches nothing");
}

/// A command over edges of which the second cannot be had leaves nothing behind that the next start minds.
#[test]
fn what_failed_at_the_second_edge_starts_well_later() {
    let home = Home::new();
    let dead = format!("redis://127.0.0.1:{}/0", free_port());
    assert_eq!(home.run(&["process", "--state", &dead]).status, Some(1));
    let mut program = Program::spawn(home.command(&["process"]));
    program.wait_for("processing namespace main");
    assert_eq!(program.terminate().0, Some(0));
}
