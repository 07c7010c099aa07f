//! Time machines: namespaces that are rebuilt up to an earlier moment, looked at for a while, and dropped again.
//!
//! A machine is an ordinary replay into a namespace of its own, read by a read path that nothing is logged of; what readers see is not touched. There are
//! few at once, and what nobody looks at goes: so a slider may ask for one moment after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abovefold_engine::Task;
use abovefold_operators::query::Query;
use abovefold_schemas::Timestamp;
use anyhow::Context;
use tokio::sync::{mpsc, watch};

use crate::{
    commands::{keep_forgetting, namespace, query_of_a_past, replay},
    namespaces::Namespaces,
    output::{Output, Said},
    session::{Model, Session},
};

/// How the names of their namespaces begin.
pub const PREFIX: &str = "time-machine-";
/// The most at once.
pub const MOST: usize = 2;
/// How long one is kept that nobody looks at.
const IDLE_MS: i64 = 10 * 60 * 1_000;
/// A namespace that is older was left behind by a process that was killed, whosever it was.
const LEFT_BEHIND_MS: i64 = 24 * 60 * 60 * 1_000;

/// The machines of this process.
#[derive(Debug)]
pub struct TimeMachines {
    session: Session,
    /// The one asked for last at the end.
    machines: Mutex<Vec<Arc<Machine>>>,
}

/// One machine.
#[derive(Debug)]
pub struct Machine {
    /// The name of its namespace.
    pub id: String,
    /// The moment.
    pub until: Timestamp,
    now: Mutex<Now>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<Task<()>>>,
}

#[derive(Debug)]
struct Now {
    stage: Stage,
    used: Timestamp,
}

/// How far a machine has come.
#[derive(Clone, Debug)]
pub enum Stage {
    /// So many records of so many are folded.
    Replaying(u64, u64),
    /// It can be looked at.
    Ready(Query),
    /// It came to no end, and why.
    Failed(String),
}

/// Locks, whatever a thread that panicked did: everything here is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// How far it has come.
    pub fn stage(&self) -> Stage {
        lock(&self.now).stage.clone()
    }

    /// Notes that somebody looks at it.
    pub fn used(&self, now: Timestamp) {
        lock(&self.now).used = now;
    }

    fn comes_to(&self, stage: Stage) {
        lock(&self.now).stage = stage;
    }

    fn is_failed(&self) -> bool {
        matches!(lock(&self.now).stage, Stage::Failed(_))
    }
}

impl TimeMachines {
    /// None yet.
    pub fn new(session: &Session) -> Self {
        Self { session: session.clone(), machines: Mutex::default() }
    }

    /// All there are, the one asked for last at the end.
    pub fn all(&self) -> Vec<Arc<Machine>> {
        lock(&self.machines).clone()
    }

    /// The machine for a moment: the one that is there, or a new one, which takes the place of the one that was looked at least recently where there
    /// are too many.
    pub fn start(&self, until: Timestamp, model: Option<Model>) -> Arc<Machine> {
        let now = self.session.runtime.now();
        let mut machines = lock(&self.machines);
        let known = machines.iter().position(|machine| machine.until == until && !machine.is_failed());
        if let Some(place) = known {
            let machine = machines.remove(place);
            machine.used(now);
            machines.push(machine.clone());
            return machine;
        }
        while machines.len() >= MOST {
            let oldest = machines.iter().enumerate().min_by_key(|(_, machine)| lock(&machine.now).used);
            let Some(place) = oldest.map(|(place, _)| place) else { break };
            self.end(&machines.remove(place));
        }
        let machine = Arc::new(Machine {
            id: name(until, &self.session.runtime.token()),
            until,
            now: Mutex::new(Now { stage: Stage::Replaying(0, 0), used: now }),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
        });
        let task = self.session.runtime.spawn(run(self.session.clone(), machine.clone(), model));
        *lock(&machine.task) = Some(task);
        machines.push(machine.clone());
        machine
    }

    /// Drops a machine. Returns whether there was one of this name.
    pub fn remove(&self, id: &str) -> bool {
        let mut machines = lock(&self.machines);
        let place = machines.iter().position(|machine| machine.id == id);
        if let Some(place) = place {
            self.end(&machines.remove(place));
        }
        place.is_some()
    }

    /// Drops those that nobody looked at for long.
    pub fn sweep(&self) {
        let now = self.session.runtime.now();
        let is_idle = |machine: &&Arc<Machine>| now.millis_since(lock(&machine.now).used) > IDLE_MS;
        let idle: Vec<Arc<Machine>> = lock(&self.machines).iter().filter(is_idle).cloned().collect();
        for machine in idle {
            self.remove(&machine.id);
        }
    }

