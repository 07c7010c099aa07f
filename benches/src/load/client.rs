//! What is asked over HTTP, and what came of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::tally::{Outcome, Sample};

/// Longer than the program takes for anything: what is not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program over connections that are kept.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// An answer with what it was measured as.
#[derive(Debug)]
pub struct Answer {
    /// How it counts.
    pub sample: Sample,
    /// Its JSON, null where there is none.
    pub body: Value,
}

impl Client {
    /// One for the program at `url`.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(usize::MAX)
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { http, url: url.into() })
    }

    /// A slate of ten; `due` is when it should have been asked for.
    pub async fn recommend(&self, due: Instant, reader: &str, after: Option<&str>) -> Answer {
        let mut body = json!({"user_id": reader, "k": 10});
        if let Some(after) = after {
            body["after"] = after.into();
        }
        self.post(due, &format!("{}/recommend", self.url), body.to_string()).await
    }

    /// An event into the log.
    pub async fn event(&self, due: Instant, event: Vec<u8>) -> Answer {
        let body = String::from_utf8(event).unwrap_or_default();
        self.post(due, &format!("{}/event", self.url), body).await
    }

    /// Anything as JSON.
    pub async fn post(&self, due: Instant, url: &str, body: String) -> Answer {
        let request = self.http.post(url).header("content-type", "application/json").body(body);
        let (outcome, body) = match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                match answer.bytes().await {
                    Ok(bytes) if status.is_success() => {
                        (Outcome::Answered, serde_json::from_slice(&bytes).unwrap_or_default())
                    }
                    Ok(_) if [429, 503].contains(&status.as_u16()) => (Outcome::Shed, Value::Null),
                    _ => (Outcome::Failed, Value::Null),
                }
            }
            Err(_) => (Outcome::Failed, Value::Null),
        };
        let now = Instant::now();
        Answer { sample: Sample { outcome, ended: now, seconds: (now - due).as_secs_f64() }, body }
    }

    /// The program's own count of requests by what became of their cached candidates: hits, and what was searched for.
    pub async fn cache_counts(&self) -> Option<(f64, f64)> {
        let text = self.http.get(format!("{}/metrics", self.url)).send().await.ok()?.text().await.ok()?;
        let count = |what: &str| -> f64 {
            let name = format!("abovefold_query_cache_total{{what=\"{what}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok()).unwrap_or(0.0)
        };
        Some((count("hit"), count("miss") + count("stale")))
    }
}
