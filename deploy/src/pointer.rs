//! Readers see what `live` points to: the topic `namespaces` is followed, and the read path of another namespace put in place at once.

use std::{sync::Arc, time::Duration};

use abovefold_models::ModelFacts;
use abovefold_operators::fold::FOLD_VERSION;
use abovefold_schemas::records::NamespaceRecord;
use anyhow::bail;

use crate::{
    commands::query,
    http::{Reading, Seen},
    models::Models,
    namespaces::{Follower, LIVE, Namespaces, check_readable},
    session::Session,
};

/// How long after a failure, or while readers do not see what they should, it is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps what readers see where `live` points.
#[derive(Debug)]
pub struct Pointer {
    session: Session,
    reading: Arc<Reading>,
    models: Arc<Models>,
}

impl Pointer {
    /// Over what readers see now, and the models of this process.
    pub fn new(session: &Session, reading: Arc<Reading>, models: Arc<Models>) -> Self {
        Self { session: session.clone(), reading, models }
    }

    /// Follows the topic until the process is told to stop. Whatever fails is tried again, and readers go on seeing what they saw.
    pub async fn follow(mut self) {
        let mut stop = self.session.stop.clone();
        let mut follower = None;
        loop {
            let step = async {
                match self.step(&mut follower).await {
                    Ok(()) => {}
                    Err(error) => {
                        tracing::warn!("the pointer `live` is not followed, trying again: {error:#}");
                        self.session.runtime.sleep(RETRY).await;
                    }
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = step => {}
            }
        }
    }

    /// Brings readers to where the topic points, then waits for its next change.
    async fn step(&mut self, follower: &mut Option<Follower>) -> anyhow::Result<()> {
        let edges = self.session.edges.clone();
        let follower = match follower {
            Some(follower) => follower,
            none => none.insert(Follower::start(&edges).await?),
        };
        self.bring(&follower.namespaces).await;
        if self.reading.trouble().is_none() {
            return follower.changed(&edges).await;
        }
        // Something may have changed that the topic does not tell: a model folder, a store that is back.
        match self.session.runtime.timeout(RETRY, follower.changed(&edges)).await {
            Some(changed) => changed,
            None => Ok(()),
        }
    }

    async fn bring(&mut self, namespaces: &Namespaces) {
        // Without a pointer there is nothing to follow.
        let Ok(live) = namespaces.get(LIVE) else { return };
        let seen = self.reading.seen();
        let trouble = match seen.namespace == live.name && fits(live, seen.model.as_ref()) {
            true => None,
            false => self.switch(live).await.err(),
        };
        let trouble = trouble.map(|error| {
            format!("live points to {}, and readers still see {}: {error:#}", live.name, seen.namespace)
        });
        if self.reading.set_trouble(trouble.clone())
            && let Some(trouble) = trouble
        {
            tracing::warn!("{trouble}");
        }
    }

    /// Starts the read path of a namespace, fills its trends, and lets readers see it.
    async fn switch(&self, live: &NamespaceRecord) -> anyhow::Result<()> {
        if live.fold_version != FOLD_VERSION {
            bail!(
                "its fold code is {}, here it is {FOLD_VERSION}; start the program that made it",
                live.fold_version
            );
        }
        check_readable(live)?;
        // No other model is put in force meanwhile, which would be lost.
        let mut held = self.models.hold().await;
        let found = self.models.fitting(&mut held, live).await?;
        // A store that does not answer would leave readers without trends.
        self.session.markers(&live.name).await?;
        let query = query(&self.session, live, found.model.clone());
        query.refresh().await;
        self.reading.switch(Seen::new(live, query, found.model.as_ref()));
        self.models.took(&mut held, found);
        tracing::info!("readers see namespace {} from now on", live.name);
        Ok(())
    }
}

/// Whether a namespace can be read with this model.
pub fn fits(record: &NamespaceRecord, model: Option<&ModelFacts>) -> bool {
    !record.has_model() || model.is_some_and(|facts| facts.session_digest == record.session_model)
}
