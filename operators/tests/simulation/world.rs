//! What all workers of a run share: log and store as they really are, the faults in force, and the invariants.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use abovefold_engine::{
    Runtime,
    log::MemoryLog,
    state::{MemoryStore, Tag, memory::Saved},
};
use abovefold_operators::intake::INTAKE_NAMESPACE;
use abovefold_schemas::{Kept, Timestamp, keys::chain_key, state::IntakeChain};

use crate::{
    oracle::{Oracle, digest_of},
    plan::{Dice, Kind},
};

pub const PARTITIONS: u32 = 4;
pub const EVENTS: &str = "user_events";
pub const ARTICLES: &str = "articles";
pub const DEAD_LETTERS: &str = "dead_letters";

/// The world of a run.
pub struct World {
    pub runtime: Runtime,
    pub log: MemoryLog,
    pub store: MemoryStore,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    oracle: Oracle,
    /// Faults in force, and until when.
    active: Vec<(Kind, Timestamp)>,
    saved: Vec<(Timestamp, Saved)>,
    violations: Vec<String>,
    faults: BTreeMap<&'static str, u64>,
    seen: BTreeMap<&'static str, u64>,
    epochs: u64,
    trace: u64,
}

/// What came out of it all.
#[derive(Default)]
pub struct Tally {
    pub violations: Vec<String>,
    pub faults: BTreeMap<&'static str, u64>,
    pub seen: BTreeMap<&'static str, u64>,
    pub epochs: u64,
    pub trace: u64,
}

impl World {
    pub fn new(runtime: Runtime, seed: u64) -> Arc<Self> {
        let clock = runtime.clone();
        let log = MemoryLog::with_runs_of(Arc::new(move || clock.now()), 37);
        let state = State {
            dice: Dice::new(seed ^ 0x5eed),
            oracle: Oracle::new(log.clone()),
            active: Vec::new(),
            saved: Vec::new(),
            violations: Vec::new(),
            faults: BTreeMap::new(),
            seen: BTreeMap::new(),
            epochs: 0,
            trace: 0,
        };
        let store = MemoryStore::within(runtime.clone());
        Arc::new(Self { runtime, log, store, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Article versions below these offsets count from the start.
    pub fn begins_with(&self, base_articles: &[u64]) {
        self.state().oracle.base_articles = base_articles.to_vec();
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.state().dice.below(limit)
    }

    /// Puts a fault in force.
    pub fn begin(&self, kind: Kind, until: Timestamp) {
        self.state().active.push((kind, until));
    }

    /// Counts a fault that took effect.
    pub fn struck(&self, kind: &'static str) {
        *self.state().faults.entry(kind).or_default() += 1;
    }

    /// Counts something that has to be seen in some seed.
    pub fn see(&self, what: &'static str, count: u64) {
        *self.state().seen.entry(what).or_default() += count;
    }

    /// The faults in force.
    pub fn active(&self) -> Vec<Kind> {
        let now = self.runtime.now();
        let mut state = self.state();
        state.active.retain(|(_, until)| *until > now);
        state.active.iter().map(|(kind, _)| *kind).collect()
    }

    pub fn violated(&self, what: String) {
        let now = self.runtime.now().0;
        self.state().violations.push(format!("at {now} ms: {what}"));
    }

    /// Keeps what the store holds, to go back to.
    pub fn save(&self) {
        let saved = self.store.save();
        self.state().saved.push((self.runtime.now(), saved));
    }

    /// Whether the store ever lost anything.
    pub fn has_forgotten(&self) -> bool {
        let state = self.state();
        ["store forgets", "store emptied"].iter().any(|kind| state.faults.contains_key(kind))
    }

    /// Lets the store forget what it took in since so long ago.
    pub fn forget(&self, ms: u64) {
        let since = self.runtime.now().0 - ms as i64;
        let saved =
            self.state().saved.iter().rev().find(|(time, _)| time.0 <= since).map(|(_, saved)| saved.clone());
        self.store.restore(&saved.unwrap_or_default());
        // What is in the store now has to be the fold up to the markers in it.
        self.check_all();
    }

    pub fn check_all(&self) {
        for namespace in ["main", "again", INTAKE_NAMESPACE] {
            for partition in 0..PARTITIONS {
                self.check(&Tag { namespace: namespace.into(), partition });
            }
        }
    }

    /// The invariant: the stored state of a partition is the fold of its log up to its marker.
    pub fn check(&self, tag: &Tag) {
        let (marker, values) = self.store.held(tag);
        let Some(marker) = marker else {
            if !values.is_empty() {
                self.violated(format!("{tag} holds values without a marker"));
            }
            return;
        };
        let mut state = self.state();
        state.epochs += 1;
        state.trace = state.trace.rotate_left(7) ^ marker.next.0 ^ u64::from(tag.partition) << 32;
        if tag.namespace == INTAKE_NAMESPACE {
            let kept = values.get(&chain_key()).map(|value| IntakeChain::from_kept(&value.bytes).unwrap());
            let found: BTreeMap<u32, u64> =
                kept.unwrap_or_default().last.iter().map(|o| (o.partition, o.offset)).collect();
            let expected = state.oracle.chain(tag.partition, marker.next);
            if found != expected {
                state.violations.push(format!("{tag} at {marker}: its chain is {found:?}, not {expected:?}"));
            }
            return;
        }
        let found = values.iter().fold(0, |digest, (key, value)| digest ^ digest_of(key, value));
        let expected = state.oracle.digest(tag.partition, marker.next);
        if found != expected {
            let differing = state.oracle.differing(tag.partition, marker.next, &values);
            state
                .violations
                .push(format!("{tag} at {marker}: its state is not the fold of its log: {differing:?}"));
        }
    }

    /// Reads folded in all partitions, as far as they were checked.
    pub fn reads(&self) -> u64 {
        let state = self.state();
        (0..PARTITIONS).map(|partition| state.oracle.reads(partition)).sum()
    }

    pub fn has_violations(&self) -> bool {
        !self.state().violations.is_empty()
    }

    pub fn tally(&self) -> Tally {
        let mut state = self.state();
        Tally {
            violations: std::mem::take(&mut state.violations),
            faults: state.faults.clone(),
            seen: state.seen.clone(),
            epochs: state.epochs,
            trace: state.trace,
        }
    }
}
