//! What an event costs where there are many readers: the write path without a model into the embedded store, among a million readers against
//! ten thousand, in the same rounds.

use std::{sync::Arc, time::Instant};

use abovefold_engine::{
    log::MemoryLog,
    state::{EmbeddedStore, StateSettings, StateStore},
};
use abovefold_operators::fold::FoldSettings;
use tempfile::TempDir;

use crate::{
    replay::{append, fold_all, topics},
    row::Row,
};

/// What others are measured against.
const FEW: usize = 10_000;
const MANY: [usize; 2] = [100_000, 1_000_000];
/// Events of one round.
const EVENTS: usize = 200_000;
/// Rounds of each side, interleaved.
const ROUNDS: usize = 5;
/// An event may cost 15 % more among a million.
const TARGET: f64 = 1.0 / 1.15;

/// A log and a store in which so many readers have a state.
struct World {
    readers: usize,
    log: MemoryLog,
    store: Arc<dyn StateStore>,
    sent: usize,
    _folder: TempDir,
}

impl World {
    async fn new(readers: usize) -> Self {
        let folder = TempDir::new().expect("a folder can be had");
        let store = EmbeddedStore::open(folder.path(), &StateSettings::default()).await;
        let store = Arc::new(store.expect("a store can be opened in a folder of its own"));
        let mut world = Self { readers, log: topics().await, store, sent: 0, _folder: folder };
        // Two reads a reader on average: most have a state then.
        world.fold(2 * readers).await;
        world
    }

    /// Folds so many events more; events a second.
    async fn fold(&mut self, events: usize) -> f64 {
        append(&self.log, self.sent, events, self.readers).await;
        self.sent += events;
        let began = Instant::now();
        let folded = fold_all(&self.log, self.store.clone(), None, FoldSettings::default()).await;
        folded.expect("the dataflow has no reason to fail");
        events as f64 / began.elapsed().as_secs_f64()
    }
}

/// A row for each number of readers.
///
/// # Panics
/// When a dataflow fails, which it has no reason to.
pub fn rows() -> Vec<Row> {
    let runtime = crate::threads();
    runtime.block_on(async {
        let mut few = World::new(FEW).await;
        let mut many = Vec::new();
        for readers in MANY {
            many.push((World::new(readers).await, Vec::new()));
        }
        for _ in 0..ROUNDS {
            let baseline = few.fold(EVENTS).await;
            for (world, rounds) in &mut many {
                rounds.push((world.fold(EVENTS).await, baseline));
            }
        }
        let row = |(world, rounds): (World, Vec<(f64, f64)>)| {
            let name = format!("replay into the embedded store, {} readers", world.readers);
            Row::new(name, "events/s", format!("{FEW} readers"), rounds).wanted(TARGET)
        };
        many.into_iter().map(row).collect()
    })
}
