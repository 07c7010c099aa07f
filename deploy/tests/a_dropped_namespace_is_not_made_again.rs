//! A dropped namespace leaves nothing behind, though a worker of it still lives: that one ends with one line. A store that restarted empty is
//! something else, and is filled again.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use abovefold_engine::state::{EmbeddedStore, StateSettings, StateStore, Tag};
use common::{
    Home, newsroom,
    program::{Program, eventually},
    servers::{Server, redis_cli},
    skip,
};
use futures::TryStreamExt;

fn wait_for_lag(home: &Home, namespace: &str) {
    let lag = || home.json(&["inspect", "lag", "--json", "--namespace", namespace])["lag"] == 0;
    eventually("the lag is 0", || lag().then_some(()));
}

fn names(home: &Home) -> Vec<String> {
    let all = home.json_lines(&["namespace", "list", "--json"]);
    all.iter().map(|namespace| namespace["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn on_the_embedded_edges() {
    let home = Home::new().with("WINDOW__LENGTH", "20ms");
    newsroom::data_folder(&home.at("data"), 20, 10, 100, 3);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    program.address();
    home.done(&["simulate", "--data", "data", "--rate", "0"]);
    let mut follow = Program::spawn(home.command(&["replay", "--namespace", "green", "--follow"]));
    follow.wait_for("100 records replayed into green");
    wait_for_lag(&home, "green");
    home.done(&["namespace", "drop", "green"]);
    let (status, said) = follow.ended();
    assert_eq!(status, Some(1), "{said:?}");
    let lines: Vec<&String> = said.iter().filter(|line| line.starts_with("abovefold: ")).collect();
    assert!(lines.len() == 1 && lines[0].contains("green was dropped"), "{said:?}");
    // The one that is live cannot go, but one that was may, though the worker that folds it still lives; readers are not disturbed.
    home.done(&["replay", "--namespace", "blue"]);
    home.done(&["namespace", "promote", "blue"]);
    home.done(&["namespace", "drop", "main"]);
    program.wait_for("the namespace main was dropped");
    home.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "10"]);
    assert_eq!(names(&home), ["blue"]);
    assert_eq!(program.terminate().0, Some(0));

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = EmbeddedStore::open(&home.at("state"), &StateSettings::default()).await.unwrap();
        for namespace in ["green", "main"] {
            assert!(store.partitions(namespace).await.unwrap().is_empty(), "{namespace} has markers");
            for partition in 0..4 {
                let tag = Tag { namespace: namespace.into(), partition };
                let left: Vec<_> = store.scan(&tag).try_collect().await.unwrap();
                assert!(left.is_empty(), "{tag} has {} values left", left.len());
            }
        }
    });
}

#[test]
fn over_redis_while_an_empty_one_is_filled_again() {
    let redis = match Server::redis() {
        Ok(redis) => redis,
        Err(reason) => return skip("over_redis_while_an_empty_one_is_filled_again", &reason),
    };
    let home = Home::new()
        .with("WINDOW__LENGTH", "20ms")
        .with("STATE", format!("redis://127.0.0.1:{}/0", redis.port));
    newsroom::data_folder(&home.at("data"), 20, 10, 100, 3);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    program.address();
    home.done(&["simulate", "--data", "data", "--rate", "0"]);
    let mut follow = Program::spawn(home.command(&["replay", "--namespace", "green", "--follow"]));
    follow.wait_for("100 records replayed into green");
    wait_for_lag(&home, "main");
    let whole = home.digest("main");
    assert_eq!(home.digest("green"), whole);

    // Everything is lost: both namespaces are in the topic, and their workers fill them again.
    redis_cli(redis.port, 0, &["FLUSHALL"]);
    eventually("both are filled again", || {
        (home.digest("main") == whole && home.digest("green") == whole).then_some(())
    });

    home.done(&["namespace", "drop", "green"]);
    let (status, said) = follow.ended();
    assert_eq!(status, Some(1), "{said:?}");
    assert!(
        said.iter().any(|line| line.starts_with("abovefold: ") && line.contains("was dropped")),
        "{said:?}"
    );
    assert_eq!(redis_cli(redis.port, 0, &["KEYS", "*green*"]), "", "no key is left");
    assert_eq!(home.digest("main"), whole, "the other is untouched");
    assert_eq!(program.terminate().0, Some(0));
}
