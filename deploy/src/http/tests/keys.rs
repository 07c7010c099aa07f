//! Who may ask for what, how often, and from which pages.

use abovefold_engine::Runtime;
use abovefold_schemas::{ReaderId, Timestamp};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{Served, problem};
use crate::{
    config::{Config, HttpConfig},
    http::{Guard, openapi_json, token::TokenSecret},
};

pub(super) const API: &str = "the shop's own key, which is long";
pub(super) const ADMIN: &str = "the operator's own key, which is long";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn closed(http: &mut HttpConfig) {
    http.api_keys = vec!["another server's key".into(), API.into()];
    http.admin_keys = vec![ADMIN.into()];
    http.token_secret = SECRET.into();
    http.demo_readers = true;
}

pub(super) fn token(reader: &str, seconds: i64) -> String {
    let expires = Timestamp(Runtime::real().now().0 + seconds * 1_000);
    TokenSecret::new(SECRET).sign(&ReaderId::new(reader).unwrap(), expires)
}

/// A documented operation and what it asks for.
struct Operation {
    method: Method,
    path: String,
    is_guarded: bool,
}

impl Operation {
    fn is_for_operators(&self) -> bool {
        let path = self.path.as_str();
        ["/ops/plain", "/metrics"].contains(&path)
            || path.starts_with("/admin")
            || (path == "/users/active" && self.method == Method::GET)
    }
}

/// Every documented operation.
fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                is_guarded: operation["security"].is_array(),
            });
        }
    }
    assert!(operations.len() >= 13);
    operations
}

/// The operation as it is asked for a reader.
fn asked(served: &Served, operation: &Operation, reader: &str) -> RequestBuilder {
    let path = operation.path.replace("{user_id}", reader).replace("{article_id}", "7");
    let path = if path.ends_with("/related") { format!("{path}?user_id={reader}") } else { path };
    let request = served.client.request(operation.method.clone(), format!("{}{path}", served.address));
    if operation.method != Method::POST {
        return request;
    }
    let body = json!({"user_id": reader, "article_id": 7, "topics": ["World"]});
    request.body(body.to_string())
}

