//! While `abovefold run` owns an embedded home, other programs ask it; and `check` names what does not answer.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::path::{Path, PathBuf};

use common::{
    Home, http, newsroom,
    program::{Program, eventually},
    servers::Server,
    skip,
};
use serde_json::{Value, json};

fn fixture() -> PathBuf {
    let named = std::env::var_os("ABOVEFOLD_DATA").map(PathBuf::from);
    let data = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    data.join("ebnerd-fixture")
}

fn wait_for_lag(home: &Home) {
    eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
}

#[test]
fn commands_ask_the_owner_of_an_embedded_home() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    newsroom::model(&home.at("model"));
    newsroom::data_folder(&home.at("data"), 60, 10, 200, 5);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();

    let said = home.done(&["index", "--data", "data", "--wait"]);
    assert!(said.contains("60 articles written, 60 of them with a vector"), "{said}");
    let said = home.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "150"]);
    assert!(said.contains("150 reads sent"), "{said}");
    wait_for_lag(&home);

    let reader = home.json(&["inspect", "reader", "1", "--json"]);
    assert_eq!(reader["session_embedding"].as_array().unwrap().len(), 768);
    let kept = reader["reads"].as_array().unwrap();
    assert!(!kept.is_empty() && kept.iter().all(|read| read["article_id"].as_i64().is_some()), "{reader}");
    assert!(home.done(&["inspect", "reader", "1"]).contains("Headline"), "in words, with titles");
    let article = kept[0]["article_id"].to_string();
    let counted = home.json(&["inspect", "article", &article, "--json"]);
    assert!(counted["reads"].as_u64().unwrap() >= 1, "{counted}");
    assert_eq!(counted["title"], newsroom::title(article.parse().unwrap()));
    assert_eq!(home.digest("live")["offsets"].as_array().unwrap().len(), 4);

    let rows = home.json_lines(&[
        "sql",
        "--json",
        "SELECT count(*) AS n, count(DISTINCT user_id) AS readers FROM user_events",
    ]);
    assert_eq!(rows[0]["n"], 150, "{rows:?}");
    let rows = home.json_lines(&["sql", "--json", "SELECT sum(total_reads) AS n FROM readers"]);
    assert_eq!(rows[0]["n"], 150, "{rows:?}");
    let table = home
        .done(&["sql", "SELECT category, count(*) AS n FROM articles GROUP BY category ORDER BY category"]);
    assert!(table.contains("Culture") && table.contains("15"), "{table}");
    let wrong = home.run(&["sql", "SELECT * FROM nowhere"]);
    assert_eq!((wrong.status, wrong.error_line().contains("user_events")), (Some(1), true), "{wrong}");

    let slate = http::post(&address, "/recommend", &json!({"user_id": "1"})).json();
    let first = &slate["recommendations"][0]["article_id"];
    let event = json!({"user_id": "1", "article_id": first, "impression_id": slate["impression_id"]});
    assert_eq!(http::post(&address, "/event", &event).status, 202);
    let report = eventually("the slate and its read are in the log", || {
        let report = home.json(&["experiment", "report", "--json", "--by", "served-by"]);
        (report["slates"] == 1).then_some(report)
    });
    let row = &report["served_by"][0];
    assert_eq!((&row["served_by"], &row["reads"]), (&slate["served_by"], &json!(1)), "{report}");

    assert!(home.done(&["dead-letters", "list"]).contains("0 dead letters"));
    assert_eq!(home.json(&["namespace", "list", "--json"])["live"], true);
    home.done(&["replay", "--namespace", "green"]);
    assert_eq!(home.json_lines(&["namespace", "list", "--json"]).len(), 2);
    home.done(&["namespace", "promote", "green"]);
    home.done(&["namespace", "drop", "main"]);

    let check = home.done(&["check"]);
    assert!(check.lines().filter(|line| line.starts_with("ok ")).count() == 4, "{check}");
    let graph = home.done(&["check", "--graph"]);
    assert!(graph.contains("user_events -> decode -> window"), "{graph}");
    let failed = home.run(&["inspect", "reader", "nobody"]);
    assert_eq!((failed.status, failed.error_line().contains("nobody")), (Some(1), true), "{failed}");
    assert_eq!(program.terminate().0, Some(0));
    // Nobody owns it now: the command opens the home itself.
    home.done(&["inspect", "lag"]);
}

/// What the acceptance check does with the real slice.
#[test]
fn the_real_readers_of_the_fixture_can_be_simulated_and_inspected() {
    let fixture = fixture();
    if !fixture.join("behaviors.parquet").is_file() {
        let reason = format!("no data folder {}; name it by ABOVEFOLD_DATA", fixture.display());
        return skip("the_real_readers_of_the_fixture_can_be_simulated_and_inspected", &reason);
    }
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    newsroom::model(&home.at("model"));
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    let said =
        home.done(&["simulate", "--data", fixture.to_str().unwrap(), "--rate", "0", "--limit", "1000"]);
    assert!(said.contains("1000 reads sent"), "{said}");
    wait_for_lag(&home);
    // The list is as of the last look at the trends, which are in memory for a few seconds.
    let id = eventually("readers seen last are listed", || {
        let active = http::get(&address, "/users/active?limit=5").json();
        let one = active.as_array()?.iter().max_by_key(|reader| reader["reads"].as_u64())?;
        Some(one["user_id"].as_str()?.to_string())
    });
    let reader = home.json(&["inspect", "reader", &id, "--json"]);
    let kept = reader["reads"].as_array().unwrap();
    assert!(!kept.is_empty() && kept.len() <= 50, "{reader}");
    assert_eq!(reader["session_embedding"].as_array().unwrap().len(), 768);
    assert!(kept[0]["read_time"].is_number(), "{}", kept[0]);
    let total: Value = home.json(&["sql", "--json", "SELECT sum(total_reads) AS n FROM readers"]);
    assert_eq!(total["n"], 1000);
    assert_eq!(program.terminate().0, Some(0));
}

#[test]
fn check_names_a_redis_that_is_stopped() {
    let redis = match Server::redis() {
        Ok(redis) => redis,
        Err(reason) => return skip("check_names_a_redis_that_is_stopped", &reason),
    };
    let url = format!("redis://:hunter2@127.0.0.1:{}/0", redis.port);
    let home = Home::new().with("STATE", format!("redis://127.0.0.1:{}/0", redis.port));
    let well = home.run(&["check"]);
    assert_eq!(well.status, Some(0), "{well}");
    assert!(well.stdout.contains("ok      state redis://"), "{well}");
    redis.stop();
    let outcome = home.run(&["check"]);
    assert_eq!(outcome.status, Some(1), "{outcome}");
    assert!(outcome.error_line().contains("state"), "{outcome}");
    let line = outcome.stdout.lines().find(|line| line.starts_with("FAILED")).unwrap();
    assert!(line.contains("state redis://127.0.0.1") && line.contains(&redis.port.to_string()), "{line}");
    let others = outcome.stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(others, 3, "the others are tried as well: {outcome}");
    let masked = home.run(&["check", "--state", &url]);
    assert!(!format!("{masked}").replace(&url, "").contains("hunter2"), "secrets are masked: {masked}");
}
