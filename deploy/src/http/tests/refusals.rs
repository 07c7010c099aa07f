//! What is wrong is refused, in one form, and by the name of the field.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Served, problem};
use crate::http::MAX_BODY_BYTES;

#[tokio::test]
async fn bad_input_is_refused_by_the_name_of_its_field() {
    let served = Served::start().await;
    let long = "x".repeat(129);
    let many: Vec<i64> = (0..1001).collect();
    for (field, body) in [
        ("user_id", json!({"k": 3})),
        ("user_id", json!({"user_id": ""})),
        ("user_id", json!({"user_id": long})),
        ("user_id", json!({"user_id": ["a"]})),
        ("user_id", json!({"user_id": "a\nb"})),
        ("k", json!({"user_id": "a", "k": 0})),
        ("k", json!({"user_id": "a", "k": 101})),
        ("k", json!({"user_id": "a", "k": "ten"})),
        ("k", json!({"user_id": "a", "k": 1.5})),
        ("after", json!({"user_id": "a", "after": "soon"})),
        ("after", json!({"user_id": "a", "after": 7})),
        ("article_id", json!({"user_id": "a", "article_id": "seven"})),
        ("exclude", json!({"user_id": "a", "exclude": many})),
        ("exclude", json!({"user_id": "a", "exclude": ["seven"]})),
        ("device_type", json!({"user_id": "a", "device_type": 5})),
        ("explain", json!({"user_id": "a", "explain": "yes"})),
    ] {
        let problem = served.refused(Method::POST, "/recommend", body.to_string(), 422).await;
        assert_eq!(problem["field"], field, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains(field));
    }
    for (field, body) in [
        ("user_id", json!({"article_id": 7})),
        ("user_id", json!({"user_id": long, "article_id": 7})),
        ("article_id", json!({"user_id": "a"})),
        ("read_time", json!({"user_id": "a", "article_id": 7, "read_time": -1})),
        ("scroll_pct", json!({"user_id": "a", "article_id": 7, "scroll_pct": 101})),
        ("timestamp", json!({"user_id": "a", "article_id": 7, "timestamp": "yesterday"})),
        ("type", json!({"user_id": "a", "type": "dance"})),
    ] {
        assert_eq!(
            served.refused(Method::POST, "/event", body.to_string(), 422).await["field"],
            field,
            "{body}"
        );
    }
    assert_eq!(served.refused(Method::POST, "/users/a/preferences", "{}", 422).await["field"], "topics");
    assert_eq!(
        served.refused(Method::POST, "/users/a/preferences", r#"{"topics":"World"}"#, 422).await["field"],
        "topics"
    );
    assert_eq!(served.refused(Method::DELETE, &format!("/users/{long}"), "", 422).await["field"], "user_id");
    assert_eq!(served.refused(Method::GET, &format!("/demo/{long}"), "", 422).await["field"], "user_id");
    assert_eq!(served.refused(Method::GET, "/articles/7/related", "", 422).await["field"], "user_id");
    assert_eq!(served.refused(Method::GET, "/users/active?limit=many", "", 422).await["field"], "limit");
    let written: u64 =
        served.log.bounds("user_events").await.unwrap().iter().map(|bounds| bounds.end.0).sum();
    assert_eq!(written, 0, "nothing of it is in the log");
}

#[tokio::test]
async fn what_cannot_be_read_at_all_is_refused_in_the_same_form() {
    let served = Served::start().await;
    for path in ["/event", "/recommend"] {
        for body in [
            &b"not json"[..],
            b"",
            b"[]",
            b"{\"user_id\":\"\xff\"}",
            b"{\"user_id\":\"a\",\"article_id\":7,\"read_time\":NaN}",
        ] {
            served.refused(Method::POST, path, body, 400).await;
        }
        let big = json!({"user_id": "a", "article_id": 7, "note": "x".repeat(MAX_BODY_BYTES)}).to_string();
        served.refused(Method::POST, path, big, 413).await;
        let unlike = served.get(path).await;
        assert_eq!(unlike.headers()["allow"], "POST");
        problem(unlike, 405).await;
    }
    let just_fits =
        json!({"user_id": "a", "article_id": 7, "note": "x".repeat(MAX_BODY_BYTES - 60)}).to_string();
    assert!(just_fits.len() <= MAX_BODY_BYTES);
    assert_eq!(served.ask(Method::POST, "/event", just_fits).await.status(), StatusCode::ACCEPTED);
    served.refused(Method::GET, "/nothing/here", "", 404).await;
    served.refused(Method::GET, "/assets/no-such-file.js", "", 404).await;
    served.refused(Method::POST, "/account", "", 404).await;
    for page in ["/", "/article/7", "/section/World", "/search"] {
        let refused = served.ask(Method::POST, page, "").await;
        assert_eq!(refused.headers()["allow"], "GET,HEAD", "{page}");
        problem(refused, 405).await;
    }
    served.refused(Method::GET, "/demo/%ff", "", 400).await;
}
