//! Each edge taken down in turn, under load, over real servers: no request fails, answers and `/health` name what serves instead, and the
//! reranker serves again when the server is back.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::time::{Duration, Instant};

use common::{
    Home, http,
    load::{Load, slowness},
    newsroom,
    program::{Program, eventually},
    say,
    servers::Server,
    skip,
};
use serde_json::{Value, json};

const TEST: &str = "every_edge_that_goes_down_has_its_fallback";
const READERS: [&str; 6] = ["anna", "bert", "carl", "dora", "emil", "fritz"];
/// Requests a second.
const RATE: u32 = 40;
/// How long an edge stays away once its fallback serves.
const AWAY: Duration = Duration::from_secs(3);

fn ask(reader: &str) -> Value {
    json!({"user_id": reader})
}

fn slate(address: &str, reader: &str) -> Value {
    let answer = http::post(address, "/recommend", &ask(reader));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn health(address: &str) -> Value {
    http::get(address, "/health").json()
}

/// Waits until every reader is served so.
fn are_served(address: &str, served_by: &str) {
    eventually(&format!("served by {served_by}"), || {
        READERS.iter().all(|reader| slate(address, reader)["served_by"] == served_by).then_some(())
    });
}

fn read(address: &str, reader: &str, articles: &[i64]) {
    for article in articles {
        let event = newsroom::read_event(reader, *article, 40);
        let answer = http::request(address, "POST", "/event", Some(&event));
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

fn reads(address: &str, reader: &str, count: usize) {
    eventually("the reads are folded", || (slate(address, reader)["state"]["reads"] == count).then_some(()));
}

/// What fails, and what has to serve meanwhile.
struct Outage<'a> {
    what: &'a str,
    edge: &'a str,
    served_by: &'a str,
    begin: &'a dyn Fn(),
    end: &'a dyn Fn(),
}

impl Outage<'_> {
    /// Takes the edge down under load and brings it back.
    fn happens(&self, address: &str) {
        are_served(address, "reranker");
        let load = Load::start(address, READERS.map(ask).to_vec(), RATE);
        (self.begin)();
        are_served(address, self.served_by);
        let health = eventually("it is said to be down", || {
            let health = health(address);
            (health["status"] == "degraded" && health["edges"][self.edge]["status"] == "down")
                .then_some(health)
        });
        if self.edge != "log" {
            let fallbacks = health["fallbacks"].as_array().unwrap();
            let named = fallbacks.iter().find(|fallback| fallback["failed"] == self.edge);
            let serves = named.map(|named| named["serves"].as_str().unwrap().to_owned()).unwrap_or_default();
            assert!(serves.contains(self.served_by), "{}: {health}", self.what);
        }
        let steady = Instant::now();
        eventually("it is away for a while", || (steady.elapsed() > AWAY).then_some(()));
        let meanwhile = load.within(steady, Instant::now());
        let other = meanwhile.iter().find(|one| one.status != 200 || one.text("served_by") != self.served_by);
        assert!(
            other.is_none() && meanwhile.len() > 50,
            "{}: {} answers, {other:?}",
            self.what,
            meanwhile.len()
        );
        (self.end)();
        are_served(address, "reranker");
        eventually("all is well again", || {
            let health = self::health(address);
            (health["status"] == "ok" && health["fallbacks"] == json!([])).then_some(())
        });
        let all = load.end();
        assert!(all.iter().all(|one| !one.body["recommendations"].as_array().unwrap().is_empty()));
        say(&format!(
            "{}: {} requests, none failed; while it lasted served by {}, {}",
            self.what,
            all.len(),
            self.served_by,
            slowness(&meanwhile)
        ));
    }
}

#[test]
fn every_edge_that_goes_down_has_its_fallback() {
    let servers = || Ok::<_, String>((Server::kafka()?, Server::redis()?, Server::elasticsearch()?));
    let (kafka, redis, elasticsearch) = match servers() {
        Ok(servers) => servers,
        Err(reason) => return skip(TEST, &reason),
    };
    let home = Home::new()
        .with("WINDOW__LENGTH", "100ms")
        .with("LOG", format!("kafka://127.0.0.1:{}/user_events", kafka.port))
        .with("STATE", format!("redis://127.0.0.1:{}/0", redis.port))
        .with("ARTICLES", format!("http://127.0.0.1:{}/articles", elasticsearch.port));
    newsroom::model(&home.at("model"));
    newsroom::data_folder(&home.at("data"), 200, 20, 0, 1);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);
    for (number, reader) in (0..).zip(READERS) {
        read(&address, reader, &[4 + number, 20 + number, 40 + number]);
    }
    READERS.iter().for_each(|reader| reads(&address, reader, 3));
    // What serves while the state is away has to be known before.
    eventually("the reads are counted", || {
        (slate(&address, "nobody")["served_by"] == "trending").then_some(())
    });
    are_served(&address, "reranker");

    let outage = |what: &str, edge: &str, served_by: &str, begin: &dyn Fn(), end: &dyn Fn()| {
        Outage { what, edge, served_by, begin, end }.happens(&address);
    };
    let redis_again = || redis.start_again().unwrap();
    outage("Redis killed", "state", "trending", &|| redis.kill(), &redis_again);
    outage("Redis hanging", "state", "trending", &|| redis.signal("", "STOP"), &|| redis.signal("", "CONT"));
    let hang = || elasticsearch.signal("", "STOP");
    outage("Elasticsearch hanging", "articles", "cached", &hang, &|| elasticsearch.signal("", "CONT"));
    // A reader whose candidates nobody has found yet gets what is in memory for all.
    let kill = || {
        elasticsearch.kill();
        read(&address, "new", &[5, 9]);
        eventually("new reads are folded without the article edge", || {
            let slate = slate(&address, "new");
            (slate["state"]["reads"] == 2 && slate["served_by"] == "trending").then_some(())
        });
    };
    outage("Elasticsearch killed", "articles", "cached", &kill, &|| elasticsearch.start_again().unwrap());
    outage("Kafka stopped", "log", "reranker", &|| kafka.stop(), &|| kafka.start_again().unwrap());

    serve_without_a_model(&home);
    let (status, said) = program.terminate();
    assert_eq!(status, Some(0), "it ends in order:\n{}", said.join("\n"));
}

/// A read path that begins with a broken model and has nothing that served before: the cosines, until the model is mended.
fn serve_without_a_model(home: &Home) {
    newsroom::model(&home.at("mended"));
    let weights = home.at("mended/model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let mut serve = Program::spawn(home.command(&["serve", "--listen", "127.0.0.1:0", "--model", "mended"]));
    let address = serve.address();
    are_served(&address, "knn");
    let health = health(&address);
    let reason = health["reason"].as_str().unwrap();
    assert!(health["status"] == "degraded" && reason.contains("session model"), "{health}");
    assert_eq!((&health["model"], &health["fallbacks"][0]["serves"]), (&Value::Null, &json!("knn")));
    std::fs::write(&weights, whole).unwrap();
    are_served(&address, "reranker");
    assert_eq!(serve.terminate().0, Some(0));
    let outcome = home.run(&["serve", "--listen", "127.0.0.1:0", "--model", "nowhere"]);
    assert!(outcome.status == Some(1) && outcome.error_line().contains("nowhere"), "{outcome}");
}
