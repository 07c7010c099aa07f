//! The one door to clock, tasks, sleep and randomness, so that everything behind it can be simulated.

mod simulation;
mod task;

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use abovefold_schemas::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Handle;

use self::simulation::World;
pub use self::{
    simulation::{Simulation, Stuck},
    task::{Task, TaskError},
};

/// A handle to time, tasks and chance. Clones share them.
#[derive(Clone)]
pub struct Runtime {
    kind: Kind,
    random: Arc<Mutex<ChaCha8Rng>>,
}

#[derive(Clone)]
enum Kind {
    /// The machine's clock, and tokio's tasks: of the runtime that is named, or else of the one that spawns them.
    Real { tasks: Option<Handle> },
    /// A [`Simulation`]'s, for one of its processes.
    Simulated { world: Arc<World>, process: u64 },
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Real { .. } => "Runtime(real)",
            Kind::Simulated { .. } => "Runtime(simulated)",
        })
    }
}

impl Runtime {
    /// The machine's clock and chance, and tokio's tasks.
    pub fn real() -> Self {
        let mut seed = [0; 32];
        for word in seed.as_chunks_mut::<8>().0 {
            // The standard library keys its hashes with the system's entropy.
            *word = RandomState::new().build_hasher().finish().to_le_bytes();
        }
        Self { kind: Kind::Real { tasks: None }, random: Arc::new(Mutex::new(ChaCha8Rng::from_seed(seed))) }
    }

    /// The same time and chance for a process of its own within a simulation: what it and its clones spawn is ended together by
    /// [`Runtime::kill`]. Outside a simulation there is one process.
    pub fn process(&self) -> Self {
        let kind = match &self.kind {
            Kind::Real { tasks } => Kind::Real { tasks: tasks.clone() },
            Kind::Simulated { world, .. } => {
                Kind::Simulated { world: world.clone(), process: world.new_process() }
            }
        };
        Self { kind, random: self.random.clone() }
    }

    /// The same time and chance, whose tasks run in another runtime of tokio than those that spawn them: one whose threads give way, say. A
    /// simulation has one thread, and stays as it is.
    pub fn with_tasks_on(&self, tasks: Handle) -> Self {
        let kind = match &self.kind {
            Kind::Real { .. } => Kind::Real { tasks: Some(tasks) },
            simulated @ Kind::Simulated { .. } => simulated.clone(),
        };
        Self { kind, random: self.random.clone() }
    }

    /// Ends all tasks of this process of a simulation wherever they wait, as `kill -9` does; what it spawns later ends at once. Does
    /// nothing outside a simulation.
    pub fn kill(&self) {
        if let Kind::Simulated { world, process } = &self.kind {
            world.kill(*process);
        }
    }

    /// The moment.
    pub fn now(&self) -> Timestamp {
        match &self.kind {
            Kind::Real { .. } => Timestamp(chrono::Utc::now().timestamp_millis()),
            Kind::Simulated { world, .. } => world.now(),
        }
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        match &self.kind {
            Kind::Real { .. } => tokio::time::sleep(duration).await,
            Kind::Simulated { world, .. } => world.sleep(duration).await,
        }
    }

    /// Waits until a moment; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        let millis = moment.millis_since(self.now()).max(0);
        self.sleep(Duration::from_millis(millis as u64)).await;
    }

    /// The future's result, or `None` once `limit` has passed.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = future => Some(result),
            () = self.sleep(limit) => None,
        }
    }

    /// Starts a task.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        match &self.kind {
            Kind::Real { tasks: Some(tasks) } => Task::real(tasks.spawn(future)),
            Kind::Real { tasks: None } => Task::real(tokio::spawn(future)),
            Kind::Simulated { world, process } => world.spawn(*process, future),
        }
    }

    /// Sixty-four random bits.
    pub fn random(&self) -> u64 {
        // A panic while the lock is held cannot leave a generator half-written.
        self.random.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// A random token of 16 hexadecimal digits.
    pub fn token(&self) -> String {
        format!("{:016x}", self.random())
    }
}
