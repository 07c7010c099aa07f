//! A simulation: many processes in one thread, whose clock jumps when all wait, and whose every choice comes from a seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use abovefold_schemas::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;

use super::{Kind, Runtime, task::Task};

/// The process of a simulation's own runtime.
const FIRST_PROCESS: u64 = 0;

/// Runs futures in the calling thread. Which of several tasks that can go on does so is drawn from the seed; when none can, the clock jumps to
/// the next moment that somebody waits for. The same seed gives the same run.
///
/// What is simulated may use `tokio::sync` and everything of [`Runtime`], and neither tokio's clock and tasks nor threads.
///
/// ```
/// use std::time::Duration;
///
/// use abovefold_engine::Simulation;
/// use abovefold_schemas::Timestamp;
///
/// let simulation = Simulation::new(Timestamp(0), 7);
/// let runtime = simulation.runtime();
/// let inside = runtime.clone();
/// let slept = simulation.run(async move {
///     inside.sleep(Duration::from_secs(3_600)).await;
///     inside.now()
/// });
/// assert_eq!(slept, Ok(Timestamp(3_600_000)));
/// ```
#[derive(Debug)]
pub struct Simulation {
    world: Arc<World>,
    runtime: Runtime,
}

/// Why a simulation came to no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// Every task waits for another one.
    #[error("every task waits, and for nothing that could still happen")]
    Deadlock,
    /// It went on for longer than was allowed.
    #[error("it did not end within the steps that it was given")]
    TooLong,
}

/// What all tasks of a simulation share.
pub(super) struct World {
    origin: Timestamp,
    state: Mutex<State>,
}

type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

struct State {
    micros: u64,
    chance: ChaCha8Rng,
    next: u64,
    /// Tasks that wait or can go on, and their processes; the one that runs is not among them.
    tasks: BTreeMap<u64, (u64, BoxedTask)>,
    /// Tasks that can go on. In the order of their numbers, since some of tokio's primitives wake who waits in an order of chance.
    ready: BTreeSet<u64>,
    /// Moments (in microseconds since the origin) that are waited for.
    timers: BTreeMap<(u64, u64), Waker>,
    running: Option<(u64, u64)>,
    running_is_dead: bool,
    dead_processes: BTreeSet<u64>,
    processes: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Simulation {
    /// A simulation whose clock begins at `origin`.
    pub fn new(origin: Timestamp, seed: u64) -> Self {
        let state = State {
            micros: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
            next: 0,
            tasks: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeMap::new(),
            running: None,
            running_is_dead: false,
            dead_processes: BTreeSet::new(),
            processes: FIRST_PROCESS,
        };
        let world = Arc::new(World { origin, state: Mutex::new(state) });
        let random = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(!seed)));
        let kind = Kind::Simulated { world: world.clone(), process: FIRST_PROCESS };
        Self { world, runtime: Runtime { kind, random } }
    }

    /// Its time, tasks and chance.
    pub fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    /// Runs a future to its end.
    ///
    /// # Errors
    /// When every task waits for another one.
    pub fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stuck> {
        self.run_within(u64::MAX, future)
    }

    /// Runs a future to its end, in at most so many steps (a step is one task going on until it waits).
    ///
    /// # Errors
    /// When every task waits for another one, or the steps did not suffice.
    pub fn run_within<T: Send + 'static>(
        &self,
        steps: u64,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stuck> {
        let (sender, mut result) = oneshot::channel();
        let root = async move {
            // The receiver is this function's.
            sender.send(future.await).ok();
        };
        self.world.add(FIRST_PROCESS, Box::pin(root));
        for _ in 0..steps {
            if let Ok(result) = result.try_recv() {
                return Ok(result);
            }
            if !self.world.step() {
                return Err(Stuck::Deadlock);
            }
        }
        Err(Stuck::TooLong)
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut self.world.state().tasks);
        drop(tasks);
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.origin.0 + (self.state().micros / 1_000) as i64)
    }

    pub(super) fn new_process(&self) -> u64 {
        let mut state = self.state();
        state.processes += 1;
        state.processes
    }

    fn add(&self, process: u64, task: BoxedTask) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        if state.dead_processes.contains(&process) {
            drop(state);
            // Dropped with the lock open: what it holds may wake or spawn.
            drop(task);
            return id;
        }
        state.tasks.insert(id, (process, task));
        state.ready.insert(id);
        id
    }

    pub(super) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        process: u64,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        let (sender, result) = oneshot::channel();
        let task = async move {
            // Nobody may want the result.
            sender.send(future.await).ok();
        };
        Task::simulated(self.clone(), self.add(process, Box::pin(task)), result)
    }

    pub(super) fn abort(&self, id: u64) {
        let mut state = self.state();
        if state.running.is_some_and(|(running, _)| running == id) {
            state.running_is_dead = true;
        }
        let task = state.tasks.remove(&id);
        drop(state);
        drop(task);
    }

    pub(super) fn kill(&self, process: u64) {
        let mut state = self.state();
        state.dead_processes.insert(process);
        if state.running.is_some_and(|(_, running)| running == process) {
            state.running_is_dead = true;
        }
        let ids: Vec<u64> =
            state.tasks.iter().filter(|(_, (of, _))| *of == process).map(|(id, _)| *id).collect();
        let tasks: Vec<_> = ids.iter().filter_map(|id| state.tasks.remove(id)).collect();
        drop(state);
        drop(tasks);
    }

    pub(super) fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        let micros = self.state().micros.saturating_add(duration.as_micros() as u64);
        Sleep { world: self.clone(), micros, timer: None }
    }

    /// Lets one task go on, or the clock jump. Returns whether anything could happen.
    fn step(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        while !state.ready.is_empty() {
            let place = (state.chance.next_u64() % state.ready.len() as u64) as usize;
            let Some(id) = state.ready.iter().nth(place).copied() else { break };
            state.ready.remove(&id);
            // One that ended may have been woken nevertheless.
            let Some((process, mut task)) = state.tasks.remove(&id) else { continue };
            state.running = Some((id, process));
            drop(state);
            let waker = Waker::from(Arc::new(TaskWaker { world: self.clone(), id }));
            let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
            let mut state = self.state();
            state.running = None;
            let dead = std::mem::take(&mut state.running_is_dead);
            if polled.is_pending() && !dead {
                state.tasks.insert(id, (process, task));
            } else {
                drop(state);
                drop(task);
            }
            return true;
        }
        let Some(((micros, _), waker)) = state.timers.pop_first() else { return false };
        state.micros = state.micros.max(micros);
        drop(state);
        waker.wake();
        true
    }
}

