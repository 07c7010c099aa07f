//! Whether intervals hold what is true as often as they say: readers whose true rates are known, many times over.

use abovefold_operators::query::{Arm, Experiment, QuerySettings};
use abovefold_schemas::ReaderId;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::ratio::Sums;

/// Unless `ABOVEFOLD_COVERAGE_RUNS` says otherwise.
const RUNS: u64 = 200;
const READERS: u64 = 2_000;
/// How much more often readers of the second arm click.
const LIFT: f64 = 1.2;

/// Readers come in kinds: how many in a hundred, their slates, and the reads of a slate that they make on average. Who comes often reads more,
/// as in a real newspaper.
const KINDS: [(u64, u64, f64); 5] =
    [(40, 1, 0.06), (25, 3, 0.1), (20, 8, 0.14), (12, 20, 0.2), (3, 50, 0.28)];
/// What a reader's own rate is to that of its kind, each as probable.
const OWN: [f64; 4] = [0.2, 0.6, 1.2, 2.0];

/// An arm, over its readers and over its slates as if each were of a reader of its own.
#[derive(Default)]
struct Simulated {
    by_reader: Sums,
    by_slate: Sums,
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }
}

/// Reads per slate of an arm as they truly are: OWN's mean is 1.
fn truth(lift: f64) -> f64 {
    let (mut reads, mut slates) = (0.0, 0.0);
    for (share, of_reader, rate) in KINDS {
        reads += (share * of_reader) as f64 * rate * lift;
        slates += (share * of_reader) as f64;
    }
    reads / slates
}

/// A day of the newspaper: each reader is in the arm that the lot gives it, and reads none, one or two articles of a slate.
fn simulate(seed: u64) -> [Simulated; 2] {
    let arm = |name: &str| Arm { name: name.into(), weight: 1.0, settings: QuerySettings::default() };
    let experiment = Experiment::new(format!("run-{seed}"), vec![arm("old"), arm("new")]).unwrap();
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut arms = [Simulated::default(), Simulated::default()];
    for number in 0..READERS {
        let reader = ReaderId::new(number.to_string()).unwrap();
        let place = usize::from(experiment.arm_of(&reader).name == "new");
        let mut kind = dice.below(100);
        let (_, slates, rate) = *KINDS
            .iter()
            .find(|(share, _, _)| {
                let found = kind < *share;
                kind = kind.saturating_sub(*share);
                found
            })
            .unwrap();
        let rate = rate * OWN[dice.below(4) as usize] * if place == 1 { LIFT } else { 1.0 };
        let mut reads = 0;
        for _ in 0..slates {
            let of_slate = (0..2).filter(|_| dice.unit() < rate / 2.0).count() as u64;
            arms[place].by_slate.add(1, of_slate);
            reads += of_slate;
        }
        arms[place].by_reader.add(slates, reads);
    }
    arms
}

/// In which share of the runs an interval holds the truth: of the first arm, of the difference, and of the difference by slates.
fn coverage(runs: u64) -> [f64; 3] {
    let holds = |interval: Option<[f64; 2]>, truth: f64| {
        let [low, high] = interval.expect("readers differ");
        usize::from(low <= truth && truth <= high)
    };
    let difference = truth(LIFT) - truth(1.0);
    let mut held = [0; 3];
    for seed in 0..runs {
        let [old, new] = simulate(seed);
        held[0] += holds(old.by_reader.reads_per_slate().unwrap().interval, truth(1.0));
        held[1] += holds(new.by_reader.more_than(&old.by_reader).unwrap().interval, difference);
        held[2] += holds(new.by_slate.more_than(&old.by_slate).unwrap().interval, difference);
    }
    held.map(|held| held as f64 / runs as f64)
}

#[test]
fn in_95_of_100_runs_the_interval_holds_the_true_difference() {
    assert!(
        (OWN.iter().sum::<f64>() / OWN.len() as f64 - 1.0).abs() < 1e-12,
        "rates stay those of the kinds"
    );
    let runs = std::env::var("ABOVEFOLD_COVERAGE_RUNS").map_or(RUNS, |runs| runs.parse().unwrap());
    let [of_arm, of_difference, by_slates] = coverage(runs);
    println!(
        "of {runs} runs: {of_arm} for an arm, {of_difference} for the difference, {by_slates} as if slates were independent"
    );
    assert!((0.92..=0.98).contains(&of_arm), "reads per slate: {of_arm}");
    assert!((0.92..=0.98).contains(&of_difference), "the difference: {of_difference}");
    // The simulation would notice intervals that take slates for independent.
    assert!(by_slates < 0.9, "by slates: {by_slates}");
}
