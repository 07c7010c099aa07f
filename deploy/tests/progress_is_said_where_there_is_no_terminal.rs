//! A command that takes its time says every few seconds how far it has come and how long it will take, into a file or a pipe as well, and also
//! where the owner of the home runs it.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use common::{Home, newsroom, program::Program};

#[test]
fn a_line_every_few_seconds_with_the_time_left() {
    let home = Home::new();
    newsroom::data_folder(&home.at("data"), 10, 5, 100, 5);
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    program.address();
    // Four seconds and a half of it, by its rate.
    let outcome = home.run(&["simulate", "--data", "data", "--rate", "20", "--limit", "90"]);
    assert_eq!(outcome.status, Some(0), "{outcome}");
    let said: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("sending reads: ")).collect();
    assert!(said.len() == 1, "one line in more than three and less than six seconds: {outcome}");
    assert!(said[0].contains(" of 90 (") && said[0].ends_with(" left"), "{said:?}");
    assert!(outcome.stdout.starts_with("90 reads sent"), "the answer is on standard output alone: {outcome}");
    assert_eq!(program.terminate().0, Some(0));
}
