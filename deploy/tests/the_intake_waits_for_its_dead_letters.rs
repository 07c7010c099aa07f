//! Dead letters over a real Kafka: listed, shown, put back and counted once. And while their topic is gone, the intake waits: the fold goes on,
//! the intake's marker stands still, and nothing is dropped.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::collections::BTreeSet;

use abovefold_engine::log::NewRecord;
use abovefold_schemas::{Kept, records::DeadLetter};
use common::{
    Home,
    newsroom::read_event,
    pipeline::{Pipeline, end},
    program::eventually,
    say,
    servers::{Server, kafka_tool},
    skip,
    stream::{PARTITIONS, ends},
};
use serde_json::Value;

fn letters(home: &Home) -> Vec<Value> {
    home.json_lines(&["dead-letters", "list", "--json"])
}

fn reads(home: &Home, reader: &str) -> Option<u64> {
    let outcome = home.run(&["inspect", "reader", reader, "--json"]);
    let state: Value = serde_json::from_str(&outcome.stdout).ok()?;
    state["total_reads"].as_u64()
}

#[test]
fn letters_are_listed_shown_put_back_and_waited_for() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip("letters_are_listed_shown_put_back_and_waited_for", &reason),
    };
    let mut pipeline = Pipeline::new("letters", kafka.port, &format!("redis://127.0.0.1:{}/0", redis.port));
    let (outside, home) = (pipeline.home(), pipeline.home());
    let topic = pipeline.topic("dead_letters");
    let poison = |number: u32| NewRecord {
        partition: Some(number % PARTITIONS),
        ..NewRecord::keyed(format!("poison-{number}"), "no event")
    };
    let mut worker = pipeline.worker(&home);
    pipeline.append((0..3).map(poison).collect());
    pipeline.append(pipeline.stream(61, 60));
    let checked = pipeline.check(&outside);
    assert!(checked.letters >= 3, "{checked:?}");

    // One that an older program wrote, which knew less: today it is an event, and counts once however often it is put back.
    let letter = DeadLetter {
        topic: pipeline.events(),
        partition: 1,
        offset: 7_777,
        time: 1_704_067_200_000,
        key: None,
        value: read_event("late", 5, 20).into_bytes(),
        reason: "an older program did not know it".into(),
    };
    let id = letter.id();
    let record = NewRecord::keyed(id.clone(), letter.to_kept());
    pipeline.block_on(pipeline.log.append(&topic, vec![record])).unwrap();
    assert!(letters(&outside).iter().any(|letter| letter["id"] == id.as_str()));
    let shown = outside.json(&["dead-letters", "show", &id, "--json"]);
    assert_eq!(shown["reason"], "an older program did not know it");
    for _ in 0..3 {
        assert_eq!(outside.done(&["dead-letters", "put-back", &id]), "1 put back\n");
    }
    pipeline.settle();
    assert_eq!(reads(&outside, "late"), Some(1));

    // The topic is deleted. What comes then is folded, and waits for the intake.
    let before = pipeline.settle();
    kafka_tool("kafka-topics.sh", kafka.port, &["--delete", "--topic", &topic]);
    eventually("the topic is gone", || {
        (!kafka_tool("kafka-topics.sh", kafka.port, &["--list"]).lines().any(|name| name == topic))
            .then_some(())
    });
    pipeline.append((10..14).map(poison).collect());
    let wanted = pipeline.block_on(ends(pipeline.log.as_ref(), &pipeline.events()));
    worker.wait_for(&format!("append to topic {topic}"));
    eventually("the fold goes on", || (pipeline.markers("main").as_ref() == Some(&wanted)).then_some(()));
    assert_eq!(pipeline.markers("intake"), Some(before), "the intake stands still");
    let (waiting, shown) = (wanted.clone(), outside.run(&["dead-letters", "list"]));
    assert_eq!(shown.status, Some(0), "the next command makes the topic that is missing: {shown}");

    // It is there again, and the intake goes on by itself.
    let end_of_log = pipeline.settle();
    assert_eq!(end_of_log, waiting, "nothing was a stray");
    let found: BTreeSet<String> = letters(&outside)
        .iter()
        .map(|letter| {
            let shown = outside.json(&["dead-letters", "show", letter["id"].as_str().unwrap(), "--json"]);
            shown["key"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(found, (10..14).map(|number| format!("poison-{number}")).collect(), "nothing was dropped");
    end(worker);
    say(&format!(
        "dead letters over Kafka: {} listed, 1 put back 3 times counts once, 4 waited for their topic; {} records",
        checked.letters,
        end_of_log.iter().sum::<u64>()
    ));
}
