//! `kill -9` in the middle of a replay: run again, it goes on from its markers, and ends with the bytes of live.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use common::{
    Home, newsroom,
    program::{PATIENCE, Program, eventually},
};
use serde_json::Value;

const RECORDS: usize = 600;

fn folded() -> Home {
    let home = Home::new()
        .with("WINDOW__LENGTH", "20ms")
        .with("WINDOW__MAX_RECORDS", "8")
        .with("WINDOW__REPLAY_RECORDS", "8");
    newsroom::data_folder(&home.at("data"), 40, 25, RECORDS, 9);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    program.address();
    home.done(&["simulate", "--data", "data", "--rate", "0"]);
    eventually("the lag is 0", || (home.json(&["inspect", "lag", "--json"])["lag"] == 0).then_some(()));
    assert_eq!(program.terminate().0, Some(0));
    home
}

fn offsets(digest: &Value) -> u64 {
    digest["offsets"].as_array().unwrap().iter().map(|offset| offset.as_u64().unwrap()).sum()
}

#[test]
fn a_killed_replay_goes_on() {
    let home = folded();
    let live = home.digest("main");
    assert_eq!(offsets(&live), RECORDS as u64);
    let mut covered = 0;
    for writes in [3, 12] {
        let mut command = home.command(&["replay", "--namespace", "green"]);
        command.env("RUST_LOG", "warn,abovefold_engine=debug");
        let mut replay = Program::spawn(command);
        let mut begun = 0;
        while begun < writes {
            let line = replay.next_line(PATIENCE).expect("it does not end before it is killed");
            begun += usize::from(line.contains("epoch write begins"));
        }
        replay.kill();
        let part = offsets(&home.digest("green"));
        assert!(covered <= part && part < RECORDS as u64, "{covered} before, {part} now");
        covered = part;
    }
    assert!(covered > 0, "something was done before");
    let said = home.done(&["replay", "--namespace", "green"]);
    assert!(
        said.contains(&format!("{RECORDS} records replayed into green, {covered} of them before")),
        "{said}"
    );
    assert_eq!(home.digest("green"), live);
}

#[test]
fn places_that_do_not_fit_are_refused() {
    let home = folded();
    let live = home.digest("main");
    let place = |share: u64| {
        let offsets = live["offsets"].as_array().unwrap().iter().enumerate();
        let part = offsets.map(|(p, offset)| format!("{p}:{}", offset.as_u64().unwrap() * share / 10));
        part.collect::<Vec<_>>().join(",")
    };
    let (third, half, most) = (place(3), place(5), place(9));
    home.done(&["replay", "--namespace", "part", "--from", &third, "--until", &half]);
    assert_eq!(offsets(&home.digest("part")), place_sum(&half));
    let listed = home.done(&["namespace", "list"]);
    assert!(listed.contains(&format!("folded from {third} to {half}  stands at {half}")), "{listed}");
    // The same end again is a resumption; a later one goes on, an earlier one cannot.
    home.done(&["replay", "--namespace", "part", "--from", &third, "--until", &half]);
    home.done(&["replay", "--namespace", "part", "--until", &most]);
    assert_eq!(offsets(&home.digest("part")), place_sum(&most));
    for (arguments, reason) in [
        (["--until", half.as_str(), "--from", third.as_str()], "has come further"),
        (["--until", "latest", "--from", half.as_str()], "it was begun at"),
        (["--until", "0:1", "--from", third.as_str()], "it lacks the partitions 1, 2, 3"),
        (["--until", "0:9999,1:0,2:0,3:0", "--from", third.as_str()], "holds the offsets 0 to"),
        (["--until", "soon", "--from", third.as_str()], "give a time"),
    ] {
        let refused = home.run(&[&["replay", "--namespace", "part"], &arguments[..]].concat());
        assert_eq!((refused.status, refused.error_line().contains(reason)), (Some(1), true), "{refused}");
    }
    let refused = home.run(&["replay", "--namespace", "none", "--from", &most, "--until", &half]);
    assert_eq!(
        (refused.status, refused.error_line().contains("it begins later")),
        (Some(1), true),
        "{refused}"
    );
    home.done(&["replay", "--namespace", "whole", "--from", "earliest", "--until", "2099-01-01"]);
    assert_eq!(home.digest("whole"), live);
}

fn place_sum(place: &str) -> u64 {
    place.split(',').map(|part| part.split_once(':').unwrap().1.parse::<u64>().unwrap()).sum()
}
