//! A model is promoted, or the link `current` is moved, while requests are under way: none of them fails, each is ordered by one version and says
//! which, and a model that is broken changes nothing.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use abovefold_engine::log::{LogSettings, open};
use abovefold_models::{
    ModelFolder,
    trees::{Lists, Trees, TreesOptions},
};
use abovefold_operators::features::column_names;
use abovefold_schemas::{Kept, records::Impression};
use common::{
    Home, copy_folder, http,
    load::{Load, slowness},
    newsroom,
    pipeline::whole,
    program::{Program, eventually},
    say,
    stream::block_on,
};
use serde_json::{Value, json};

const READERS: [&str; 4] = ["1", "2", "3", "4"];
const RATE: u32 = 60;
const SWAPS: usize = 24;
/// How far numbers of one version may be apart: a request may share a product with others.
const NEAR: f64 = 2e-3;

/// Trees that prefer what the networks prefer; more of them give higher scores.
fn trees(count: usize) -> String {
    let names: Vec<String> = column_names().iter().map(|column| column.name.to_owned()).collect();
    let rank = names.iter().position(|name| name == "rerank_rank").unwrap();
    let mut lists = Lists { columns: names, ..Lists::default() };
    let width = lists.columns.len();
    for list in 0..200 {
        let mut values = vec![0.0; 6 * width];
        (0..6).for_each(|row| values[row * width + rank] = ((row + list) % 6) as f32 / 5.0);
        let clicked: Vec<bool> = (0..6).map(|row| (row + list) % 6 == 0).collect();
        lists.push(&values, &clicked);
    }
    let options = TreesOptions {
        trees: count,
        rows_in_leaf: 5,
        leaves: 4,
        column_share: 1.0,
        ..TreesOptions::default()
    };
    Trees::grow(&lists, &options, count, &mut |_, _, _| {}).unwrap().to_text().unwrap()
}

/// A model of one and the same session model, whose reranker's scores are turned by a factor.
fn model(folder: &Path, version: &str, factor: f32, ranker: Option<String>) {
    let mut model = ModelFolder::untrained(7);
    model.card.version = version.to_owned();
    for name in ["score.2.weight", "score.2.bias"] {
        let array = model.weights.get(name).unwrap().clone();
        let turned = array.data.iter().map(|number| (number * factor).clamp(f32::MIN, f32::MAX)).collect();
        model.weights.insert(name, &array.shape, turned);
    }
    model.ranker = ranker;
    model.save(folder).unwrap();
}

/// Halves a file, as a copy that was cut short does.
fn halve(file: &Path) {
    let whole = std::fs::read(file).unwrap();
    std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
}

/// Lets the link name a model as an operator does.
fn link(home: &Home, target: &str) {
    let done = Command::new("ln").args(["-sfn", target]).arg(home.at("models/current")).status().unwrap();
    assert!(done.success());
}

/// A program with a newspaper whose readers have read something.
fn newspaper(home: &Home) -> (Program, String) {
    newsroom::data_folder(&home.at("data"), 60, 4, 80, 5);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);
    home.done(&["simulate", "--data", "data", "--rate", "0"]);
    eventually("all is folded", || {
        (home.json(&["inspect", "lag", "--json"])["lag"].as_u64() == Some(0)).then_some(())
    });
    (program, address)
}

fn ask(reader: &str) -> Value {
    json!({"user_id": reader, "explain": true})
}

