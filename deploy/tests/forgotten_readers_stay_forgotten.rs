//! The front page as it was: a replay up to a past moment stands there, is shown as it is, and knows nothing of a reader who asked to be
//! forgotten since.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use common::{
    Home, http,
    program::{Program, eventually},
};
use serde_json::{Value, json};

fn home() -> Home {
    Home::new().with("WINDOW__LENGTH", "20ms")
}

fn run(home: &Home, further: &[&str]) -> (Program, String) {
    let mut program = Program::spawn(home.command(&[&["run", "--listen", "127.0.0.1:0"], further].concat()));
    let address = program.address();
    (program, address)
}

fn send(address: &str, event: &Value) {
    assert_eq!(http::post(address, "/event", event).status, 202, "{event}");
}

fn read(reader: &str, article: i64) -> Value {
    json!({"user_id": reader, "article_id": article, "read_time": 30})
}

fn wait_for_lag(home: &Home) {
    eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
}

fn place(home: &Home, namespace: &str) -> String {
    let digest = home.digest(namespace);
    let offsets = digest["offsets"].as_array().unwrap().iter().enumerate();
    offsets.map(|(partition, offset)| format!("{partition}:{offset}")).collect::<Vec<_>>().join(",")
}

fn total_reads(home: &Home, namespace: &str, reader: &str) -> Option<u64> {
    let outcome = home.run(&["inspect", "reader", reader, "--json", "--namespace", namespace]);
    let state =
        (outcome.status == Some(0)).then(|| serde_json::from_str::<Value>(&outcome.stdout).unwrap())?;
    state["total_reads"].as_u64()
}

