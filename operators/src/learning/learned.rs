//! What was learned, as a query worker holds it: the topic `learned`, followed.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use abovefold_engine::{
    Result, Runtime,
    log::{Log, Position},
};
use abovefold_models::learner::{LearnerOptions, Table};

use super::{
    chain::{Chain, PARTITION, Version},
    rebuild::apply,
};

/// What was learned up to one version.
#[derive(Clone, Debug)]
pub struct LearnedAt {
    /// The vectors.
    pub table: Table,
    /// The version; 0 before the first.
    pub version: u64,
}

/// What was learned, brought from version to version while requests read it.
#[derive(Debug)]
pub struct Learned {
    at: RwLock<LearnedAt>,
}

impl Default for Learned {
    fn default() -> Self {
        let table = Table::new(LearnerOptions::default().seed);
        Self { at: RwLock::new(LearnedAt { table, version: 0 }) }
    }
}

impl Learned {
    /// What was learned so far. Not to be held over an await.
    pub fn at(&self) -> RwLockReadGuard<'_, LearnedAt> {
        // A panic of whoever wrote leaves some rows of the next version, as good as those of this one.
        self.at.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task that follows the topic until nobody else holds what was learned. A log that does not answer is tried again.
    pub fn follow(log: Arc<dyn Log>, topic: &str, runtime: &Runtime) -> Arc<Self> {
        let this = Arc::new(Self::default());
        let (weak, topic, clock) = (Arc::downgrade(&this), topic.to_owned(), runtime.clone());
        runtime.spawn(async move {
            let mut follower = Follower { chain: Chain::default(), next: None };
            loop {
                let outcome = follower.follow(log.as_ref(), &topic, |version| {
                    weak.upgrade().map(|learned| learned.take(&version)).is_some()
                });
                match outcome.await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "what was learned stays as it was, trying again"),
                }
                if weak.strong_count() == 0 {
                    return;
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        });
        this
    }

    fn take(&self, version: &Version) {
        let mut at = self.at.write().unwrap_or_else(PoisonError::into_inner);
        apply(&mut at.table, &version.rows);
        at.version = version.checkpoint.version;
    }
}

struct Follower {
    chain: Chain,
    next: Option<Position>,
}

impl Follower {
    async fn follow(&mut self, log: &dyn Log, topic: &str, take: impl Fn(Version) -> bool) -> Result<()> {
        let from = match self.next {
            Some(next) => next,
            None => {
                let bounds = log.bounds(topic).await?;
                let begin =
                    bounds.get(PARTITION as usize).map_or_else(Default::default, |bounds| bounds.begin);
                Position { partition: PARTITION, offset: begin }
            }
        };
        let mut reader = log.read(topic, vec![from]).await?;
        loop {
            let run = reader.next().await?;
            for record in &run.records {
                if let Some(version) = self.chain.take(record)
                    && !take(version)
                {
                    return Ok(());
                }
            }
            self.next = Some(Position { partition: PARTITION, offset: run.next });
        }
    }
}