fn slate(address: &str, reader: &str) -> Value {
    let answer = http::post(address, "/recommend", &ask(reader));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn promote(address: &str, name: &str) -> http::Answer {
    http::request(address, "POST", &format!("/admin/models/{name}/promote"), None)
}

fn promoted(address: &str, name: &str) -> Value {
    let answer = promote(address, name);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Refused with this status and words; what serves goes on serving.
fn refused(address: &str, name: &str, status: u16, words: &[&str]) {
    let before = http::get(address, "/health").json();
    let answer = promote(address, name);
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert!(answer.head.contains("application/problem+json"), "{answer:?}");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(words.iter().all(|word| detail.contains(word)), "{name}: {detail}");
    let after = http::get(address, "/health").json();
    assert_eq!((&before["status"], &before["model"]), (&after["status"], &after["model"]), "{name}");
}

fn health_when(address: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || Some(http::get(address, "/health").json()).filter(&is_so))
}

/// What a version shows a reader: article, logit and score of each place.
type Expected = Vec<(i64, f64, f64)>;

fn shown(slate: &Value) -> Expected {
    let cards = slate["recommendations"].as_array().unwrap().iter();
    let shown = cards.map(|card| {
        let why = &card["explanation"];
        assert_eq!(why["reasons"][0]["column"], "rerank_rank", "{card}");
        (
            card["article_id"].as_i64().unwrap(),
            why["logit"].as_f64().unwrap(),
            card["score"].as_f64().unwrap(),
        )
    });
    shown.collect()
}

fn is_near(one: &Expected, other: &Expected) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.0 == other.0 && (one.1 - other.1).abs() < NEAR && (one.2 - other.2).abs() < NEAR
        })
}

#[test]
fn promoting_back_and_forth_under_load_fails_no_request_and_mixes_no_versions() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms").with("QUERY__LOG_FEATURES", "true");
    // What was shown before, and chance, are to move nothing.
    let home = home.with("QUERY__COMPOSITION__FATIGUE", "1.0").with("QUERY__COMPOSITION__EXPLORATION", "0.0");
    model(&home.at("models/first"), "version-1", 1.0, Some(trees(30)));
    model(&home.at("models/second"), "version-2", -1.0, Some(trees(8)));
    link(&home, "first");
    let (program, address) = newspaper(&home);
    assert_eq!(http::get(&address, "/health").json()["model"]["version"], "version-1");

    // What each version shows each reader, told one after the other.
    let mut expected: BTreeMap<(String, String), Expected> = BTreeMap::new();
    for (name, version) in [("first", "version-1"), ("second", "version-2")] {
        assert_eq!(promoted(&address, name), json!({"name": name, "version": version, "note": null}));
        for reader in READERS {
            // The first answer's candidates are cached for all that follow.
            slate(&address, reader);
            let slate = slate(&address, reader);
            assert_eq!((&slate["model"], &slate["served_by"]), (&json!(version), &json!("reranker")));
            expected.insert((reader.to_owned(), version.to_owned()), shown(&slate));
        }
    }
    let of = |reader: &str, version: &str| &expected[&(reader.to_owned(), version.to_owned())];
    for reader in READERS {
        let (one, two) = (of(reader, "version-1"), of(reader, "version-2"));
        assert!(one.iter().zip(two).all(|(one, two)| one.2 != two.2), "they differ: {one:?} {two:?}");
    }

    let load = Load::start(&address, READERS.map(ask).to_vec(), RATE);
    let mut slowest = Duration::ZERO;
    for turn in 0..SWAPS {
        let (name, version) = [("first", "version-1"), ("second", "version-2")][turn % 2];
        let begun = Instant::now();
        assert_eq!(promoted(&address, name)["version"], version);
        slowest = slowest.max(begun.elapsed());
        let next = slate(&address, READERS[turn % READERS.len()]);
        assert_eq!(next["model"], version, "the next request is ordered by it");
        assert_eq!(std::fs::read_link(home.at("models/current")).unwrap(), Path::new(name));
    }
    let all = load.end();
    let versions: BTreeSet<&str> = all.iter().map(|one| one.text("model")).collect();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["version-1", "version-2"]);
    for one in &all {
        assert_eq!(one.text("served_by"), "reranker");
        let (reader, version) = (one.text("user_id"), one.text("model"));
        assert!(
            is_near(&shown(&one.body), of(reader, version)),
            "not what {version} shows: {}\nexpected {:?}",
            one.body,
            of(reader, version)
        );
    }
    say(&format!(
        "{SWAPS} models promoted under {} requests, none failed; {}; a promote took {} ms at most",
        all.len(),
        slowness(&all),
        slowest.as_millis()
    ));

    refuse_what_is_not_fit(&home, &address);
    let metrics = http::get(&address, "/metrics").body;
    let counted = format!("abovefold_query_model_swaps_total{{outcome=\"swapped\"}} {}", SWAPS + 2);
    assert!(metrics.contains(&counted), "{counted} is not among the metrics");
    assert_eq!(program.terminate().0, Some(0));
    logged_columns_are_of_the_version(&home);
}

