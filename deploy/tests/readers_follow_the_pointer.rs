//! `live` is a pointer, and readers follow it: `namespace promote` changes what they see at once, under load, without one failed request.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use abovefold_models::ModelFolder;
use abovefold_schemas::Timestamp;
use common::{
    Home, http, newsroom,
    program::{Program, eventually},
    say,
    servers::Server,
    skip,
};
use serde_json::{Value, json};

/// Requests a second, all clients together.
const RATE: u32 = 100;
const CLIENTS: u32 = 4;

/// An answer as a client had it.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    status: u16,
    namespace: String,
    reads: u64,
}

/// Clients that ask for slates until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Seen>>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: u32| {
            let (address, stop) = (address.to_owned(), stop.clone());
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                let started = Instant::now();
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let due = started + Duration::from_secs(1) * (turn * CLIENTS + number) / RATE;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let answer = http::post(&address, "/recommend", &json!({"user_id": "1", "k": 5}));
                    let state =
                        if answer.status == 200 { answer.json()["state"].clone() } else { Value::Null };
                    seen.push(Seen {
                        at: Instant::now(),
                        status: answer.status,
                        namespace: state["namespace"].as_str().unwrap_or_default().to_owned(),
                        reads: state["reads"].as_u64().unwrap_or_default(),
                    });
                }
                seen
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, clients }
    }

    fn end(self) -> Vec<Vec<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).collect()
    }
}

fn lag(home: &Home, namespace: &str) -> u64 {
    home.json(&["inspect", "lag", "--json", "--namespace", namespace])["lag"].as_u64().unwrap()
}

fn wait_for_lag(home: &Home, namespace: &str) {
    eventually("the lag is 0", || (lag(home, namespace) == 0).then_some(()));
}

/// The places of a namespace's markers, as `--from` takes them.
fn place(home: &Home, namespace: &str) -> String {
    let digest = home.digest(namespace);
    let offsets = digest["offsets"].as_array().unwrap().iter().enumerate();
    offsets.map(|(partition, offset)| format!("{partition}:{offset}")).collect::<Vec<_>>().join(",")
}

fn live(home: &Home) -> Value {
    let all = home.json_lines(&["namespace", "list", "--json"]);
    all.into_iter().find(|namespace| namespace["live"] == true).unwrap()["name"].clone()
}

/// Promotes `green` and then `main` again under load, and looks at what each client saw. The lag of both is 0.
fn promote_there_and_back(home: &Home, address: &str, what: &str) {
    let load = Load::start(address);
    let mut slowest = Duration::ZERO;
    let mut asked = Vec::new();
    for name in ["green", "main"] {
        // Some answers come from where the pointer is now.
        let wait = Instant::now();
        eventually("requests are under way", || (wait.elapsed() > Duration::from_millis(700)).then_some(()));
        let begun = Instant::now();
        let said = home.done(&["namespace", "promote", name]);
        assert!(said.contains("readers see it now"), "{said}");
        let promoted = Instant::now();
        eventually("readers see it", || {
            let answer = http::post(address, "/recommend", &json!({"user_id": "1"})).json();
            (answer["state"]["namespace"] == name).then_some(())
        });
        slowest = slowest.max(promoted.elapsed());
        assert_eq!(http::get(address, "/health").json()["namespace"], name);
        asked.push(begun);
    }
    let wait = Instant::now();
    eventually("requests are under way", || (wait.elapsed() > Duration::from_millis(300)).then_some(()));
    let clients = load.end();
    let all: Vec<&Seen> = clients.iter().flatten().collect();
    let failed: Vec<_> = all.iter().filter(|seen| seen.status != 200).collect();
    assert!(failed.is_empty(), "of {} requests these failed: {failed:?}", all.len());
    for seen in &clients {
        // Each client sees one namespace, then the other, then the first again, and never between.
        let mut names: Vec<&str> = seen.iter().map(|seen| seen.namespace.as_str()).collect();
        names.dedup();
        assert_eq!(names, ["main", "green", "main"]);
        let reads = |name: &str| {
            let mut reads: Vec<u64> =
                seen.iter().filter(|seen| seen.namespace == name).map(|seen| seen.reads).collect();
            reads.dedup();
            reads
        };
        let (in_main, in_green) = (reads("main"), reads("green"));
        assert_eq!((in_main.len(), in_green.len()), (1, 1), "{in_main:?} {in_green:?}");
        assert!(in_green[0] < in_main[0], "green begins later: it knows fewer reads of the reader");
        assert!(seen.iter().filter(|seen| seen.at < asked[0]).all(|seen| seen.namespace == "main"));
    }
    say(&format!(
        "{what}: {} requests at {RATE}/s over two promotions, 0 failed; seen {} ms after the command ended, at the latest",
        all.len(),
        slowest.as_millis()
    ));
    assert!(slowest < Duration::from_secs(2), "readers see it at once, not after {slowest:?}");
}

