//! Signing in and out, and what a session may do, with keys and without.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{Served, json_of, keys, problem};

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &reqwest::Response) -> String {
    let header = answer.headers()["set-cookie"].to_str().unwrap();
    header.split(';').next().unwrap().into()
}

/// Signs in by a key, and returns the cookie.
async fn signed_in(served: &Served, reader: &str) -> String {
    let request = served.client.post(format!("{}/session", served.address)).bearer_auth(keys::API);
    let answer = request.body(json!({"user_id": reader}).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    cookie(&answer)
}

fn by(served: &Served, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    served.client.request(method, format!("{}{path}", served.address)).header("cookie", cookie)
}

async fn who(served: &Served, cookie: &str) -> Value {
    json_of(by(served, Method::GET, "/session", cookie).send().await.unwrap(), StatusCode::OK).await
}

async fn written(served: &Served) -> u64 {
    served.log.bounds("user_events").await.unwrap().iter().map(|bounds| bounds.end.0).sum()
}

#[tokio::test]
async fn where_no_keys_are_configured_anybody_takes_a_name() {
    let served = Served::start().await;
    let nobody = json_of(served.get("/session").await, StatusCode::OK).await;
    assert_eq!(nobody, json!({"user_id": null, "expires": null, "open": true, "demo_readers": true}));
    for (sent, taken) in
        [(json!("ann"), "ann"), (json!(42), "42"), (json!("søren; Path=/\"x"), "søren; Path=/\"x")]
    {
        let answer = served.post("/session", json!({"user_id": sent})).await;
        let header = answer.headers()["set-cookie"].to_str().unwrap().to_string();
        assert!(header.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict"), "{header}");
        let cookie = cookie(&answer);
        let said = json_of(answer, StatusCode::OK).await;
        assert_eq!((&said["user_id"], &said["open"]), (&json!(taken), &json!(true)));
        assert_eq!(who(&served, &format!("theme=dark; {cookie}")).await, said);
        assert_eq!(who(&served, &format!("{cookie}x")).await["user_id"], Value::Null);
    }
    let answer = served.ask(Method::DELETE, "/session", "").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(cookie(&answer), "abovefold_session=");
    assert_eq!(written(&served).await, 0, "it is no event");
}

#[tokio::test]
async fn what_signs_nobody_in_says_why() {
    let served = Served::start().await;
    for (body, status) in
        [("", 400), ("[]", 400), ("{}", 422), (r#"{"user_id":""}"#, 422), (r#"{"user_id":true}"#, 422)]
    {
        served.refused(Method::POST, "/session", body, status).await;
    }
    for method in [Method::POST, Method::DELETE] {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://other.example")] {
            let request = served.client.request(method.clone(), format!("{}/session", served.address));
            let answer = request.header(name, value).body(r#"{"user_id":"ann"}"#).send().await.unwrap();
            assert!(!answer.headers().contains_key("set-cookie"));
            problem(answer, 403).await;
        }
    }
}

#[tokio::test]
async fn with_keys_a_session_takes_one_and_is_no_way_to_another() {
    let served = Served::with(keys::closed).await;
    served.refused(Method::POST, "/session", r#"{"user_id":"ann"}"#, 401).await;
    let sign_in = |credential: String, reader: &str| {
        let request = served.client.post(format!("{}/session", served.address)).bearer_auth(credential);
        request.body(json!({"user_id": reader}).to_string()).send()
    };
    problem(sign_in(keys::token("bob", 60), "ann").await.unwrap(), 403).await;
    for credential in [keys::token("ann", 60), keys::API.into(), keys::ADMIN.into()] {
        let answer = sign_in(credential, "ann").await.unwrap();
        let cookie = cookie(&answer);
        assert_eq!(who(&served, &cookie).await["user_id"], "ann");
        let again = by(&served, Method::POST, "/session", &cookie).header("sec-fetch-site", "same-origin");
        problem(again.body(r#"{"user_id":"ann"}"#).send().await.unwrap(), 401).await;
        // A token is no session, and a session is no token.
        let value = cookie.split_once('=').unwrap().1;
        let as_token = served.client.get(format!("{}/demo/ann", served.address)).bearer_auth(value);
        problem(as_token.send().await.unwrap(), 401).await;
    }
    let forged = format!("abovefold_session={}", keys::token("ann", 60));
    assert_eq!(who(&served, &forged).await["user_id"], Value::Null);
    problem(by(&served, Method::GET, "/demo/ann", &forged).send().await.unwrap(), 401).await;
}

#[tokio::test]
async fn with_keys_a_session_reads_and_writes_its_reader_from_this_origin_only() {
    let served = Served::with(keys::closed).await;
    let cookie = signed_in(&served, "ann").await;
    let status = async |request: RequestBuilder| request.send().await.unwrap().status().as_u16();
    for path in [
        "/demo/ann",
        "/articles/7",
        "/articles?limit=3",
        "/users/ann/events",
        "/articles/7/related?user_id=ann",
    ] {
        assert_eq!(status(by(&served, Method::GET, path, &cookie)).await, 200, "{path}");
    }
    for path in ["/demo/bob", "/users/bob/events", "/articles/7/related?user_id=bob"] {
        problem(by(&served, Method::GET, path, &cookie).send().await.unwrap(), 403).await;
    }
    for path in ["/ops/plain", "/metrics", "/users/active", "/admin/models"] {
        problem(by(&served, Method::GET, path, &cookie).send().await.unwrap(), 401).await;
    }
    let writes = [
        (Method::POST, "/event", json!({"user_id": "ann", "article_id": 7})),
        (Method::POST, "/recommend", json!({"user_id": "ann"})),
        (Method::POST, "/users/ann/preferences", json!({"topics": ["World"]})),
        (Method::DELETE, "/users/ann", Value::Null),
    ];
    let host = served.address.trim_start_matches("http://");
    for (method, path, body) in writes {
        // A beacon is sent as plain text.
        let ask = || {
            let request = by(&served, method.clone(), path, &cookie).header("content-type", "text/plain");
            request.body(body.to_string())
        };
        for (name, value) in [
            ("x-nothing", "x"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://127.0.0.1:1"),
            ("origin", "null"),
        ] {
            let before = written(&served).await;
            problem(ask().header(name, value).send().await.unwrap(), 403).await;
            assert_eq!(written(&served).await, before, "{name}: {value}");
        }
        let here = [("sec-fetch-site", "same-origin".to_string()), ("origin", format!("http://{host}"))];
        for (name, value) in here {
            let code = status(ask().header(name, value)).await;
            assert!([200, 202].contains(&code), "{path} by {name}: {code}");
        }
    }
    let before = written(&served).await;
    let of_bob = by(&served, Method::POST, "/event", &cookie).header("sec-fetch-site", "same-origin");
    let of_bob = of_bob.body(json!({"user_id": "bob", "article_id": 7}).to_string()).send().await.unwrap();
    problem(of_bob, 403).await;
    assert_eq!(written(&served).await, before);
    // What is presented in the header counts before what goes along by itself.
    let other = by(&served, Method::GET, "/demo/bob", &cookie).bearer_auth(keys::token("bob", 60));
    assert_eq!(status(other).await, 200);
    let wrong = by(&served, Method::GET, "/demo/ann", &cookie).bearer_auth("nothing that is known here");
    assert_eq!(status(wrong).await, 401);
}

#[tokio::test]
async fn a_session_is_counted_with_its_readers_tokens() {
    let served = Served::with(|http| {
        keys::closed(http);
        (http.requests_per_second, http.burst) = (0.01, 3);
    })
    .await;
    let cookie = signed_in(&served, "ann").await;
    for _ in 0..3 {
        let answer = by(&served, Method::GET, "/articles/7", &cookie).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    problem(by(&served, Method::GET, "/articles/7", &cookie).send().await.unwrap(), 429).await;
}
