//! The main job, end to end, over a real Kafka, a real Redis and a real Elasticsearch: events of a client that is not ours change what
//! a reader is recommended.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use common::{
    Home, http, newsroom,
    program::{Program, eventually},
    servers::{Server, kcat, produce, redis_cli},
    skip,
};
use serde_json::{Value, json};

const TEST: &str = "the_front_page_follows_its_reader_over_real_servers";

#[test]
fn the_front_page_follows_its_reader_over_real_servers() {
    let tools = || Ok::<_, String>((kcat()?, Server::kafka()?, Server::redis()?, Server::elasticsearch()?));
    let (kcat, kafka, redis, elasticsearch) = match tools() {
        Ok(tools) => tools,
        Err(reason) => return skip(TEST, &reason),
    };
    let home = Home::new()
        .with("LOG", format!("kafka://127.0.0.1:{}/user_events", kafka.port))
        .with("STATE", format!("redis://127.0.0.1:{}/0", redis.port))
        .with("ARTICLES", format!("http://127.0.0.1:{}/articles", elasticsearch.port));
    newsroom::model(&home.at("model"));
    newsroom::data_folder(&home.at("data"), 200, 20, 0, 1);

    let mut process = Program::spawn(home.command(&["process"]));
    process.wait_for("processing namespace main");
    let indexed = home.done(&["index", "--data", "data", "--wait"]);
    assert!(indexed.contains("200 articles can be found"), "{indexed}");
    let mut serve = Program::spawn(home.command(&["serve", "--listen", "127.0.0.1:0"]));
    let address = serve.address();
    let health = http::get(&address, "/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")), "{health:?}");

    // Readers of a client that is not ours; it places their records as Kafka's own does.
    let mut records = Vec::new();
    for (reader, articles) in [("anna", [4, 8, 12]), ("bert", [5, 9, 13]), ("carl", [6, 10, 14])] {
        records
            .extend(articles.map(|article| (reader.to_owned(), newsroom::read_event(reader, article, 40))));
    }
    produce(&kcat, kafka.port, "user_events", &records);
    let before = eventually("anna's three reads are folded and served by the reranker", || {
        let slate = recommend(&address, json!({"user_id": "anna"}));
        (slate["state"]["reads"] == 3 && slate["served_by"] == "reranker").then_some(slate)
    });
    assert_eq!(ids(&before).len(), 10, "{before}");
    assert!(
        [4, 8, 12].iter().all(|read| !ids(&before).contains(read)),
        "what was read is not shown again: {before}"
    );
    let tag = format!("{{main:{}}}", before["state"]["partition"]);
    let candidates = format!("{tag}:d:r/anna");
    eventually("the candidates are cached in Redis", || exists(&redis, &candidates).then_some(()));

    // One more read, of what stands first, through the program's own door.
    let first = ids(&before)[0];
    let read = json!({"user_id": "anna", "article_id": first, "read_time": 120, "scroll_pct": 100});
    let accepted = http::post(&address, "/event", &read);
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let accepted = accepted.json();
    let after = accepted["after"].as_str().unwrap();
    // The epoch that moved the marker dropped the candidates: nobody asks between the two looks.
    let marker = format!("{tag}:marker");
    let target = accepted["offset"].as_u64().unwrap() + 1;
    eventually("the marker moves past the event", || (marker_of(&redis, &marker) >= target).then_some(()));
    assert!(!exists(&redis, &candidates), "the cached candidates were dropped with the epoch");

    let slate = recommend(&address, json!({"user_id": "anna", "after": after}));
    assert_eq!(
        (slate["fresh"].as_bool(), slate["state"]["reads"].as_u64()),
        (Some(true), Some(4)),
        "{slate}"
    );
    assert_ne!(ids(&slate), ids(&before), "the answer follows the read");
    assert!(!ids(&slate).contains(&first), "the article that was just read is not recommended");
    eventually("new candidates are cached", || exists(&redis, &candidates).then_some(()));

    // A request that names the event waits for it: the window of 5 s is cut short.
    let started = std::time::Instant::now();
    let second = ids(&slate)[0];
    let accepted =
        http::post(&address, "/event", &json!({"user_id": "anna", "article_id": second, "read_time": 60}))
            .json();
    let waited = recommend(&address, json!({"user_id": "anna", "after": accepted["after"]}));
    assert_eq!(
        (waited["fresh"].as_bool(), waited["state"]["reads"].as_u64()),
        (Some(true), Some(5)),
        "{waited}"
    );
    assert!(started.elapsed().as_secs_f64() < 4.0, "it took {:?}", started.elapsed());

    let page = http::get(&address, "/demo/anna").json();
    let history: Vec<(i64, String)> = page["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|read| {
            (read["article_id"].as_i64().unwrap(), read["title"].as_str().unwrap_or("none").to_owned())
        })
        .collect();
    let expected: Vec<(i64, String)> =
        [second, first, 12, 8, 4].iter().map(|id| (*id, newsroom::title(*id))).collect();
    assert_eq!(history, expected, "newest first, with titles");
    assert_eq!(page["recommendations"].as_array().unwrap().len(), 10);

    for program in [serve, process] {
        let (status, said) = program.terminate();
        assert_eq!(status, Some(0), "it ends in order:\n{}", said.join("\n"));
    }
    assert_eq!(home.json(&["inspect", "lag", "--json"])["lag"], 0);
}

fn recommend(address: &str, request: Value) -> Value {
    let answer = http::post(address, "/recommend", &request);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn ids(slate: &Value) -> Vec<i64> {
    let cards = slate["recommendations"].as_array().unwrap();
    cards.iter().map(|card| card["article_id"].as_i64().unwrap()).collect()
}

fn exists(redis: &Server, key: &str) -> bool {
    redis_cli(redis.port, 0, &["EXISTS", key]) == "1"
}

/// The marker's next offset: eight bytes, big-endian, after the format version.
fn marker_of(redis: &Server, key: &str) -> u64 {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/0", redis.port)).unwrap();
    let bytes: Vec<u8> = redis::cmd("GET").arg(key).query(&mut client.get_connection().unwrap()).unwrap();
    u64::from_be_bytes(bytes[1..9].try_into().unwrap())
}