#[test]
fn promote_changes_answers_at_once_and_fails_no_request() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    newsroom::data_folder(&home.at("data"), 60, 5, 300, 5);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);
    home.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "200"]);
    wait_for_lag(&home, "main");
    let from = place(&home, "main");
    home.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "150"]);
    let until = eventually("the log's time moves on", || {
        let now = Timestamp(chrono::Utc::now().timestamp_millis());
        Some(now.to_rfc3339()).filter(|_| lag(&home, "main") == 0)
    });
    home.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "50"]);

    // Built up to a moment, it is shown by nobody but who names it; followed, it comes up to date.
    let said = home.done(&["replay", "--namespace", "green", "--from", &from, "--until", &until]);
    assert!(said.contains("150 records replayed into green"), "{said}");
    let refused = home.run(&["namespace", "promote", "green"]);
    assert_eq!((refused.status, refused.error_line().contains("past moment")), (Some(1), true), "{refused}");
    let follow = Program::spawn(home.command(&["replay", "--namespace", "green", "--follow"]));
    wait_for_lag(&home, "green");
    wait_for_lag(&home, "main");
    promote_there_and_back(&home, &address, "embedded");
    assert_eq!(live(&home), "main");

    // A namespace that is named does not move with the pointer, and both go on being folded.
    let event = json!({"user_id": "1", "article_id": 5});
    let accepted = http::post(&address, "/event", &event).json();
    let slate =
        http::post(&address, "/recommend", &json!({"user_id": "1", "after": accepted["after"]})).json();
    assert_eq!((&slate["fresh"], &slate["state"]["namespace"]), (&json!(true), &json!("main")));
    wait_for_lag(&home, "green");
    home.done(&["namespace", "promote", "green"]);
    let slate = eventually("green is seen", || {
        let request = json!({"user_id": "1", "after": accepted["after"]});
        let slate = http::post(&address, "/recommend", &request).json();
        (slate["state"]["namespace"] == "green").then_some(slate)
    });
    assert_eq!(slate["fresh"], true, "the token of the log holds for every namespace of it");
    assert_eq!(program.terminate().0, Some(0));
    drop(follow);
}

/// Where `live` was made with a model that this process does not have, readers go on seeing what they saw, until the model is there.
#[test]
fn a_namespace_of_another_model_is_seen_once_its_model_is_there() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    newsroom::data_folder(&home.at("data"), 20, 5, 60, 5);
    newsroom::model(&home.at("model"));
    ModelFolder::untrained(8).save(&home.at("next")).unwrap();
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);
    home.done(&["simulate", "--data", "data", "--rate", "0"]);
    wait_for_lag(&home, "main");
    home.done(&["replay", "--namespace", "green", "--model", "next"]);
    home.done(&["namespace", "promote", "green"]);
    let health = eventually("it is degraded", || {
        let health = http::get(&address, "/health").json();
        (health["status"] == "degraded").then_some(health)
    });
    assert_eq!(health["namespace"], "main");
    let reason = health["reason"].as_str().unwrap();
    assert!(reason.contains("green") && reason.contains("session model"), "{reason}");
    let slate = http::post(&address, "/recommend", &json!({"user_id": "1"})).json();
    assert_eq!((&slate["state"]["namespace"], &slate["served_by"]), (&json!("main"), &json!("reranker")));
    // The new version is put where the old one was.
    ModelFolder::untrained(8).save(&home.at("model")).unwrap();
    let health = eventually("it is well again", || {
        let health = http::get(&address, "/health").json();
        (health["status"] == "ok").then_some(health)
    });
    assert_eq!((&health["namespace"], &health["reason"]), (&json!("green"), &Value::Null));
    let slate = http::post(&address, "/recommend", &json!({"user_id": "1"})).json();
    assert_eq!((&slate["state"]["namespace"], &slate["served_by"]), (&json!("green"), &json!("reranker")));
    assert_eq!(program.terminate().0, Some(0));
}

#[test]
fn over_kafka_and_redis() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?));
    let (kafka, redis) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip("over_kafka_and_redis", &reason),
    };
    // Two machines with articles of their own, over the same log and state.
    let home = || {
        Home::new()
            .with("WINDOW__LENGTH", "50ms")
            .with("LOG", format!("kafka://127.0.0.1:{}", kafka.port))
            .with("STATE", format!("redis://127.0.0.1:{}/0", redis.port))
    };
    let (here, there) = (home(), home());
    newsroom::data_folder(&here.at("data"), 30, 5, 200, 5);
    let mut program = Program::spawn(here.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    here.done(&["index", "--data", "data", "--wait"]);
    here.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "100"]);
    wait_for_lag(&here, "main");
    let from = place(&here, "main");
    here.done(&["simulate", "--data", "data", "--rate", "0"]);
    let mut follow =
        Program::spawn(there.command(&["replay", "--namespace", "green", "--from", &from, "--follow"]));
    follow.wait_for("200 records replayed into green");
    wait_for_lag(&here, "main");
    promote_there_and_back(&here, &address, "Kafka and Redis");
    for program in [program, follow] {
        let (status, said) = program.terminate();
        assert_eq!(status, Some(0), "{}", said.join("\n"));
    }
}
