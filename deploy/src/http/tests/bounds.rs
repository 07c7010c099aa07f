//! What is too slow, too much, packed or ambiguous is bounded.

use std::time::Duration;

use abovefold_operators::query::QueryError;
use axum::response::IntoResponse;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Served, json_of, problem};
use crate::http::{MAX_BODY_BYTES, problem::Problem};

/// What a test waits for at most, where it would wait for ever if the program did.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.address.trim_start_matches("http://")).await.unwrap()
}

/// All that comes until the other side closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    read.expect("the connection is closed").ok();
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_closed() {
    let served = Served::with(|http| http.header_seconds = 0.2).await;
    for head in [
        "",
        "GE",
        "GET /health HTTP/1.1\r\nHost: here\r\nX-Slow: ",
        "GET /health HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        let mut stream = connect(&served).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert_eq!(answer.contains("200 OK"), head.ends_with("\r\n\r\n"), "{head}: {answer}");
    }
    assert_eq!(served.get("/health").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let served = Served::with(|http| http.body_seconds = 0.1).await;
    for path in ["/event", "/recommend", "/users/ann/preferences"] {
        let mut stream = connect(&served).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n{{\"user_id\":");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 408 "), "{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("within 0.1 s"), "{answer}");
    }
    // One byte a moment does not help: the whole body counts.
    let mut stream = connect(&served).await;
    stream.write_all(b"POST /event HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let drip = async {
        while writing.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut start = [0; 12];
    tokio::select! {
        read = tokio::time::timeout(PATIENCE, reading.read_exact(&mut start)) => { read.unwrap().unwrap(); }
        () = drip => {}
    }
    assert_eq!(&start, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_let_go_and_connections_are_counted() {
    let served = Served::with(|http| (http.connections, http.write_seconds) = (1, 0.3)).await;
    let mut greedy = connect(&served).await;
    // More than any buffer between the two holds: some 20 KB each.
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n".repeat(2_000);
    greedy.set_nodelay(true).unwrap();
    let asking = async {
        // It stops taking requests as well.
        greedy.write_all(requests.as_bytes()).await.ok();
        std::future::pending::<()>().await;
    };
    let second = async {
        // Until the first one is let go, this one waits to be accepted.
        tokio::time::timeout(PATIENCE, served.get("/health")).await.expect("there is place again").status()
    };
    tokio::select! {
        () = asking => unreachable!("it never ends"),
        status = second => assert_eq!(status, StatusCode::OK),
    }
}

#[tokio::test]
async fn a_head_or_a_body_that_is_too_long_is_refused() {
    let served = Served::start().await;
    let mut stream = connect(&served).await;
    let head = format!("GET /health HTTP/1.1\r\nHost: here\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    // It may be closed before all of it is written.
    stream.write_all(head.as_bytes()).await.ok();
    let answer = until_closed(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    let mut stream = connect(&served).await;
    stream.write_all(format!("GET /health HTTP/1.1\r\nHost: here\r\n{many}\r\n").as_bytes()).await.ok();
    assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 431"));
    // In pieces, without a length.
    let mut stream = connect(&served).await;
    stream
        .write_all(b"POST /event HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let piece = format!("1000\r\n{}\r\n", "x".repeat(4_096));
    for _ in 0..=MAX_BODY_BYTES / 4_096 {
        stream.write_all(piece.as_bytes()).await.ok();
    }
    let mut start = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn packed_bodies_are_not_unpacked() {
    let served = Served::start().await;
    let ask = |path: &str, encoding: &str| {
        let request = served.client.post(format!("{}{path}", served.address));
        request
            .header("content-encoding", encoding)
            .body(r#"{"user_id":"a","article_id":7,"topics":[]}"#)
            .send()
    };
    for path in ["/event", "/recommend", "/users/a/preferences"] {
        for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP"] {
            let refused = ask(path, encoding).await.unwrap();
            assert_eq!(refused.headers()["accept-encoding"], "identity");
            problem(refused, 415).await;
        }
        assert!(ask(path, "identity").await.unwrap().status().is_success(), "{path}");
    }
}

#[tokio::test]
async fn a_name_that_is_there_twice_is_refused() {
    let served = Served::start().await;
    for (path, body) in [
        ("/recommend", r#"{"user_id":"a","user_id":"b"}"#),
        ("/recommend", r#"{"user_id":"a","k":1,"k":1}"#),
        ("/recommend", r#"{"user_id":"a","x":{"y":1,"y":2}}"#),
        ("/event", r#"{"user_id":"a","article_id":1,"article_id":2}"#),
        ("/event", r#"{"user_id":"a","article_id":1,"colour":1,"colour":2}"#),
        ("/users/a/preferences", r#"{"topics":["World"],"topics":["Sport"]}"#),
    ] {
        served.refused(Method::POST, path, body, 400).await;
    }
    let written: u64 = served.log.bounds("user_events").await.unwrap().iter().map(|b| b.end.0).sum();
    assert_eq!(written, 0);
}

#[tokio::test]
async fn what_is_unknown_is_no_error_and_what_cannot_be_is_one() {
    let served = Served::start().await;
    let long = "x".repeat(10_000);
    for body in [
        json!({"user_id": "nobody ever heard of"}),
        json!({"user_id": "a", "exclude": [i64::MAX, i64::MIN, -1, 12_345_678, 12_345_678]}),
        json!({"user_id": "a", "article_id": 12_345_678}),
        json!({"user_id": "a", "k": 100, "unknown": {"deep": [[[]]]}, "after": null}),
        // 1.0 is an integer.
        json!({"user_id": -3.0, "k": 10.0, "exclude": [1.0, 2e3], "device_type": 1.0}),
    ] {
        let slate = json_of(served.post("/recommend", body).await, StatusCode::OK).await;
        assert!(!slate["recommendations"].as_array().unwrap().is_empty());
    }
    let event = json!({"user_id": 42.0, "article_id": 7.0, "seq": 1.0, "view_id": "v"});
    assert_eq!(served.post("/event", event).await.status(), StatusCode::ACCEPTED);
    let token = |partition: u32, offset: u64| {
        let known = served
            .query
            .token(abovefold_engine::log::Position { partition, offset: abovefold_schemas::Offset(offset) });
        json!({"user_id": "a", "after": known})
    };
    let far = json_of(served.post("/recommend", token(1, u64::MAX - 1)).await, StatusCode::OK).await;
    assert_eq!(far["fresh"], false, "an offset that is not there yet is waited for, and not long");
    let mut refused = vec![
        ("after", token(4, 0)),
        ("after", token(u32::MAX, 0)),
        ("after", token(1, u64::MAX)),
        ("after", json!({"user_id": "a", "after": long})),
        ("after", json!({"user_id": "a", "after": -1})),
        ("article_id", json!({"user_id": "a", "article_id": 9_223_372_036_854_775_808_u64})),
    ];
    for k in [json!(0), json!(-1), json!(10_000), json!(u64::MAX), json!(1e300), json!("10"), json!([10])] {
        refused.push(("k", json!({"user_id": "a", "k": k})));
    }
    for user in [json!(long), json!(1.5), json!(true), json!(null), json!({}), json!(["a"]), json!(u64::MAX)]
    {
        refused.push(("user_id", json!({"user_id": user})));
    }
    for exclude in [json!("1"), json!([1.5]), json!([null]), json!({"0": 1}), json!([u64::MAX])] {
        refused.push(("exclude", json!({"user_id": "a", "exclude": exclude})));
    }
    for (field, body) in refused {
        let shown = format!("{body:.80}");
        let problem = served.refused(Method::POST, "/recommend", body.to_string(), 422).await;
        assert_eq!(problem["field"], field, "{shown}");
    }
    // An integer that does not fit is read as a float, which must not be taken for its neighbour.
    served.refused(Method::POST, "/recommend", r#"{"user_id":-9223372036854775809}"#, 422).await;
    for (path, field) in [
        (format!("/demo/{long}"), "user_id"),
        ("/demo/a?k=0".into(), "k"),
        ("/demo/a?k=10000".into(), "k"),
        ("/demo/a?after=-1".into(), "after"),
        (format!("/articles/{long}"), "article_id"),
        ("/articles/99999999999999999999".into(), "article_id"),
        (format!("/articles/7/related?user_id={long}"), "user_id"),
        ("/articles?limit=-1".into(), "limit"),
    ] {
        assert_eq!(served.refused(Method::GET, &path, "", 422).await["field"], field, "{path:.60}");
    }
}

#[tokio::test]
async fn a_deadline_is_a_number_of_milliseconds() {
    let served = Served::start().await;
    let paths = ["/recommend", "/demo/ann", "/articles/7/related?user_id=ann"];
    let ask = |path: &str| {
        let method = if path == "/recommend" { Method::POST } else { Method::GET };
        let request = served.client.request(method, format!("{}{path}", served.address));
        request.body(if path == "/recommend" { r#"{"user_id":"ann"}"# } else { "" })
    };
    const HEADER: &str = "x-request-timeout-ms";
    for path in paths {
        for wrong in ["", "0", "-1", "30001", "1.5", "soon", "+5", "1e3", "99999999999999999999", "5 "] {
            let answer = ask(path).header(HEADER, wrong).send().await.unwrap();
            // Blanks around a header's value are none of its own.
            match wrong {
                "5 " => assert_ne!(answer.status(), StatusCode::BAD_REQUEST),
                _ => drop(problem(answer, 400).await),
            }
        }
        let twice = ask(path).header(HEADER, "5").header(HEADER, "6").send().await.unwrap();
        problem(twice, 400).await;
        let answer = ask(path).header(HEADER, "30000").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let late = Problem::from(QueryError::Late).into_response();
    assert_eq!((late.status(), late.headers().get("retry-after")), (StatusCode::GATEWAY_TIMEOUT, None));
    let busy = Problem::from(QueryError::Busy).into_response();
    assert_eq!(
        (busy.status(), &busy.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
}
