//! The one door to clock, tasks, sleep and randomness, so that everything behind it can be simulated.

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use abovefold_schemas::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::{task::JoinHandle, time::Instant};

/// A handle to time, tasks and chance. Clones share them.
#[derive(Clone)]
pub struct Runtime {
    clock: Clock,
    random: Arc<Mutex<ChaCha8Rng>>,
}

#[derive(Clone, Copy)]
enum Clock {
    Wall,
    /// Starts at `origin` and runs with tokio's clock, which a test can pause and which then jumps when all tasks wait.
    Simulated {
        origin: Timestamp,
        started: Instant,
    },
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.clock {
            Clock::Wall => "Runtime(wall clock)",
            Clock::Simulated { .. } => "Runtime(simulated)",
        })
    }
}

impl Runtime {
    /// The machine's clock and chance.
    pub fn real() -> Self {
        let mut seed = [0; 32];
        for word in seed.as_chunks_mut::<8>().0 {
            // The standard library keys its hashes with the system's entropy.
            *word = RandomState::new().build_hasher().finish().to_le_bytes();
        }
        Self { clock: Clock::Wall, random: Arc::new(Mutex::new(ChaCha8Rng::from_seed(seed))) }
    }

    /// A clock that starts at `origin`, and chance from a seed. Must be called inside a tokio runtime.
    pub fn simulated(origin: Timestamp, seed: u64) -> Self {
        let clock = Clock::Simulated { origin, started: Instant::now() };
        Self { clock, random: Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))) }
    }

    /// The moment.
    pub fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Wall => wall_clock(),
            Clock::Simulated { origin, started } => {
                Timestamp(origin.0 + started.elapsed().as_millis() as i64)
            }
        }
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until a moment; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        let millis = moment.millis_since(self.now()).max(0);
        tokio::time::sleep(Duration::from_millis(millis as u64)).await;
    }

    /// The future's result, or `None` once `limit` has passed.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit, future).await.ok()
    }

    /// Starts a task.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::spawn(future)
    }

    /// Sixty-four random bits.
    pub fn random(&self) -> u64 {
        // A panic while the lock is held cannot leave a generator half-written.
        self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next_u64()
    }

    /// A random token of 16 hexadecimal digits.
    pub fn token(&self) -> String {
        format!("{:016x}", self.random())
    }
}

fn wall_clock() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_millis())
}
