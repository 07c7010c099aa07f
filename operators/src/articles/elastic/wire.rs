//! Requests and answers: time-outs, what is tried again, and errors in words.

use std::{error::Error as _, fmt::Write as _, time::Duration};

use abovefold_engine::{EngineError, Result};
use bytes::Bytes;
use elasticsearch::http::{Method, headers::HeaderMap, transport::Transport};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long a request may take and how often it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For one attempt.
    pub(super) timeout: Duration,
    /// Attempts in all.
    pub(super) attempts: u32,
    /// The wait after the first attempt; it doubles from attempt to attempt, up to five seconds.
    pub(super) first_wait: Duration,
}

impl Patience {
    const LONGEST_WAIT: Duration = Duration::from_secs(5);

    /// How long to wait after that many failed attempts; `None`: give up.
    pub(super) fn wait_after(&self, failed: u32) -> Option<Duration> {
        (failed < self.attempts).then(|| {
            self.first_wait.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(Self::LONGEST_WAIT)
        })
    }
}

/// A request. All of ours are harmless when repeated.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Bytes>,
}

/// An answer that is not worth another attempt, good or bad.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// The connection to a server.
#[derive(Debug)]
pub(super) struct Wire {
    transport: Transport,
    /// The server and the alias, as errors name them.
    pub(super) shown: String,
}

impl Wire {
    pub(super) fn new(transport: Transport, shown: String) -> Self {
        Self { transport, shown }
    }

    /// Sends a request, again while the server cannot be reached or is too busy.
    ///
    /// # Errors
    /// When it stays so, or when the server does not know us.
    pub(super) async fn send(&self, tried: &str, request: Request<'_>, patience: Patience) -> Result<Answer> {
        let mut failed = 0;
        loop {
            let problem = match self.attempt(&request, patience.timeout).await {
                Ok(answer) => match answer.status {
                    401 | 403 => return Err(self.refused(tried, &answer)),
                    429 | 502..=504 => answer.reason(),
                    _ => return Ok(answer),
                },
                Err(problem) => problem,
            };
            failed += 1;
            match patience.wait_after(failed) {
                Some(wait) => {
                    tracing::warn!(
                        articles = self.shown,
                        tried,
                        problem,
                        failed,
                        "elasticsearch did not answer, trying again"
                    );
                    pause(wait).await;
                }
                None => {
                    let times = if failed == 1 { String::new() } else { format!(" ({failed} attempts)") };
                    return Err(
                        self.outside(tried, format!("{problem}{times}; is the server up and its URL right?"))
                    );
                }
            }
        }
    }

    async fn attempt(&self, request: &Request<'_>, timeout: Duration) -> Result<Answer, String> {
        let query = (!request.query.is_empty()).then_some(request.query);
        let response = self
            .transport
            .send(request.method, request.path, HeaderMap::new(), query, request.body.clone(), Some(timeout))
            .await
            .map_err(|error| in_words(&error))?;
        let status = response.status_code().as_u16();
        let body = response.bytes().await.map_err(|error| in_words(&error))?;
        Ok(Answer { status, body })
    }

    /// The server did not do what was asked, and may do so later.
    pub(super) fn outside(&self, tried: &str, reason: impl ToString) -> EngineError {
        EngineError::outside(self.tried(tried), reason)
    }

    /// Somebody has to change something.
    pub(super) fn user(&self, tried: &str, reason: impl Into<String>) -> EngineError {
        EngineError::user(self.tried(tried), reason)
    }

    /// The server knows the request and will not have it.
    pub(super) fn unexpected(&self, tried: &str, answer: &Answer) -> EngineError {
        let reason = format!("status {}: {}", answer.status, answer.reason());
        if answer.status < 500 { self.user(tried, reason) } else { self.outside(tried, reason) }
    }

    fn refused(&self, tried: &str, answer: &Answer) -> EngineError {
        let way_out = "check user, password or api_key, and that they may read, write and manage this index";
        self.user(tried, format!("status {}: {}; {way_out}", answer.status, answer.reason()))
    }

    fn tried(&self, tried: &str) -> String {
        format!("{tried} at {}", self.shown)
    }
}

impl Answer {
    /// The body, when the status is one of success.
    pub(super) fn read<T: DeserializeOwned>(&self, wire: &Wire, tried: &str) -> Result<T> {
        if self.status >= 300 {
            return Err(wire.unexpected(tried, self));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            wire.outside(tried, format!("the answer cannot be read ({error}); is this Elasticsearch 8 or 9?"))
        })
    }

    /// What the server says is wrong.
    pub(super) fn reason(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        match reason_of(&body["error"]) {
            Some(reason) => reason,
            None => {
                let text = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).trim().to_owned();
                if text.is_empty() { format!("status {}", self.status) } else { text }
            }
        }
    }
}

/// The reason of an error as Elasticsearch writes it, with the cause that lies deepest.
pub(super) fn reason_of(error: &Value) -> Option<String> {
    let reason = error["reason"].as_str().or_else(|| error["type"].as_str()).or_else(|| error.as_str())?;
    let mut deepest = &error["caused_by"];
    while deepest["caused_by"].is_object() {
        deepest = &deepest["caused_by"];
    }
    match deepest["reason"].as_str() {
        Some(cause) if cause != reason => Some(format!("{reason}: {cause}")),
        _ => Some(reason.to_owned()),
    }
}

/// The client's error with what caused it: alone it says `error sending request`.
fn in_words(error: &elasticsearch::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            let _ = write!(words, ": {text}");
        }
        cause = error.source();
    }
    words
}

/// Waits for a server. Its time is not ours to simulate.
#[allow(clippy::disallowed_methods)]
pub(super) async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Runs what takes longer than half a millisecond beside the runtime: large bodies, made and read.
#[allow(clippy::disallowed_methods)]
pub(super) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| EngineError::ours("work on a body of Elasticsearch", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_ends() {
        let patience =
            Patience { timeout: Duration::ZERO, attempts: 9, first_wait: Duration::from_millis(100) };
        let waits: Vec<_> =
            (1..=9).map(|failed| patience.wait_after(failed).map(|wait| wait.as_millis())).collect();
        let some = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(Some);
        assert_eq!(waits[..8], some);
        assert_eq!(waits[8], None);
    }

    #[test]
    fn the_deepest_cause_is_told() {
        let error = serde_json::json!({"type": "x", "reason": "failed to parse", "caused_by": {"reason": "middle", "caused_by": {"reason": "the root"}}});
        assert_eq!(reason_of(&error).unwrap(), "failed to parse: the root");
        assert_eq!(reason_of(&Value::Null), None);
    }
}
