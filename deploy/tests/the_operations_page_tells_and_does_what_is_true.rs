//! What the operations page stands on, asked of a running program: its numbers, live; a worker that rests; dead letters; the time machine.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::time::Duration;

use abovefold_engine::{
    Runtime,
    log::{LogSettings, NewRecord, open},
};
use abovefold_schemas::{
    ArticleId, Kept, Timestamp,
    records::DeadLetter,
    tables::{ArticleRow, EventRow, TableWriter, VectorRow},
};
use common::{
    Home, http,
    newsroom::{self, read_event},
    program::{Program, eventually},
};
use serde_json::{Value, json};

const PARTITIONS: u32 = 4;
/// An article that is published while the test runs.
const NEW: i64 = 999;

fn home() -> Home {
    Home::new().with("WINDOW__LENGTH", "20ms")
}

fn run(home: &Home) -> (Program, String) {
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    (program, address)
}

/// The events of a stream that ends by itself: names and data.
fn events(address: &str, query: &str) -> Vec<(String, Value)> {
    let answer = http::get(address, &format!("/admin/live?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.to_lowercase().contains("content-type: text/event-stream"), "{}", answer.head);
    let event = |text: &str| {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let data = field("data:")?;
        Some((field("event:")?.to_owned(), serde_json::from_str(data).unwrap()))
    };
    answer.body.split("\n\n").filter_map(event).collect()
}

/// The last of a few snapshots.
fn snapshot(address: &str) -> Value {
    let (name, data) = events(address, "every_ms=100&limit=2").pop().unwrap();
    assert_eq!(name, "snapshot");
    data
}

fn lag(address: &str) -> f64 {
    snapshot(address)["series"]["lag"].as_f64().unwrap_or(f64::INFINITY)
}

fn read(address: &str, reader: &str, article: i64) {
    let event: Value = serde_json::from_str(&read_event(reader, article, 30)).unwrap();
    assert_eq!(http::post(address, "/event", &event).status, 202);
}

fn wait_until_folded(address: &str) {
    eventually("the lag is 0", || (lag(address) == 0.0).then_some(()));
}

#[test]
fn its_numbers_are_live_and_a_worker_that_rests_falls_behind() {
    let home = home();
    let (program, address) = run(&home);
    for article in 1..=20 {
        read(&address, &article.to_string(), article);
    }
    wait_until_folded(&address);
    http::post(&address, "/recommend", &json!({"user_id": "1"}));

    let events = events(&address, "every_ms=100&limit=15");
    let (name, history) = &events[0];
    assert_eq!((name.as_str(), events.len()), ("history", 16));
    let graphs = history["graphs"].as_array().unwrap();
    let names: Vec<&str> = graphs.iter().map(|graph| graph["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["write", "intake", "articles", "learner", "query"]);
    let points = history["at_ms"].as_array().unwrap().len();
    assert!(points > 0 && history["series"]["lag"].as_array().unwrap().len() == points, "{history}");
    let last = &events[15].1;
    assert!(events[1..].windows(2).all(|pair| pair[0].1["seq"].as_u64() < pair[1].1["seq"].as_u64()));
    for (graph, flow) in graphs.iter().zip(last["flows"].as_array().unwrap()) {
        assert_eq!(graph["name"], flow["name"]);
        assert_eq!(graph["edges"].as_array().unwrap().len(), flow["edges"].as_array().unwrap().len());
    }
    let edges = last["flows"][0]["edges"].as_array().unwrap();
    for edge in edges {
        assert!(edge["rows"].as_u64().unwrap() >= 20 && edge["capacity"].as_u64() == Some(16), "{edge}");
    }
    assert_eq!(last["partitions"].as_array().unwrap().len() as u32, PARTITIONS);
    assert!(
        last["partitions"][0]["watermark"].is_string() && last["edges"]["log"]["status"] == "ok",
        "{last}"
    );
    assert_eq!((&last["works"], &last["namespaces"][0]["kind"]), (&json!(true), &json!("live")));
    let routes = last["http"]["routes"].as_array().unwrap();
    assert!(
        routes.iter().any(|route| route["route"] == "/event" && route["p50_ms"].is_number()),
        "{routes:?}"
    );
    assert!(last["served_by"].as_array().unwrap().iter().any(|path| path["total"] == 1), "{last}");

    assert_eq!(http::request(&address, "POST", "/admin/worker/pause", None).json(), json!({"paused": true}));
    let health = http::get(&address, "/health").json();
    assert_eq!((&health["paused"], &health["status"]), (&json!(true), &json!("degraded")), "{health}");
    for article in 1..=20 {
        read(&address, &article.to_string(), article + 1);
    }
    eventually("the lag rises", || (lag(&address) == 20.0).then_some(()));
    // Longer than any window.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((lag(&address), &snapshot(&address)["paused"]), (20.0, &json!(true)));
    assert_eq!(
        http::request(&address, "POST", "/admin/worker/resume", None).json(),
        json!({"paused": false})
    );
    wait_until_folded(&address);
    assert_eq!(http::get(&address, "/health").json()["paused"], false);
    assert_eq!(program.terminate().0, Some(0));
}

/// Appends to the embedded log of a home that nobody owns.
fn append(home: &Home, topic: &str, records: Vec<NewRecord>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = open(&format!("file:{}", home.at("log").display()), &LogSettings::default()).unwrap();
    runtime.block_on(async {
        log.create_topic(topic, PARTITIONS).await.unwrap();
        log.append(topic, records).await.unwrap();
    });
}

#[test]
fn dead_letters_are_listed_shown_and_put_back() {
    let home = home();
    append(&home, "user_events", vec![NewRecord::keyed("x", "no event <b>at all</b>")]);
    // One that is an event by now: an earlier program did not understand it.
    let letter = DeadLetter {
        topic: "user_events".into(),
        partition: 3,
        offset: 1_000_000,
        value: read_event("ann", 5, 30).into_bytes(),
        reason: "was not understood".into(),
        ..DeadLetter::default()
    };
    let id = letter.id();
    append(&home, "dead_letters", vec![NewRecord::keyed("x", letter.to_kept())]);
    let (program, address) = run(&home);
    let list = || http::get(&address, "/admin/dead-letters").json();
    let letters = eventually("both letters are there", || {
        let list = list();
        (list["total"] == 2).then_some(list)
    });
    let other =
        letters["letters"].as_array().unwrap().iter().find(|letter| letter["id"] != id.as_str()).unwrap();
    let shown = http::get(&address, &format!("/admin/dead-letters/{}", other["id"].as_str().unwrap())).json();
    assert_eq!((&shown["value"], &shown["key"]), (&json!("no event <b>at all</b>"), &json!("x")));
    assert_eq!(letters["reasons"].as_array().unwrap().len(), 2, "{letters}");
    assert_eq!(
        http::get(&address, "/admin/dead-letters?limit=1").json()["letters"].as_array().unwrap().len(),
        1
    );

    let put_back = |wish: Value| http::post(&address, "/admin/dead-letters/put-back", &wish);
    assert_eq!(put_back(json!({"ids": [id, "user_events-0-77"]})).status, 404);
    assert_eq!(put_back(json!({})).status, 422);
    assert_eq!(put_back(json!({"ids": [id]})).json(), json!({"put_back": 1, "still_dead": 0}));
    assert_eq!(put_back(json!({"all": true})).json(), json!({"put_back": 1, "still_dead": 1}));
    eventually("it is counted", || {
        let letters = list();
        let back = letters["letters"].as_array().unwrap().iter().find(|letter| letter["id"] == id.as_str());
        (back.unwrap()["put_back"] == true).then_some(())
    });
    wait_until_folded(&address);
    assert_eq!(
        home.json(&["inspect", "reader", "ann", "--json"])["total_reads"],
        1,
        "put back twice, it counts once"
    );
    assert_eq!(program.terminate().0, Some(0));
}

/// A data folder with one article that was published at this moment.
fn publish(home: &Home, name: &str) {
    let folder = home.at(name);
    std::fs::create_dir_all(&folder).unwrap();
    let row = ArticleRow {
        article_id: ArticleId(NEW),
        title: "News".into(),
        category: "World".into(),
        published_time: Runtime::real().now(),
        ..ArticleRow::default()
    };
    TableWriter::write_file(folder.join("articles.parquet"), &[row]).unwrap();
    let vector = VectorRow { article_id: ArticleId(NEW), vector: newsroom::vector(NEW) };
    TableWriter::write_file(folder.join("contrastive_vector.parquet"), &[vector]).unwrap();
    // Without reads, but a data folder.
    TableWriter::<EventRow>::write_file(folder.join("events.parquet"), &[]).unwrap();
    home.done(&["index", "--data", &folder.display().to_string(), "--wait"]);
}

fn ids(slate: &Value) -> Vec<i64> {
    let cards = slate["recommendations"].as_array().unwrap();
    cards.iter().map(|card| card["article_id"].as_i64().unwrap()).collect()
}

fn machines(home: &Home) -> usize {
    let namespaces = home.json_lines(&["namespace", "list", "--json"]);
    namespaces
        .iter()
        .filter(|namespace| namespace["name"].as_str().unwrap().starts_with("time-machine-"))
        .count()
}

/// Waits for the time machine of this moment.
fn travel(address: &str, until: &str) -> String {
    let begun = http::post(address, "/admin/time-machine", &json!({"until": until}));
    assert_eq!(begun.status, 202, "{begun:?}");
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    eventually("the past is rebuilt", || {
        let list = http::get(address, "/admin/time-machine").json();
        let machine =
            list["machines"].as_array().unwrap().iter().find(|machine| machine["id"] == id.as_str());
        let machine = machine.unwrap();
        assert_ne!(machine["state"], "failed", "{machine}");
        (machine["state"] == "ready").then_some(())
    });
    id
}

#[test]
fn the_time_machine_shows_a_past_front_page_and_touches_nothing() {
    let home = home();
    let data = home.at("data");
    std::fs::create_dir_all(&data).unwrap();
    newsroom::data_folder(&data, 30, 5, 10, 1);
    let (program, address) = run(&home);
    home.done(&["index", "--data", &data.display().to_string(), "--wait"]);
    let before_all = Runtime::real().now().to_rfc3339();
    std::thread::sleep(Duration::from_millis(5));
    (1..=5).for_each(|article| read(&address, "ann", article));
    wait_until_folded(&address);
    std::thread::sleep(Duration::from_millis(5));
    let moment = Runtime::real().now();
    std::thread::sleep(Duration::from_millis(5));
    publish(&home, "later");
    (6..=9).for_each(|article| read(&address, "ann", article));
    read(&address, "bob", NEW);
    wait_until_folded(&address);
    let digest = home.digest("main");
    let shown = || home.done(&["sql", "SELECT count(*) AS n FROM impressions"]);
    let shown_before = shown();

    let id = travel(&address, &moment.to_rfc3339());
    let slate = |query: &str| http::get(&address, &format!("/admin/time-machine/slate?{query}"));
    let past = slate("user_id=carl&k=40").json();
    let now = slate("user_id=carl&k=40&id=live").json();
    assert_eq!((&past["id"], &past["until"]), (&json!(id), &json!(moment.to_rfc3339())));
    assert!(ids(&now).contains(&NEW) && !ids(&past).contains(&NEW), "{past} {now}");
    assert_eq!(ids(&past).len() + 1, ids(&now).len());
    assert_eq!(slate("user_id=ann").json()["state"]["reads"], 5);
    assert_eq!(slate("user_id=ann&id=live").json()["state"]["reads"], 9);
    assert_eq!(slate("user_id=bob").json()["state"]["reads"], 0);
    assert_eq!(slate("user_id=bob&id=nothing").status, 404);
    assert_eq!(home.digest("main"), digest, "the live namespace is what it was");
    assert_eq!(shown(), shown_before, "nobody was shown anything");

    assert_eq!(travel(&address, &moment.to_rfc3339()), id, "it is there already");
    // Nothing had been read yet: nothing can be said of that front page.
    let empty = travel(&address, &before_all);
    assert_eq!(slate(&format!("user_id=ann&id={empty}")).status, 409);
    let third = travel(&address, &Timestamp(moment.0 + 1).to_rfc3339());
    eventually("a third takes the place of another", || (machines(&home) == 2).then_some(()));
    assert_eq!(http::get(&address, "/admin/namespaces").json()["live"], "main");
    let promoted = http::request(&address, "POST", &format!("/admin/namespaces/{third}/promote"), None);
    assert_eq!(promoted.status, 409, "{promoted:?}");
    assert_eq!(http::request(&address, "DELETE", &format!("/admin/time-machine/{third}"), None).status, 204);
    eventually("it is dropped", || (machines(&home) == 1).then_some(()));

    program.kill();
    let (program, _) = run(&home);
    eventually("what was left behind is dropped", || (machines(&home) == 0).then_some(()));
    assert_eq!(home.digest("main"), digest);
    assert_eq!(program.terminate().0, Some(0));
}