async fn status(request: RequestBuilder, credential: &str) -> u16 {
    request.bearer_auth(credential).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn where_keys_are_configured_nobody_gets_in_without_one() {
    let served = Served::with(closed).await;
    for operation in operations() {
        let answer = asked(&served, &operation, "ann").send().await.unwrap();
        let name = format!("{} {}", operation.method, operation.path);
        if operation.is_guarded {
            assert_eq!(answer.headers()["www-authenticate"], "Bearer", "{name}");
            problem(answer, 401).await;
        } else {
            assert!(answer.status().is_success(), "{name}: {}", answer.status());
        }
    }
    let open: Vec<String> = operations()
        .into_iter()
        .filter(|o| !o.is_guarded)
        .map(|o| format!("{} {}", o.method, o.path))
        .collect();
    // The frame of the operations page holds no numbers.
    assert_eq!(open, ["GET /health", "GET /ops", "DELETE /session", "GET /session"]);
    for path in ["/", "/article/7", "/docs", "/openapi.json", "/pages.css"] {
        assert_eq!(served.get(path).await.status(), StatusCode::OK, "{path}: the site's files stay");
    }
    for path in ["/admin/anything", "/recommend"] {
        let wrong = served.client.put(format!("{}{path}", served.address)).send().await.unwrap();
        assert_ne!(wrong.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_readers_token_reads_and_writes_that_reader_only() {
    let served = Served::with(closed).await;
    let (ann, bob) = (token("ann", 60), token("bob", 60));
    for operation in operations().into_iter().filter(|operation| operation.is_guarded) {
        if operation.is_for_operators() {
            continue;
        }
        let name = format!("{} {}", operation.method, operation.path);
        let of_no_reader = ["/articles", "/articles/sections", "/articles/{article_id}", "/readers/demo"]
            .contains(&operation.path.as_str());
        // The reader of this name is called `active`.
        let own = if operation.path == "/users/active" { token("active", 60) } else { ann.clone() };
        let of_ann = status(asked(&served, &operation, "ann"), &own).await;
        let of_another = status(asked(&served, &operation, "ann"), &bob).await;
        let of_server = status(asked(&served, &operation, "ann"), API).await;
        let of_operator = status(asked(&served, &operation, "ann"), ADMIN).await;
        let all = [of_ann, of_server, of_operator];
        assert!(all.iter().all(|status| (200..300).contains(status)), "{name}: {all:?}");
        assert_eq!(of_another == 403, !of_no_reader, "{name}: {of_another}");
    }
    let written: u64 = served.log.bounds("user_events").await.unwrap().iter().map(|b| b.end.0).sum();
    // POST /event, POST preferences and two DELETE, by the reader, a server and the operator.
    assert_eq!(written, 12, "and nothing by another's token");
}

#[tokio::test]
async fn operators_endpoints_ask_for_an_operators_key() {
    let served = Served::with(closed).await;
    let for_operators: Vec<Operation> =
        operations().into_iter().filter(Operation::is_for_operators).collect();
    assert!(for_operators.len() >= 3);
    for operation in for_operators {
        let name = format!("{} {}", operation.method, operation.path);
        for credential in [token("ann", 60).as_str(), API] {
            assert_eq!(status(asked(&served, &operation, "ann"), credential).await, 403, "{name}");
        }
        let of_operator = status(asked(&served, &operation, "ann"), ADMIN).await;
        // What is named here is not there, and the operator is told so.
        let is_told = operation.path.contains('{')
            || operation.method != Method::GET
            || operation.path.ends_with("/slate");
        let expected = if is_told { 200..500 } else { 200..300 };
        assert!(
            expected.contains(&of_operator) && of_operator != 401 && of_operator != 403,
            "{name}: {of_operator}"
        );
    }
}

#[tokio::test]
async fn what_is_no_key_and_no_token_is_refused() {
    let served = Served::with(closed).await;
    let ask = || served.client.get(format!("{}/demo/ann", served.address));
    assert_eq!(status(ask(), &token("ann", 60)).await, 200);
    let old = ask().bearer_auth(token("ann", -1)).send().await.unwrap();
    assert!(problem(old, 401).await["detail"].as_str().unwrap().contains("expired"));
    let forged = TokenSecret::new("another secret").sign(&ReaderId::new("ann").unwrap(), Timestamp(i64::MAX));
    let longer = format!("{API}x");
    for credential in [&forged, &longer, &API[1..], "", "x", &"x".repeat(10_000)] {
        assert_eq!(status(ask(), credential).await, 401, "{credential:.40}");
    }
    for header in [API, "Basic YW5uOmFubg==", "Bearer", "bearer\tx"] {
        let refused = ask().header("authorization", header).send().await.unwrap();
        problem(refused, 401).await;
    }
    let twice = ask().header("authorization", format!("Bearer {API}"));
    let twice = twice.header("authorization", format!("Bearer {ADMIN}")).send().await.unwrap();
    problem(twice, 401).await;
    let lower = ask().header("authorization", format!("bearer {API}")).send().await.unwrap();
    assert_eq!(lower.status(), StatusCode::OK, "the scheme's case does not matter");
}

#[tokio::test]
async fn an_operators_key_alone_leaves_readers_endpoints_open() {
    let served = Served::with(|http| http.admin_keys = vec![ADMIN.into()]).await;
    assert_eq!(served.get("/demo/ann").await.status(), StatusCode::OK);
    problem(served.get("/ops/plain").await, 401).await;
    let ops = served.client.get(format!("{}/ops/plain", served.address));
    assert_eq!(status(ops, ADMIN).await, 200);
}

#[tokio::test]
async fn nobody_listens_where_others_reach_an_open_port() {
    let http = Config::load(None, &[]).unwrap().http;
    let guard = |http: &HttpConfig| Guard::new(http, Runtime::real()).unwrap();
    let elsewhere = ["0.0.0.0:80", "192.0.2.1:80", "[::]:80", "[2001:db8::1]:80"];
    for address in elsewhere.map(|address| address.parse().unwrap()) {
        let refused = guard(&http).check_address(address, false).unwrap_err().to_string();
        for word in ["no keys are configured", "http.api_keys", "http.open = true", "127.0.0.1"] {
            assert!(refused.contains(word) && !refused.contains('\n'), "{refused}");
        }
        guard(&http).check_address(address, true).unwrap();
        let operators_only = HttpConfig { admin_keys: vec![ADMIN.into()], ..http.clone() };
        assert!(guard(&operators_only).check_address(address, false).is_err(), "readers' endpoints are open");
        for keys in [
            HttpConfig { api_keys: vec![API.into()], ..http.clone() },
            HttpConfig { token_secret: SECRET.into(), ..http.clone() },
        ] {
            guard(&keys).check_address(address, false).unwrap();
        }
    }
    for address in ["127.0.0.1:80", "127.3.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        guard(&http).check_address(address.parse().unwrap(), false).unwrap();
    }
    for wrong in [
        HttpConfig { api_keys: vec!["short".into()], ..http.clone() },
        HttpConfig { admin_keys: vec![API.into(), "short".into()], ..http.clone() },
        HttpConfig { token_secret: "no 32 characters".into(), ..http.clone() },
        HttpConfig { api_keys_file: "/no/such/file".into(), ..http.clone() },
        HttpConfig { cors_origins: vec!["*".into()], ..http.clone() },
        HttpConfig { cors_origins: vec!["https://news.example/".into()], ..http },
    ] {
        let error = format!("{:#}", Guard::new(&wrong, Runtime::real()).unwrap_err());
        assert!(!error.contains("short") && !error.contains("no 32"), "no secret is said: {error}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let served = Served::with(|http| {
        closed(http);
        (http.requests_per_second, http.burst) = (0.01, 3);
        (http.key_requests_per_second, http.key_burst) = (0.01, 5);
    })
    .await;
    let ask = || served.client.get(format!("{}/articles/7", served.address));
    let ann = token("ann", 60);
    for _ in 0..3 {
        assert_eq!(status(ask(), &ann).await, 200);
    }
    // Another token of the same reader is no other client.
    let refused = ask().bearer_auth(token("ann", 90)).send().await.unwrap();
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=100).contains(&seconds), "{seconds}");
    problem(refused, 429).await;
    assert_eq!(status(ask(), &token("bob", 60)).await, 200);
    for _ in 0..5 {
        assert_eq!(status(ask(), API).await, 200);
    }
    assert_eq!(status(ask(), API).await, 429);
    assert_eq!(status(ask(), ADMIN).await, 200);
    for _ in 0..20 {
        assert_eq!(
            served.get("/health").await.status(),
            StatusCode::OK,
            "this machine's addresses are not limited"
        );
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_not_ask_unless_they_are_named() {
    const HEADER: &str = "access-control-allow-origin";
    let from = |served: &Served, method: Method, origin: &str| {
        let request = served.client.request(method, format!("{}/recommend", served.address));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization, content-type").send()
    };
    let served = Served::start().await;
    for method in [Method::OPTIONS, Method::POST, Method::GET] {
        let answer = from(&served, method, "https://news.example").await.unwrap();
        assert!(!answer.headers().contains_key(HEADER), "{answer:?}");
    }
    let served = Served::with(|http| {
        closed(http);
        http.cors_origins = vec!["https://news.example".into()];
    })
    .await;
    for method in [Method::OPTIONS, Method::POST] {
        let answer = from(&served, method.clone(), "https://news.example").await.unwrap();
        assert_eq!(answer.headers()[HEADER], "https://news.example");
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
        let other = from(&served, method, "https://other.example").await.unwrap();
        assert!(!other.headers().contains_key(HEADER));
    }
    let preflight = from(&served, Method::OPTIONS, "https://news.example").await.unwrap();
    assert_eq!(preflight.status(), StatusCode::OK, "it carries no key");
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
    assert!(allowed.contains("authorization") && allowed.contains("x-request-timeout-ms"), "{allowed}");
}
