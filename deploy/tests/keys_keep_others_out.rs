//! HTTP keys, from the configuration to the door: what is open says so, what others could reach is not open by mistake, and a token that
//! `abovefold token` printed is taken, and a session that was begun with a key outlives the program.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{fs, io::Read, io::Write, net::TcpStream};

use common::{Home, http, program::Program};

const SECRET: &str = "a secret for readers' tokens, in a file";

/// The whole answer to a request with one header.
fn asked(address: &str, request: &str, header: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head =
        format!("{request} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{header}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status_of(answer: &str) -> u16 {
    answer.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn status(address: &str, path: &str, credential: &str) -> u16 {
    status_of(&asked(address, &format!("GET {path}"), &format!("Authorization: Bearer {credential}"), ""))
}

#[test]
fn an_open_program_says_so_and_does_not_listen_for_others() {
    let home = Home::new();
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let line = program.wait_for("no keys are configured");
    assert!(line.contains("open") && line.contains("this machine alone"), "{line}");
    program.address();
    assert_eq!(program.terminate().0, Some(0));

    let outcome = home.run(&["run", "--listen", "0.0.0.0:0"]);
    assert_eq!(outcome.status, Some(1), "{outcome}");
    let line = outcome.error_line();
    assert!(line.contains("no keys are configured") && line.contains("http.open = true"), "{line}");

    let home = home.with("HTTP__OPEN", "true");
    let mut program = Program::spawn(home.command(&["run", "--listen", "0.0.0.0:0"]));
    let address = program.address().replace("0.0.0.0", "127.0.0.1");
    assert_eq!(http::get(&address, "/health").status, 200);
    assert_eq!(program.terminate().0, Some(0));
}

#[test]
fn a_token_is_made_by_the_program_and_taken_by_it() {
    let home = Home::new();
    let outcome = home.run(&["token", "--reader", "ann"]);
    assert_eq!(outcome.status, Some(1), "{outcome}");
    assert!(outcome.error_line().contains("http.token_secret"), "{outcome}");

    let file = home.at("secret");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let home = home.with("HTTP__TOKEN_SECRET_FILE", file.display().to_string());
    let mut program = Program::spawn(home.command(&["run", "--listen", "0.0.0.0:0"]));
    let address = program.address().replace("0.0.0.0", "127.0.0.1");
    let (token, old) = (
        home.done(&["token", "--reader", "ann", "--ttl", "1h"]),
        home.done(&["token", "--reader", "ann", "--ttl", "0s"]),
    );
    assert_eq!(status(&address, "/demo/ann", token.trim()), 200);
    assert_eq!(status(&address, "/demo/bob", token.trim()), 403);
    assert_eq!(status(&address, "/demo/ann", old.trim()), 401);
    assert_eq!(status(&address, "/ops/plain", token.trim()), 403);
    // Programs that ask the owner of the home do so by another door.
    home.done(&["inspect", "lag", "--json"]);
    let checked = home.done(&["check"]);
    assert!(checked.contains("readers' tokens") && !checked.contains(SECRET), "{checked}");
    assert_eq!(program.terminate().0, Some(0));

    fs::write(&file, "short").unwrap();
    let outcome = home.run(&["run", "--listen", "127.0.0.1:0"]);
    let line = outcome.error_line();
    assert!(line.contains("http.token_secret has less than 32 characters"), "{line}");
}

#[test]
fn a_session_that_was_begun_with_a_key_outlives_the_program() {
    let key = "the key of the publisher's own server";
    let home = Home::new().with("HTTP__API_KEYS", key).with("HTTP__BEHIND_TLS", "true");
    let mut program = Program::spawn(home.command(&["run", "--listen", "0.0.0.0:0"]));
    let address = program.address().replace("0.0.0.0", "127.0.0.1");
    let (sign_in, ann) = ("POST /session", r#"{"user_id":"ann"}"#);
    assert_eq!(status_of(&asked(&address, sign_in, "X-Nothing: x", ann)), 401);
    let answer = asked(&address, sign_in, &format!("Authorization: Bearer {key}"), ann);
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let of =
        |address: &str, reader: &str| status_of(&asked(address, &format!("GET /demo/{reader}"), &cookie, ""));
    assert_eq!((of(&address, "ann"), of(&address, "bob")), (200, 403));
    assert_eq!(program.terminate().0, Some(0));

    let mut program = Program::spawn(home.command(&["run", "--listen", "0.0.0.0:0"]));
    let address = program.address().replace("0.0.0.0", "127.0.0.1");
    assert_eq!((of(&address, "ann"), of(&address, "bob")), (200, 403), "after a restart");
    assert!(asked(&address, "GET /session", &cookie, "").contains(r#""user_id":"ann""#));
    assert_eq!(program.terminate().0, Some(0));
}
