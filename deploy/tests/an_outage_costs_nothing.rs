//! Log and state away, hanging, read-only, out of memory, while events flow: the program says so (`/health`), waits, and goes on by itself when it is over.
//! The state ends with the bytes that it has where nothing happened.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::time::{Duration, Instant};

use common::{
    http,
    pipeline::{Pipeline, count, end},
    program::eventually,
    say,
    servers::{Server, redis_cli},
    skip,
};
use serde_json::{Value, json};

const PAUSE: Duration = Duration::from_millis(20);

/// What a program says of itself.
fn health(address: &str) -> Value {
    http::get(address, "/health").json()
}

/// Waits until an edge is said to be down, with a reason that holds some words, and everything else goes on.
fn is_degraded(address: &str, edge: &str, words: &[&str]) -> String {
    eventually(&format!("{edge} is said to be down"), || {
        let health = health(address);
        let detail = health["edges"][edge]["detail"].as_str().unwrap().to_owned();
        let down = health["status"] == "degraded" && health["edges"][edge]["status"] != "ok";
        (down && (words.is_empty() || words.iter().any(|word| detail.contains(word)))).then_some(detail)
    })
}

fn is_well(address: &str) {
    eventually("all is well again", || (health(address)["status"] == "ok").then_some(()));
}

#[test]
fn what_goes_away_comes_back_and_nothing_is_lost() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip("what_goes_away_comes_back_and_nothing_is_lost", &reason),
    };
    let started = Instant::now();
    let state_url = format!("redis://127.0.0.1:{}/0", redis.port);
    let mut pipeline = Pipeline::new("outage", kafka.port, &state_url).with_model();
    let (outside, home) = (pipeline.home(), pipeline.home());
    let (program, address) = pipeline.run(&home);
    let feeder = pipeline.feed(pipeline.stream(51, 20_000), PAUSE);
    is_well(&address);
    let redis_says = |words: &[&str]| redis_cli(redis.port, 0, words);
    let mut said = Vec::new();

    redis.kill();
    said.push(is_degraded(&address, "state", &[]));
    redis.start_again().unwrap();
    is_well(&address);
    pipeline.catches_up();

    redis.signal("", "STOP");
    said.push(is_degraded(&address, "state", &["no answer", "timed out"]));
    redis.signal("", "CONT");
    is_well(&address);
    pipeline.catches_up();

    redis_says(&["replicaof", "127.0.0.1", "1"]);
    said.push(is_degraded(&address, "state", &["slave", "primary", "read only", "READONLY"]));
    redis_says(&["replicaof", "no", "one"]);
    is_well(&address);
    pipeline.catches_up();

    redis_says(&["config", "set", "maxmemory", "1mb"]);
    said.push(is_degraded(&address, "state", &["memory"]));
    redis_says(&["config", "set", "maxmemory", "0"]);
    is_well(&address);
    pipeline.catches_up();

    kafka.stop();
    said.push(is_degraded(&address, "log", &[]));
    kafka.start_again().unwrap();
    is_well(&address);
    let event = json!({"user_id": "after all", "article_id": 1});
    eventually("events are taken again", || {
        (http::post(&address, "/event", &event).status == 202).then_some(())
    });
    pipeline.catches_up();

    feeder.stop();
    let checked = pipeline.check(&outside);
    let lines = end(program);
    say(&format!(
        "outages: Redis killed, hanging, read-only, out of memory, Kafka restarted; {} records, {} lines of waiting, digest equal, {:.0} s",
        checked.records,
        count(&lines, "WARN"),
        started.elapsed().as_secs_f64()
    ));
    for detail in said {
        say(&format!("  health said: {detail}"));
    }
}