/// Whatever is wrong with a model, the one from before serves.
fn refuse_what_is_not_fit(home: &Home, address: &str) {
    copy_folder(&home.at("models/first"), &home.at("models/halved"));
    halve(&home.at("models/halved/model.safetensors"));
    refused(address, "halved", 422, &["models/halved", "model.safetensors"]);
    copy_folder(&home.at("models/first"), &home.at("models/no-trees"));
    halve(&home.at("models/no-trees/ranker.txt"));
    refused(address, "no-trees", 422, &["models/no-trees", "trees"]);
    model(&home.at("models/endless"), "version-3", f32::MAX, None);
    refused(address, "endless", 422, &["not fit to serve", "no number"]);
    ModelFolder::untrained(8).save(&home.at("models/other")).unwrap();
    refused(address, "other", 409, &["another session model", "namespace main", "abovefold replay"]);
    refused(address, "nowhere", 404, &["nowhere"]);
    refused(address, "..%2Ffirst", 422, &["name"]);
    refused(address, "current", 422, &["link"]);
    assert_eq!(std::fs::read_link(home.at("models/current")).unwrap(), Path::new("second"));
    let list = http::get(address, "/admin/models").json();
    let serves = |name: &str| {
        let models = list["models"].as_array().unwrap();
        models.iter().find(|model| model["name"] == name).unwrap()["serves"].clone()
    };
    assert_eq!(
        (serves("second"), serves("first"), &list["serving"]),
        (json!(true), json!(false), &json!("version-2"))
    );
}

/// The reranker's column of each candidate, in everything that was logged, is that of the version that the impression names.
fn logged_columns_are_of_the_version(home: &Home) {
    let log = open(&format!("file:{}", home.at("log").display()), &LogSettings::default()).unwrap();
    let records = block_on(whole(log.as_ref(), "impressions"));
    let width = column_names().len();
    let place = column_names().iter().position(|column| column.name == "rerank").unwrap();
    let mut told: BTreeMap<(String, String, i64), f32> = BTreeMap::new();
    for (_, record) in &records {
        let impression = Impression::from_kept(&record.value).unwrap();
        assert!(!impression.candidates.is_empty());
        for (row, article) in impression.candidates.iter().enumerate() {
            let logit = impression.columns[row * width + place];
            let (reader, model) = (impression.user_id.clone(), impression.model.clone());
            let before = *told.entry((reader, model, *article)).or_insert(logit);
            assert!((f64::from(before) - f64::from(logit)).abs() < NEAR, "{impression:?}");
        }
    }
    let mut turned = 0;
    for ((reader, model, article), logit) in &told {
        if model == "version-1" {
            let other = told[&(reader.clone(), "version-2".to_owned(), *article)];
            assert!(
                (f64::from(*logit) + f64::from(other)).abs() < NEAR,
                "{reader} {article}: {logit} {other}"
            );
            turned += 1;
        }
    }
    assert!(turned > 100 && records.len() > SWAPS, "{turned} of {} impressions", records.len());
}

