//! HTTP: what cannot be served is refused as problem+json, with a status of the 4xx and the name of the field.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use common::{Home, http, program::Program};

#[test]
fn bad_requests_are_refused() {
    let home = Home::new();
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    let long = "x".repeat(129);
    let heavy = format!(r#"{{"user_id":"a","article_id":1,"x":"{}"}}"#, "x".repeat(65 << 10));
    let refused: Vec<(&str, &str, String, u16, &str)> = vec![
        ("POST", "/event", "not JSON".into(), 400, ""),
        ("POST", "/event", r#"{"article_id":1}"#.into(), 422, "user_id"),
        ("POST", "/event", r#"{"user_id":"a"}"#.into(), 422, "article_id"),
        ("POST", "/event", r#"{"user_id":"a","article_id":"x"}"#.into(), 422, "article_id"),
        ("POST", "/event", r#"{"user_id":"a","article_id":1,"read_time":-1}"#.into(), 422, "read_time"),
        ("POST", "/event", r#"{"user_id":"a","article_id":1,"timestamp":"soon"}"#.into(), 422, "timestamp"),
        ("POST", "/event", format!(r#"{{"user_id":"{long}","article_id":1}}"#), 422, "user_id"),
        ("POST", "/event", heavy.clone(), 413, ""),
        ("POST", "/recommend", "[".into(), 400, ""),
        ("POST", "/recommend", "{}".into(), 422, "user_id"),
        ("POST", "/recommend", r#"{"user_id":"a","k":101}"#.into(), 422, "k"),
        ("POST", "/recommend", r#"{"user_id":"a","k":0}"#.into(), 422, "k"),
        ("POST", "/recommend", format!(r#"{{"user_id":"{long}"}}"#), 422, "user_id"),
        ("POST", "/recommend", r#"{"user_id":"a","after":"nonsense"}"#.into(), 422, "after"),
        ("POST", "/recommend", heavy, 413, ""),
        ("POST", "/users/a/preferences", r#"{"topics":"World"}"#.into(), 422, "topics"),
        ("GET", "/users/active?limit=many", String::new(), 422, "limit"),
        ("GET", "/articles/none", String::new(), 422, ""),
        ("GET", "/articles/123456", String::new(), 404, ""),
    ];
    for (method, path, body, status, field) in refused {
        let shown = &body[..body.len().min(80)];
        let answer = http::request(&address, method, path, Some(&body));
        assert_eq!(answer.status, status, "{method} {path} {shown}: {answer:?}");
        assert!(
            answer.head.to_lowercase().contains("application/problem+json"),
            "{method} {path} {shown}: {answer:?}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(answer.body.contains(field), "{method} {path} {shown} names {field}: {problem}");
    }
    assert_eq!(http::get(&address, "/health").status, 200, "it lives");
    assert_eq!(program.terminate().0, Some(0));
}
