//! The real engine and operators over simulated edges, network and clock, in one thread from one seed: workers crash at any await, messages are
//! lost, delayed and repeated, partitions move, stores forget, fail and answer after they did the work, strays pass through an intake whose sends
//! fail in part. After every write the stored state has to be the fold of the log up to its marker, which a plain loop over the log computes.
//!
//! `ABOVEFOLD_SIMULATION_SEEDS=N` runs the first N seeds, `ABOVEFOLD_SIMULATION_SEED=S` only one, and says what happened.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // Tests.

mod edges;
mod model;
mod oracle;
mod plan;
mod run;
mod scenes;
mod seen;
mod traffic;
mod void_leases;
mod world;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use plan::Plan;
use run::{Outcome, run};

/// What `make test` runs.
const SEEDS: u64 = 500;
/// The machine has as many cores.
const THREADS: usize = 2;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number of seeds, or a seed"))
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number_from("ABOVEFOLD_SIMULATION_SEED") {
        let plan = Plan::of(seed);
        println!("{plan}");
        let outcome = try_run(&plan);
        println!("{outcome:?}");
        assert!(outcome.violations.is_empty(), "{}", explain(&plan, &outcome));
        return;
    }
    let seeds = number_from("ABOVEFOLD_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let started = Instant::now();
    let (next, total) = (AtomicU64::new(0), Mutex::new(Total::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds)
                {
                    let plan = Plan::of(seed);
                    let outcome = try_run(&plan);
                    let mut total = total.lock().unwrap();
                    total.take_in(&outcome);
                    if !outcome.violations.is_empty() && total.failed.is_none() {
                        total.failed = Some((plan, outcome));
                        next.store(seeds, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{}, {:.0} s", total.summary(), started.elapsed().as_secs_f64());
    if let Some((plan, outcome)) = total.failed {
        panic!("{}", explain(&plan, &outcome));
    }
    assert_eq!((total.lost, total.doubled), (0, 0));
    if seeds >= SEEDS {
        for kind in plan::KINDS {
            assert!(total.faults.get(kind).is_some_and(|count| *count > 0), "no seed had the fault `{kind}`");
        }
        for what in ["strays", "dead letters", "copies out of turn", "resets", "retries", "candidates kept"] {
            assert!(total.seen.get(what).is_some_and(|count| *count > 0), "no seed saw `{what}`");
        }
    }
}

/// The guard's guard: a run is repeated by its seed alone.
#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 11] {
        let (first, again) = (try_run(&Plan::of(seed)), try_run(&Plan::of(seed)));
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_ne!(first.trace, try_run(&Plan::of(seed + 1)).trace);
    }
}

/// A panic within is a violation like any other.
fn try_run(plan: &Plan) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run(plan))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Outcome { violations: vec![format!("panic: {}", text.unwrap_or_default())], ..Outcome::default() }
    })
}

/// What went wrong, with as few faults as bring it about, and how to repeat it.
fn explain(plan: &Plan, outcome: &Outcome) -> String {
    let smallest = plan.shrink(|smaller| !try_run(smaller).violations.is_empty());
    let again = try_run(&smallest);
    let violations = if again.violations.is_empty() { &outcome.violations } else { &again.violations };
    format!(
        "seed {}: {}\nwith {} of {} faults:\n{smallest}\nrepeat it by: ABOVEFOLD_SIMULATION_SEED={} make test ARGS='--test simulation every_seed'",
        plan.seed,
        violations.join("\n"),
        smallest.faults.len(),
        plan.faults.len(),
        plan.seed
    )
}

/// All seeds together.
#[derive(Default)]
struct Total {
    seeds: u64,
    events: u64,
    epochs: u64,
    lost: u64,
    doubled: u64,
    faults: BTreeMap<&'static str, u64>,
    seen: BTreeMap<&'static str, u64>,
    failed: Option<(Plan, Outcome)>,
}

impl Total {
    fn take_in(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.epochs += outcome.epochs;
        self.lost += outcome.lost;
        self.doubled += outcome.doubled;
        for (kind, count) in &outcome.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (what, count) in &outcome.seen {
            *self.seen.entry(what).or_default() += count;
        }
    }

    fn summary(&self) -> String {
        let list = |counts: &BTreeMap<&'static str, u64>| {
            counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
        };
        let faults: u64 = self.faults.values().sum();
        format!(
            "simulation: {} seeds, {faults} faults injected ({}), {} events folded in {} epochs ({}), {} lost, {} doubled",
            self.seeds,
            list(&self.faults),
            self.events,
            self.epochs,
            list(&self.seen),
            self.lost,
            self.doubled
        )
    }
}
