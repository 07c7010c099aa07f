//! What happens in a run: its sizes and its faults, all from the seed. A plan is data, so that it can be printed and made smaller.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How long events arrive, in milliseconds of the simulated clock.
pub const TRAFFIC_MS: u64 = 20_000;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub workers: usize,
    pub events: usize,
    pub window_ms: u64,
    pub max_records: usize,
    /// Readers and articles kept in a worker's memory: few, so that they are read again.
    pub cached: usize,
    /// Whether one reader makes half of the traffic.
    pub hot: bool,
    pub faults: Vec<Fault>,
}

/// Something that goes wrong at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub at_ms: u64,
    pub kind: Kind,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A worker's process ends wherever it is, and starts again later.
    Crash { worker: usize, down_ms: u64 },
    /// The group takes a worker for dead, gives its partitions to others, and it does not know for a while.
    Expel { nth: usize, unaware_ms: u64 },
    /// Calls of the store fail and do nothing.
    StoreAway { ms: u64 },
    /// Calls of the store are done, and their answers are lost.
    StoreMute { ms: u64 },
    /// The store has no memory left: it refuses writes.
    StoreFull { ms: u64 },
    /// Calls of the store take long, and answers come late.
    StoreSlow { ms: u64 },
    /// Writes arrive at the store a second time, later.
    StoreRepeats { ms: u64 },
    /// The store goes back to what it held a while ago.
    StoreForgets { ms: u64 },
    /// The store loses everything.
    StoreEmptied,
    /// Calls of the log fail and do nothing.
    LogAway { ms: u64 },
    /// Appends fail, though some of their records are written, now or later.
    LogPartial { ms: u64 },
}

/// The names of all kinds.
pub const KINDS: [&str; 11] = [
    "crash",
    "expelled",
    "store away",
    "store mute",
    "store full",
    "store slow",
    "store repeats",
    "store forgets",
    "store emptied",
    "log away",
    "log partial",
];

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Expel { .. } => "expelled",
            Self::StoreAway { .. } => "store away",
            Self::StoreMute { .. } => "store mute",
            Self::StoreFull { .. } => "store full",
            Self::StoreSlow { .. } => "store slow",
            Self::StoreRepeats { .. } => "store repeats",
            Self::StoreForgets { .. } => "store forgets",
            Self::StoreEmptied => "store emptied",
            Self::LogAway { .. } => "log away",
            Self::LogPartial { .. } => "log partial",
        }
    }
}

/// Draws from a seed.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let workers = 1 + dice.below(3) as usize;
        let count = 2 + dice.below(9);
        let faults =
            (0..count).map(|_| Fault { at_ms: dice.below(TRAFFIC_MS), kind: kind(&mut dice, workers) });
        let mut faults: Vec<Fault> = faults.collect();
        faults.sort_by_key(|fault| fault.at_ms);
        Self {
            seed,
            workers,
            events: 120 + dice.below(160) as usize,
            window_ms: [0, 50, 300, 2_000][dice.below(4) as usize],
            max_records: [1, 4, 16, 64][dice.below(4) as usize],
            cached: [0, 3, 100][dice.below(3) as usize],
            hot: dice.one_in(4),
            faults,
        }
    }

    /// The plan with as few faults as still fail.
    pub fn shrink(&self, fails: impl Fn(&Self) -> bool) -> Self {
        let mut smallest = self.clone();
        let mut place = smallest.faults.len();
        while place > 0 {
            place -= 1;
            let mut smaller = smallest.clone();
            smaller.faults.remove(place);
            if fails(&smaller) {
                smallest = smaller;
            }
        }
        smallest
    }
}

fn kind(dice: &mut Dice, workers: usize) -> Kind {
    let ms = 200 + dice.below(4_000);
    match dice.below(16) {
        0..=3 => Kind::Crash { worker: dice.below(workers as u64) as usize, down_ms: dice.below(3_000) },
        4 | 5 => Kind::Expel { nth: dice.below(workers as u64) as usize, unaware_ms: ms },
        6 => Kind::StoreAway { ms },
        7 | 8 => Kind::StoreMute { ms },
        9 => Kind::StoreFull { ms },
        10 => Kind::StoreSlow { ms },
        11 => Kind::StoreRepeats { ms },
        12 => Kind::StoreForgets { ms: 100 + dice.below(8_000) },
        13 => Kind::StoreEmptied,
        14 => Kind::LogAway { ms },
        _ => Kind::LogPartial { ms },
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} workers, {} events in {} s, window {} ms or {} records, {} readers in memory{}",
            self.workers,
            self.events,
            TRAFFIC_MS / 1_000,
            self.window_ms,
            self.max_records,
            self.cached,
            if self.hot { ", half of the traffic from one reader" } else { "" }
        )?;
        for fault in &self.faults {
            writeln!(f, "  at {:>5} ms: {:?}", fault.at_ms, fault.kind)?;
        }
        Ok(())
    }
}