#[test]
fn the_link_is_followed_and_what_served_last_serves_where_it_leads_to_a_broken_model() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    newsroom::model(&home.at("model"));
    for name in ["first", "second"] {
        model(&home.at(&format!("models/{name}")), name, 1.0, None);
    }
    copy_folder(&home.at("models/first"), &home.at("models/broken"));
    halve(&home.at("models/broken/model.safetensors"));
    let (program, address) = newspaper(&home);
    assert_eq!(http::get(&address, "/health").json()["model"]["version"], "untrained-7");

    model(&home.at("models/endless"), "endless", f32::MAX, None);
    refused(&address, "endless", 422, &["not fit to serve"]);
    let load = Load::start(&address, READERS.map(ask).to_vec(), 20);
    let serves = |version: &str| {
        let health = health_when(&address, version, |health| health["model"]["version"] == version);
        assert_eq!((&health["status"], &health["model"]["error"]), (&json!("ok"), &Value::Null));
        assert_eq!(slate(&address, "1")["model"], version);
    };
    link(&home, "first");
    serves("first");
    assert_eq!(promoted(&address, "second")["note"], Value::Null);
    serves("second");
    link(&home, "broken");
    let is_last_good = |health: &Value| {
        let error = health["model"]["error"].as_str().unwrap_or_default().to_owned();
        health["model"]["version"] == "second"
            && error.contains("broken")
            && error.contains("model.safetensors")
    };
    let health = health_when(&address, "the broken model is named", is_last_good);
    assert_eq!((&health["status"], &health["fallbacks"][0]["failed"]), (&json!("degraded"), &json!("model")));
    assert_eq!(slate(&address, "1")["model"], "second");
    load.end();
    assert_eq!(program.terminate().0, Some(0));

    // A restart finds the link as it is, and serves what served.
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    health_when(&address, "the last good model serves after a restart", is_last_good);
    assert_eq!(slate(&address, "1")["model"], "second");
    // The model is mended where it lies.
    copy_folder(&home.at("models/first"), &home.at("models/broken"));
    let health = health_when(&address, "the mended model serves", |health| health["status"] == "ok");
    assert_eq!((&health["model"]["version"], &health["fallbacks"]), (&json!("first"), &json!([])));
    assert_eq!(slate(&address, "1")["model"], "first");
    assert_eq!(program.terminate().0, Some(0));
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    assert_eq!(slate(&address, "1")["model"], "first", "a restart serves what was promoted");
    assert_eq!(program.terminate().0, Some(0));

    // Who names a model at the start is told that it will be that one again.
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0", "--model", "model"]));
    let address = program.address();
    assert_eq!(http::get(&address, "/health").json()["model"]["version"], "untrained-7");
    let note = promoted(&address, "second")["note"].as_str().unwrap().to_owned();
    assert!(note.contains("models/current"), "{note}");
    assert_eq!(slate(&address, "1")["model"], "second");
    assert_eq!(program.terminate().0, Some(0));
}

/// A new session model cannot be swapped in under a namespace; it comes with one of its own, and back.
#[test]
fn a_new_session_model_comes_with_its_namespace() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    model(&home.at("models/first"), "first", 1.0, None);
    ModelFolder::untrained(8).save(&home.at("models/next")).unwrap();
    link(&home, "first");
    let (program, address) = newspaper(&home);
    refused(&address, "next", 409, &["another session model"]);
    home.done(&["replay", "--namespace", "green", "--model", "models/next"]);
    let load = Load::start(&address, READERS.map(ask).to_vec(), 40);
    for (namespace, version, name) in [("green", "untrained-8", "next"), ("main", "first", "first")] {
        home.done(&["namespace", "promote", namespace]);
        health_when(&address, "readers see it", |health| {
            health["namespace"] == namespace
                && health["model"]["version"] == version
                && health["status"] == "ok"
        });
        eventually("the link names its model", || {
            (std::fs::read_link(home.at("models/current")).unwrap() == Path::new(name)).then_some(())
        });
    }
    let all = load.end();
    for one in &all {
        let namespace = one.body["state"]["namespace"].as_str().unwrap();
        let version = if namespace == "green" { "untrained-8" } else { "first" };
        assert_eq!((one.text("model"), one.text("served_by")), (version, "reranker"), "{}", one.body);
    }
    assert_eq!(program.terminate().0, Some(0));
}
