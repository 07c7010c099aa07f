//! A kept value that is none: its partition stands still and says so, the others go on, and the state is rebuilt from the log by command.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use abovefold_engine::log::partition_of;
use common::{
    Home, http,
    program::{Program, eventually},
    servers::{Server, redis_cli},
    skip,
};
use serde_json::{Value, json};

fn run(home: &Home) -> (Program, String) {
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    (program, address)
}

fn read(address: &str, reader: &str, article: i64) -> Value {
    let answer = http::post(address, "/event", &json!({"user_id": reader, "article_id": article}));
    assert_eq!(answer.status, 202);
    answer.json()["after"].clone()
}

fn slate(address: &str, reader: &str, after: &Value) -> Value {
    http::post(address, "/recommend", &json!({"user_id": reader, "after": after})).json()
}

#[test]
fn a_value_that_does_not_parse_stops_its_partition() {
    let redis = match Server::redis() {
        Ok(redis) => redis,
        Err(reason) => return skip("a_value_that_does_not_parse_stops_its_partition", &reason),
    };
    let home = Home::new()
        .with("WINDOW__LENGTH", "20ms")
        .with("STATE", format!("redis://127.0.0.1:{}/0", redis.port));
    let home_of = |reader: &str| partition_of(reader.as_bytes(), 4);
    let other = (0..).map(|n| format!("other-{n}")).find(|other| home_of(other) != home_of("ann")).unwrap();
    let (program, address) = run(&home);
    let (of_ann, of_other) = (read(&address, "ann", 1), read(&address, &other, 1));
    assert_eq!(slate(&address, "ann", &of_ann)["fresh"], true);
    assert_eq!(slate(&address, &other, &of_other)["fresh"], true);
    assert_eq!(program.terminate().0, Some(0));

    // The first byte after the version names the value's format.
    let key = format!("{{main:{}}}:v:r/ann", home_of("ann"));
    redis_cli(redis.port, 0, &["SETRANGE", &key, "8", "c"]);
    let (mut program, address) = run(&home);
    let of_ann = read(&address, "ann", 2);
    let line = program.wait_for("stands still");
    assert!(line.contains(&format!("main:{}", home_of("ann"))) && line.contains("reader state"), "{line}");
    assert!(line.contains("abovefold replay"), "it says how to mend it: {line}");
    let of_other = read(&address, &other, 2);
    let seen = slate(&address, &other, &of_other);
    assert_eq!((&seen["fresh"], &seen["state"]["reads"]), (&json!(true), &json!(2)), "the others go on");
    assert_eq!(slate(&address, "ann", &of_ann)["fresh"], false);

    // The log has it all.
    home.done(&["replay", "--namespace", "green"]);
    let promoted = home.run(&["namespace", "promote", "green"]);
    assert_eq!(promoted.status, Some(0), "{promoted}");
    let seen = eventually("readers see the rebuild", || {
        let seen = slate(&address, "ann", &of_ann);
        (seen["state"]["namespace"] == "green").then_some(seen)
    });
    assert_eq!((&seen["fresh"], &seen["state"]["reads"]), (&json!(true), &json!(2)));
    program.terminate();
    let (program, address) = run(&home);
    let of_ann = read(&address, "ann", 3);
    assert_eq!(slate(&address, "ann", &of_ann)["state"]["reads"], 3, "and it is folded on");
    assert_eq!(program.terminate().0, Some(0));
}