    /// Stops a machine, and drops its namespace once nobody folds it any more.
    fn end(&self, machine: &Arc<Machine>) {
        machine.stop.send_replace(true);
        let (session, machine) = (self.session.clone(), machine.clone());
        self.session.runtime.spawn(async move {
            let task = lock(&machine.task).take();
            if let Some(task) = task {
                // However it ended.
                task.await.ok();
            }
            drop_namespace(&session, &machine.id).await;
        });
    }

    /// Drops the namespaces of machines that processes left behind which were killed.
    pub async fn clear(&self) {
        let session = &self.session;
        let known = match Namespaces::read(&session.edges).await {
            Ok(known) => known,
            Err(error) => return tracing::warn!("what time machines left behind stays: {error:#}"),
        };
        let now = session.runtime.now();
        let ours: Vec<String> = self.all().iter().map(|machine| machine.id.clone()).collect();
        // An embedded home has one owner, so that every other machine there is nobody's.
        let is_left = |created: i64| {
            session.config.is_embedded() || now.millis_since(Timestamp(created)) > LEFT_BEHIND_MS
        };
        for record in known.records.values().filter(|record| record.name.starts_with(PREFIX)) {
            if !ours.contains(&record.name) && is_left(record.created) {
                drop_namespace(session, &record.name).await;
            }
        }
    }
}

/// The name of the namespace for a moment, which is nobody else's.
fn name(until: Timestamp, token: &str) -> String {
    let moment: String = until.to_rfc3339().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{PREFIX}{}-{}", moment.to_ascii_lowercase(), &token[..4]);
    name.chars().take(64).collect()
}

async fn drop_namespace(session: &Session, name: &str) {
    let dropped = async {
        let namespaces = Namespaces::read(&session.edges).await?;
        let mut quiet = session.clone();
        quiet.output = Output::Channel(mpsc::unbounded_channel().0);
        match namespaces.records.contains_key(name) {
            true => namespace::drop(&quiet, &namespaces, name).await,
            // It was stopped before it was made.
            false => Ok(()),
        }
    };
    if let Err(error) = dropped.await {
        tracing::warn!("the namespace {name} of a time machine stays until the next start: {error:#}");
    }
}

async fn run(session: Session, machine: Arc<Machine>, model: Option<Model>) {
    let stage = match build(session, &machine, model).await {
        Ok(query) => Stage::Ready(query),
        Err(error) => {
            tracing::warn!(id = machine.id, "a time machine does not start: {error:#}");
            Stage::Failed(format!("{error:#}"))
        }
    };
    machine.comes_to(stage);
}

/// Replays up to the machine's moment, and starts the read path of what came of it.
async fn build(mut session: Session, machine: &Arc<Machine>, model: Option<Model>) -> anyhow::Result<Query> {
    let (said, mut heard) = mpsc::unbounded_channel();
    session.config.namespace = machine.id.clone();
    session.output = Output::Channel(said);
    session.stop = machine.stop.subscribe();
    let inference = model.as_ref().map(|model| model.inference.clone());
    let until = machine.until.to_rfc3339();
    let replayed = async {
        let replayed = replay::rebuild(&session, inference, None, &until, false).await;
        // Ends what follows the progress.
        session.output = Output::Channel(mpsc::unbounded_channel().0);
        replayed
    };
    let followed = async {
        while let Some(said) = heard.recv().await {
            if let Said::Progress(_, done, total) = said {
                machine.comes_to(Stage::Replaying(done, total));
            }
        }
    };
    let (replayed, ()) = tokio::join!(replayed, followed);
    replayed?;
    if *machine.stop.borrow() {
        anyhow::bail!("replay to {until}: it was stopped");
    }
    let namespaces = Namespaces::read(&session.edges).await?;
    let record = namespaces.get(&machine.id).context("find what was replayed")?;
    if record.until.is_some() {
        keep_forgetting(&session, record).await?;
    }
    let query = query_of_a_past(&session, record, model.filter(|_| record.has_model()));
    query.refresh().await;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_namespace_may_be_called_so() {
        for moment in [0, 1_700_000_000_123, i64::MAX] {
            let name = name(Timestamp(moment), "00ff00ff00ff00ff");
            assert!(abovefold_engine::state::check_namespace(&name).is_ok(), "{name}");
        }
        assert_eq!(name(Timestamp(0), "00ff00ff00ff00ff"), "time-machine-19700101t000000000z-00ff");
    }
}
