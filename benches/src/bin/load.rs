//! A load run: `/recommend` at a steady rate against a program that is up, and how long the answers took.
//!
//! `load [--url http://127.0.0.1:8000] [--rate 50] [--seconds 20] [--events 20]`: besides, `--events` reads a second go to `/event`, so that the
//! write path works meanwhile. Requests are sent when they are due, not when the one before was answered, so that a stall shows in full.
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

struct Options {
    url: String,
    rate: f64,
    seconds: f64,
    events: f64,
}

#[tokio::main]
async fn main() {
    let options = options();
    let client = reqwest::Client::new();
    let readers = readers(&client, &options.url).await;
    let articles = articles(&client, &options.url, &readers).await;
    let times = Arc::new(Mutex::new(Vec::new()));
    let failures = Arc::new(Mutex::new(0_u32));
    let writing =
        tokio::spawn(write(client.clone(), options.url.clone(), readers.clone(), articles, options.events));
    let started = Instant::now();
    let total = (options.rate * options.seconds) as u32;
    let mut asked = Vec::new();
    for number in 0..total {
        let due = started + Duration::from_secs_f64(f64::from(number) / options.rate);
        tokio::time::sleep_until(due).await;
        let body = json!({"user_id": readers[number as usize % readers.len()], "k": 10});
        let request = client.post(format!("{}/recommend", options.url)).json(&body);
        let (times, failures) = (times.clone(), failures.clone());
        asked.push(tokio::spawn(async move {
            let answered = match request.send().await {
                Ok(answer) if answer.status().is_success() => answer.bytes().await.is_ok(),
                _ => false,
            };
            if answered {
                times.lock().expect("no holder panics").push(due.elapsed().as_secs_f64() * 1e3);
            } else {
                *failures.lock().expect("no holder panics") += 1;
            }
        }));
    }
    for request in asked {
        request.await.expect("a request does not panic");
    }
    writing.abort();
    let mut times = times.lock().expect("no holder panics").clone();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied()
    };
    let figures: Vec<String> = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)]
        .into_iter()
        .map(|(name, share)| format!("{name} {:.2} ms", at(share).unwrap_or(f64::NAN)))
        .collect();
    let failed = *failures.lock().expect("no holder panics");
    println!("{} answers at {}/s, {failed} failed: {}", times.len(), options.rate, figures.join(", "));
}

fn options() -> Options {
    let mut options =
        Options { url: "http://127.0.0.1:8000".into(), rate: 50.0, seconds: 20.0, events: 20.0 };
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        let number = || value.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {value}"));
        match name.as_str() {
            "--url" => options.url = value.clone(),
            "--rate" => options.rate = number(),
            "--seconds" => options.seconds = number(),
            "--events" => options.events = number(),
            _ => panic!("there is no option {name}; see the head of this file"),
        }
    }
    options
}

async fn get(client: &reqwest::Client, url: String) -> Value {
    let answer = client
        .get(&url)
        .send()
        .await
        .unwrap_or_else(|error| panic!("get {url}: {error}; is the program up?"));
    answer.json().await.unwrap_or_else(|error| panic!("read the answer of {url}: {error}"))
}

async fn readers(client: &reqwest::Client, url: &str) -> Vec<String> {
    let active = get(client, format!("{url}/users/active?limit=100")).await;
    let ids = active.as_array().into_iter().flatten().filter_map(|reader| reader["user_id"].as_str());
    let readers: Vec<String> = ids.map(str::to_owned).collect();
    assert!(!readers.is_empty(), "nobody has read anything yet: simulate readers first");
    readers
}

async fn articles(client: &reqwest::Client, url: &str, readers: &[String]) -> Vec<i64> {
    let body = json!({"user_id": readers[0], "k": 100});
    let answer =
        client.post(format!("{url}/recommend")).json(&body).send().await.expect("the program answers");
    let answer: Value = answer.json().await.expect("an answer is JSON");
    answer["recommendations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|card| card["article_id"].as_i64())
        .collect()
}

/// Reads at a steady rate, from readers in turn.
async fn write(client: reqwest::Client, url: String, readers: Vec<String>, articles: Vec<i64>, rate: f64) {
    if rate <= 0.0 || articles.is_empty() {
        return;
    }
    for number in 0_usize.. {
        tokio::time::sleep(Duration::from_secs_f64(1.0 / rate)).await;
        let body = json!({
            "user_id": readers[(number * 7) % readers.len()], "article_id": articles[number % articles.len()],
            "read_time": 30, "scroll_pct": 80, "device_type": 1,
        });
        // A refused read shows in the program's own log; the load goes on.
        client.post(format!("{url}/event")).json(&body).send().await.ok();
    }
}