struct TaskWaker {
    world: Arc<World>,
    id: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.world.state().ready.insert(self.id);
    }
}

/// Waits for a moment of the simulation's clock.
pub(super) struct Sleep {
    world: Arc<World>,
    micros: u64,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let world = self.world.clone();
        let mut state = world.state();
        if let Some(timer) = self.timer.take() {
            state.timers.remove(&(self.micros, timer));
        }
        if state.micros >= self.micros {
            return Poll::Ready(());
        }
        state.next += 1;
        let timer = state.next;
        state.timers.insert((self.micros, timer), context.waker().clone());
        drop(state);
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let waker = self.world.state().timers.remove(&(self.micros, timer));
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tasks that draw who is next; returns the order in which they went on.
    fn order(seed: u64) -> Vec<u32> {
        let simulation = Simulation::new(Timestamp(0), seed);
        let runtime = simulation.runtime();
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = order.clone();
        let all = async move {
            let tasks: Vec<_> = (0..3)
                .map(|number| {
                    let (order, sleeper) = (order.clone(), runtime.clone());
                    runtime.spawn(async move {
                        for _ in 0..5 {
                            sleeper.sleep(Duration::from_millis(10)).await;
                            order.lock().unwrap().push(number);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        };
        simulation.run(all).unwrap();
        seen.lock().unwrap().clone()
    }

    #[test]
    fn the_seed_decides_who_goes_on() {
        assert_eq!(order(1), order(1));
        assert!((2..9).any(|seed| order(seed) != order(1)));
    }

    #[test]
    fn a_killed_process_does_nothing_more() {
        let simulation = Simulation::new(Timestamp(0), 1);
        let (runtime, victim) = (simulation.runtime(), simulation.runtime().process());
        let done = Arc::new(Mutex::new(0));
        let counted = done.clone();
        let outcome = simulation.run(async move {
            let (clock, inner) = (victim.clone(), victim.clone());
            let task = victim.spawn(async move {
                loop {
                    clock.sleep(Duration::from_secs(1)).await;
                    *counted.lock().unwrap() += 1;
                }
            });
            runtime.sleep(Duration::from_millis(3_500)).await;
            inner.kill();
            runtime.sleep(Duration::from_secs(60)).await;
            let late = inner.spawn(async {}).await;
            (task.await.map(|(): ()| ()), late)
        });
        let aborted = Err(crate::runtime::TaskError::Aborted);
        assert_eq!(outcome, Ok((aborted, aborted)));
        assert_eq!(*done.lock().unwrap(), 3);
    }

    #[test]
    fn what_waits_for_nothing_is_said() {
        let simulation = Simulation::new(Timestamp(0), 1);
        assert_eq!(simulation.run(std::future::pending::<()>()), Err(Stuck::Deadlock));
        let runtime = simulation.runtime();
        let forever = async move {
            loop {
                runtime.sleep(Duration::from_secs(1)).await;
            }
        };
        assert_eq!(simulation.run_within::<()>(1_000, forever), Err(Stuck::TooLong));
    }
}
