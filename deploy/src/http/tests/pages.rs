//! The pages, the site, and what every answer wears.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Served, json_of};
use crate::http::openapi_json;

#[tokio::test]
async fn every_answer_wears_the_security_headers() {
    let served = Served::start().await;
    for path in [
        "/",
        "/health",
        "/articles/7",
        "/nothing",
        "/docs",
        "/ops",
        "/ops/plain",
        "/openapi.json",
        "/metrics",
    ] {
        let response = served.get(path).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_string();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(
            response.headers().contains_key("referrer-policy")
                && response.headers().contains_key("cache-control")
        );
    }
}

#[tokio::test]
async fn health_names_its_edges_and_the_pages_are_true() {
    let served = Served::start().await;
    let health = json_of(served.get("/health").await, StatusCode::OK).await;
    assert_eq!(
        (&health["status"], &health["model"]),
        (&json!("degraded"), &Value::Null),
        "there is no model"
    );
    for edge in ["log", "state", "articles"] {
        assert_eq!(health["edges"][edge]["status"], "ok", "{health}");
    }
    served.post("/event", json!({"user_id": "ann", "article_id": 7})).await;
    served.know("bob", &[1]).await;
    let ops = served.get("/ops/plain").await.text().await.unwrap();
    assert!(
        ops.contains("<td>main</td>")
            && ops.contains(
                "query: requests -&gt; state -&gt; retrieve -&gt; features -&gt; rerank -&gt; freshness -&gt; fatigue -&gt; stories -&gt; diversity -&gt; sections -&gt; choice -&gt; exploration -&gt; compose -&gt; explain -&gt; answer"
            ),
        "{ops}"
    );
    let docs = served.get("/docs").await.text().await.unwrap();
    for page in [&ops, &docs] {
        assert!(!page.contains("<script") && !page.contains("style=") && !page.contains("http://"));
    }
    assert!(docs.contains("POST /recommend"));
    assert!(served.get("/metrics").await.text().await.unwrap().starts_with("# HELP"));
    let document = json_of(served.get("/openapi.json").await, StatusCode::OK).await;
    assert_eq!(document, serde_json::from_str::<Value>(&openapi_json()).unwrap());
    for path in [
        "/event",
        "/recommend",
        "/demo/{user_id}",
        "/users/active",
        "/users/{user_id}",
        "/users/{user_id}/preferences",
        "/articles/{article_id}",
        "/articles/{article_id}/related",
        "/health",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    for schema in [
        "Slate",
        "Recommendation",
        "Problem",
        "Event",
        "Article",
        "ReaderPage",
        "HistoryEntry",
        "ActiveReader",
    ] {
        assert!(document["components"]["schemas"][schema].is_object(), "{schema}");
    }
}

#[tokio::test]
async fn the_site_is_one_page_for_its_own_paths_and_is_not_cached_blindly() {
    let served = Served::start().await;
    for path in [
        "/",
        "/account",
        "/side-by-side",
        "/search?q=Headline",
        "/section/World",
        "/article/7",
        "/article/7/",
    ] {
        let response = served.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let tag = response.headers()["etag"].clone();
        let again =
            served.client.get(format!("{}{path}", served.address)).header("if-none-match", tag).send().await;
        assert_eq!(again.unwrap().status(), StatusCode::NOT_MODIFIED);
    }
    let request =
        served.client.get(format!("{}/some/where", served.address)).header("accept", "text/html,*/*");
    let nowhere = request.send().await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    let page = nowhere.text().await.unwrap();
    assert!(page.contains("id=\"paper\""), "a browser gets the page, which says what is missing");
    let plain =
        served.client.get(format!("{}/openapi.json", served.address)).header("accept-encoding", "gzip");
    assert_eq!(plain.send().await.unwrap().headers()["content-encoding"], "gzip");
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                names.insert(name.to_string()),
                "{name} is there twice: programs that are made from the document break"
            );
        }
    }
}

#[test]
fn the_sites_types_are_made_from_this_interface() {
    let known = include_str!("../../../../site/openapi.json");
    assert_eq!(
        openapi_json().trim_end(),
        known.trim_end(),
        "write it anew: `abovefold openapi > site/openapi.json`, then `npm run types` in site/"
    );
}
