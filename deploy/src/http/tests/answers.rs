//! What a request that is right is answered.

use abovefold_schemas::{Offset, ReaderId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Served, json_of, seen};

#[tokio::test]
async fn an_event_is_in_the_log_under_its_reader_and_its_token_is_understood() {
    let served = Served::start().await;
    let event = json!({"user_id": 42, "article_id": 7, "read_time": 45.2, "scroll_pct": 85.0, "device_type": 1,
        "timestamp": "2024-01-01T12:00:00", "colour": "red"});
    let accepted = json_of(served.post("/event", event).await, StatusCode::ACCEPTED).await;
    let home = served.query.home(&ReaderId::new("42").unwrap());
    assert_eq!((accepted["partition"].as_u64(), accepted["offset"].as_u64()), (Some(home.into()), Some(0)));
    assert_eq!(served.log.bounds("user_events").await.unwrap()[home as usize].end, Offset(1));

    let request = json!({"user_id": "42", "after": accepted["after"], "k": 3});
    let slate = json_of(served.post("/recommend", request.clone()).await, StatusCode::OK).await;
    assert_eq!(slate["fresh"], false, "nobody folds here");
    served.know("42", &[7]).await;
    let slate = json_of(served.post("/recommend", request).await, StatusCode::OK).await;
    assert_eq!((&slate["fresh"], slate["state"]["marker"].as_u64()), (&json!(true), Some(1)));

    for (method, path, body) in [
        (Method::POST, "/users/a%2Fb/preferences", r#"{"topics":["World","Science"]}"#),
        (Method::DELETE, "/users/a%2Fb", ""),
        (Method::DELETE, "/users/active", ""),
    ] {
        let accepted = json_of(served.ask(method, path, body).await, StatusCode::ACCEPTED).await;
        assert!(accepted["after"].as_str().is_some_and(|token| token.len() == 34), "{path}");
    }
}

#[tokio::test]
async fn readers_see_another_namespace_from_one_request_to_the_next() {
    let served = Served::start().await;
    let namespace = async || {
        let slate = json_of(served.post("/recommend", json!({"user_id": 42})).await, StatusCode::OK).await;
        slate["state"]["namespace"].clone()
    };
    assert_eq!(namespace().await, "main");
    let under_way = served.reading.seen();
    served.reading.switch(seen("green", &served.query));
    assert_eq!(namespace().await, "green");
    assert_eq!(under_way.namespace, "main", "a request goes on with what it began with");
    assert!(
        served.reading.set_trouble(Some("no model".into()))
            && !served.reading.set_trouble(Some("no model".into()))
    );
    let health = json_of(served.get("/health").await, StatusCode::OK).await;
    assert_eq!(
        (&health["status"], &health["namespace"], &health["reason"]),
        (&json!("degraded"), &json!("green"), &json!("no model"))
    );
}

#[tokio::test]
async fn a_slate_has_the_shape_of_the_contract() {
    let served = Served::start().await;
    let request = json!({"user_id": 42, "k": 4, "exclude": [29], "explain": true});
    let slate = json_of(served.post("/recommend", request).await, StatusCode::OK).await;
    assert_eq!(
        (&slate["user_id"], &slate["served_by"], &slate["fresh"]),
        (&json!("42"), &json!("newest"), &json!(true))
    );
    assert_eq!(slate["impression_id"].as_str().map(str::len), Some(16));
    assert!(slate["model"].is_null());
    let ids: Vec<i64> = slate["recommendations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| card["article_id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [28, 27, 26, 25], "neither excluded nor withdrawn");
    let card = &slate["recommendations"][0];
    assert_eq!((&card["title"], &card["category"]), (&json!("Headline 28"), &json!("Sport")));
    assert!((0.0..=1.0).contains(&card["score"].as_f64().unwrap()));
    assert_eq!(card["explanation"]["source"], "newest");

    let related = json_of(served.get("/articles/9/related?user_id=42").await, StatusCode::OK).await;
    assert_eq!(
        (&related["article_id"], related["recommendations"].as_array().unwrap().len()),
        (&json!(9), 3)
    );
    assert!(related["recommendations"].as_array().unwrap().iter().all(|card| card["category"] == "World"));
}

#[tokio::test]
async fn a_readers_page_lists_its_reads_newest_first_with_titles() {
    let served = Served::start().await;
    served.know("ann", &[5, 6, 999]).await;
    let page = json_of(served.get("/demo/ann").await, StatusCode::OK).await;
    let history = page["history"].as_array().unwrap();
    assert_eq!(
        history.iter().map(|read| read["article_id"].as_i64().unwrap()).collect::<Vec<_>>(),
        [999, 6, 5]
    );
    assert_eq!((&history[1]["title"], &history[0]["title"]), (&json!("Headline 6"), &Value::Null));
    assert_eq!(
        (&history[2]["read_time"], &history[2]["timestamp"]),
        (&json!(45.2), &json!("2024-01-01T12:00:00.000Z"))
    );
    assert_eq!(page["recommendations"].as_array().unwrap().len(), 10);
    let active = json_of(served.get("/users/active?limit=5").await, StatusCode::OK).await;
    assert_eq!(active, json!([{"user_id": "ann", "reads": 3, "last_seen": "2024-01-01T12:00:00.000Z"}]));
    let unknown = json_of(served.get("/demo/nobody").await, StatusCode::OK).await;
    assert_eq!(unknown["history"], json!([]));
}

#[tokio::test]
async fn articles_are_read_listed_and_missed() {
    let served = Served::start().await;
    let article = json_of(served.get("/articles/7").await, StatusCode::OK).await;
    assert_eq!((&article["title"], &article["body"]), (&json!("Headline 7"), &json!("One.\n\nTwo.")));
    assert_eq!(article["published_time"], "2024-01-01T12:07:00.000Z");
    let list = json_of(served.get("/articles?category=Sport&limit=2").await, StatusCode::OK).await;
    assert_eq!(
        list.as_array().unwrap().iter().map(|card| card["article_id"].as_i64().unwrap()).collect::<Vec<_>>(),
        [28, 25]
    );
    served.refused(Method::GET, "/articles/12345", "", 404).await;
    served.refused(Method::GET, "/articles/30", "", 410).await;
    assert_eq!(served.refused(Method::GET, "/articles/seven", "", 422).await["field"], "article_id");
    assert_eq!(served.refused(Method::GET, "/articles?limit=0", "", 422).await["field"], "limit");
}
