//! `demo --exit`: five reads of one section bring at least three more articles of it among a reader's ten, for at least 18 of 20 seeds.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::time::Instant;

use common::{Home, say};

const SEEDS: u64 = 20;
const WANTED: usize = 18;

#[test]
fn the_demo_shows_a_difference() {
    // One home: the newspaper and the model are made by the first run, and used by all.
    let home = Home::new().with("INFERENCE__THREADS", "2");
    let mut gains = Vec::new();
    for seed in 1..=SEEDS {
        let started = Instant::now();
        let outcome = home.run(&["demo", "--exit", "--seed", &seed.to_string()]);
        assert_eq!(outcome.status, Some(0), "seed {seed}: `abovefold demo --exit --seed {seed}`: {outcome}");
        let (line, gain) =
            gain_of(&outcome.stdout).unwrap_or_else(|| panic!("seed {seed} says no counts: {outcome}"));
        assert_eq!(outcome.stdout.matches("  reads \"").count(), 5, "five reads are shown: {outcome}");
        assert_eq!(headlines(&outcome.stdout), 20, "ten headlines before and ten after: {outcome}");
        say(&format!("seed {seed}: {line} ({:.1} s)", started.elapsed().as_secs_f64()));
        gains.push(gain);
    }
    let good = gains.iter().filter(|gain| **gain >= 3).count();
    say(&format!("{good} of {SEEDS} seeds have three or more additional articles of the section"));
    assert!(good >= WANTED, "only {good} of {SEEDS} seeds gain three: {gains:?}");
}

/// Reads `Section: 1 of the ten before, 7 after`.
fn gain_of(said: &str) -> Option<(&str, i64)> {
    let line = said.lines().find(|line| line.contains(" of the ten before, "))?;
    let (_, counts) = line.split_once(": ")?;
    let (before, after) = counts.split_once(" of the ten before, ")?;
    let after = after.split_whitespace().next()?;
    Some((line, after.parse::<i64>().ok()? - before.parse::<i64>().ok()?))
}

/// Lines such as ` 3. Headline [Section, 2024-01-01]`.
fn headlines(said: &str) -> usize {
    said.lines()
        .filter(|line| {
            line.trim_start().split_once(". ").is_some_and(|(place, _)| place.parse::<u32>().is_ok())
        })
        .count()
}