fn active(address: &str) -> Vec<String> {
    let readers = http::get(address, "/users/active").json();
    let mut names: Vec<String> = readers
        .as_array()
        .unwrap()
        .iter()
        .map(|reader| reader["user_id"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn record(home: &Home, name: &str) -> Value {
    let all = home.json_lines(&["namespace", "list", "--json"]);
    all.into_iter().find(|namespace| namespace["name"] == name).unwrap()
}

#[test]
fn a_past_that_is_shown_knows_nothing_of_who_is_forgotten_since() {
    let home = home();
    let (program, address) = run(&home, &[]);
    for article in 1..=5 {
        ["ann", "bob", "eve"].iter().for_each(|reader| send(&address, &read(reader, article)));
    }
    wait_for_lag(&home);
    let tuesday = place(&home, "main");
    for article in 6..=9 {
        ["ann", "bob"].iter().for_each(|reader| send(&address, &read(reader, article)));
    }
    wait_for_lag(&home);
    let wednesday = place(&home, "main");
    send(&address, &json!({"user_id": "bob", "type": "forget"}));
    // What bob does afterwards is a new reader's, and of no past.
    send(&address, &read("bob", 10));
    wait_for_lag(&home);

    let said = home.done(&["replay", "--namespace", "tuesday", "--until", &tuesday]);
    assert!(said.contains("1 reader who asked to be forgotten since"), "{said}");
    assert_eq!(total_reads(&home, "main", "bob"), Some(1));
    assert_eq!((total_reads(&home, "tuesday", "ann"), total_reads(&home, "tuesday", "bob")), (Some(5), None));
    let digest = home.digest("tuesday");
    // Again, there is nothing left to do; elsewhere, the bytes are the same.
    let said = home.done(&["replay", "--namespace", "tuesday", "--until", &tuesday]);
    assert!(said.contains("0 readers"), "{said}");
    home.done(&["replay", "--namespace", "again", "--until", &tuesday]);
    assert_eq!((home.digest("tuesday"), home.digest("again")), (digest.clone(), digest));
    let listed = record(&home, "tuesday");
    assert!(listed["until"].is_array() && listed["searched"].is_array(), "{listed}");
    assert!(home.done(&["namespace", "list"]).contains(&format!("stands at {tuesday}")));

    // It is no fold of the log any more: nothing goes on from there.
    for further in [&["--until", wednesday.as_str()][..], &["--follow"], &[]] {
        let refused = home.run(&[&["replay", "--namespace", "tuesday"], further].concat());
        assert_eq!(
            (refused.status, refused.error_line().contains("no fold of the log")),
            (Some(1), true),
            "{refused}"
        );
    }
    assert_eq!(program.terminate().0, Some(0));
    let refused = home.run(&["process", "--namespace", "tuesday"]);
    assert_eq!((refused.status, refused.error_line().contains("past moment")), (Some(1), true), "{refused}");

    // The front page as it was. Whoever is forgotten while it is shown goes as well.
    let (program, address) = run(&home, &["--namespace", "tuesday"]);
    assert_eq!(active(&address), ["ann", "eve"]);
    let page = http::get(&address, "/demo/ann").json();
    assert_eq!(page["history"].as_array().unwrap().len(), 5, "{page}");
    assert!(http::get(&address, "/demo/bob").json()["history"].as_array().unwrap().is_empty());
    send(&address, &read("ann", 11));
    send(&address, &json!({"user_id": "eve", "type": "forget"}));
    eventually("eve is forgotten in the past that is shown", || (active(&address) == ["ann"]).then_some(()));
    assert!(http::get(&address, "/demo/eve").json()["history"].as_array().unwrap().is_empty());
    let page = http::get(&address, "/demo/ann").json();
    assert_eq!(page["history"].as_array().unwrap().len(), 5, "nothing is folded on: {page}");
    assert_eq!(program.terminate().0, Some(0));
}

#[test]
fn a_past_from_which_nobody_was_removed_can_be_followed_on() {
    let home = home();
    let (program, address) = run(&home, &[]);
    send(&address, &json!({"user_id": "bob", "type": "forget"}));
    for article in 1..=5 {
        ["ann", "bob"].iter().for_each(|reader| send(&address, &read(reader, article)));
    }
    wait_for_lag(&home);
    let tuesday = place(&home, "main");
    send(&address, &read("ann", 6));
    // Of this one, nothing was known on Tuesday.
    send(&address, &read("dan", 6));
    send(&address, &json!({"user_id": "dan", "type": "forget"}));
    wait_for_lag(&home);
    let said = home.done(&["replay", "--namespace", "tuesday", "--until", &tuesday]);
    assert!(said.contains("0 readers"), "{said}");
    assert_eq!(total_reads(&home, "tuesday", "bob"), Some(5), "who asked before it has a new state");
    let follow = Program::spawn(home.command(&["replay", "--namespace", "tuesday", "--follow"]));
    eventually("it has come up to date", || (home.digest("tuesday") == home.digest("main")).then_some(()));
    assert_eq!(record(&home, "tuesday")["until"], Value::Null);
    home.done(&["namespace", "promote", "tuesday"]);
    assert_eq!(program.terminate().0, Some(0));
    drop(follow);
}

/// Who is forgotten while the log is replayed to its end is not found in the rebuild either, and the rebuild stays a fold of the log.
#[test]
fn a_replay_to_the_end_folds_on_over_wishes_that_came_meanwhile() {
    let home = home();
    let (program, address) = run(&home, &[]);
    for article in 1..=5 {
        ["ann", "bob"].iter().for_each(|reader| send(&address, &read(reader, article)));
    }
    wait_for_lag(&home);
    home.done(&["replay", "--namespace", "green"]);
    assert_eq!(total_reads(&home, "green", "bob"), Some(5));
    send(&address, &json!({"user_id": "bob", "type": "forget"}));
    wait_for_lag(&home);
    home.done(&["replay", "--namespace", "green"]);
    assert_eq!(total_reads(&home, "green", "bob"), None);
    assert_eq!(home.digest("green"), home.digest("main"));
    assert_eq!(program.terminate().0, Some(0));
}
