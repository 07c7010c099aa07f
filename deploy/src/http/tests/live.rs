//! The stream of the operations page: bounded in pages, and nobody waits for a page.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Served, json_of, problem};

/// What a test waits for at most, where it would wait for ever if the program did.
const PATIENCE: Duration = Duration::from_secs(30);

/// The data of the events of a stream that ends by itself.
async fn events(response: Response) -> Vec<Value> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = tokio::time::timeout(PATIENCE, response.text()).await.unwrap().unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data.trim()).unwrap()).collect()
}

#[tokio::test]
async fn a_page_is_told_the_history_and_then_how_things_are() {
    let served = Served::start().await;
    served.know("bob", &[1]).await;
    let events = events(served.get("/admin/live?every_ms=100&limit=12").await).await;
    assert_eq!(events.len(), 13);
    assert_eq!(events[0]["graphs"][0]["name"], "query", "this program only serves");
    let last = &events[12];
    assert_eq!(
        (&last["namespace"], &last["works"], &last["pages"]),
        (&json!("main"), &json!(false), &json!(1))
    );
    assert!(last["watermark"].is_string() && last["partitions"].as_array().unwrap().len() == 4, "{last}");
    assert_eq!(last["edges"]["state"]["status"], "ok", "{last}");
    assert!(last["at_ms"].as_i64().unwrap() - events[1]["at_ms"].as_i64().unwrap() >= 1_000, "ten a second");
}

#[tokio::test]
async fn pages_are_bounded_and_one_that_does_not_read_holds_up_nobody() {
    let served = Served::with(|http| http.write_seconds = 0.5).await;
    for wrong in ["every_ms=10", "every_ms=x", "limit=0"] {
        problem(served.get(&format!("/admin/live?{wrong}")).await, 422).await;
    }
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(served.get("/admin/live?every_ms=100").await);
    }
    let refused = served.get("/admin/live").await;
    assert!(refused.headers().contains_key("retry-after"));
    problem(refused, 503).await;
    // Fifteen of them are never read.
    let mut one = open.pop().unwrap().bytes_stream();
    for _ in 0..5 {
        tokio::time::timeout(PATIENCE, one.next()).await.unwrap().unwrap().unwrap();
    }
    json_of(served.get("/health").await, StatusCode::OK).await;
    drop((one, open));
    let free = async {
        while served.get("/admin/live?limit=1").await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("a page that went away makes room");
}

#[tokio::test]
async fn a_program_that_only_serves_has_no_worker_to_rest() {
    let served = Served::start().await;
    let detail = problem(served.post("/admin/worker/pause", json!({})).await, 409).await["detail"].clone();
    assert!(detail.as_str().unwrap().contains("abovefold run"), "{detail}");
    let lines = json_of(served.get("/admin/log?limit=3").await, StatusCode::OK).await;
    assert!(lines["lines"].as_array().unwrap().len() <= 3 && lines["errors"].is_u64(), "{lines}");
}
