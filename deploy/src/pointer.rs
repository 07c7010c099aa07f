//! Readers see what `live` points to: the topic `namespaces` is followed, and the read path of another namespace put in place at once.

use std::{path::Path, sync::Arc, time::Duration, time::SystemTime};

use abovefold_models::ModelFacts;
use abovefold_operators::fold::FOLD_VERSION;
use abovefold_schemas::records::NamespaceRecord;
use anyhow::{Context, bail};

use crate::{
    commands::query,
    http::{Reading, Seen},
    namespaces::{Follower, LIVE, Namespaces, check_readable},
    session::{Model, Session, load_model},
};

/// How long after a failure, or while readers do not see what they should, it is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps what readers see where `live` points.
#[derive(Debug)]
pub struct Pointer {
    session: Session,
    reading: Arc<Reading>,
    model: Option<Model>,
    /// The files of the model folder as they were when it was read last.
    read_at: Option<Vec<SystemTime>>,
}

impl Pointer {
    /// Over what readers see now, and the model that this process has loaded.
    pub fn new(session: &Session, reading: Arc<Reading>, model: Option<Model>) -> Self {
        let read_at = stamp(session);
        Self { session: session.clone(), reading, model, read_at }
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
    async fn switch(&mut self, live: &NamespaceRecord) -> anyhow::Result<()> {
        if live.fold_version != FOLD_VERSION {
            bail!(
                "its fold code is {}, here it is {FOLD_VERSION}; start the program that made it",
                live.fold_version
            );
        }
        check_readable(live)?;
        let model = self.model_of(live).await?;
        // A store that does not answer would leave readers without trends.
        self.session.markers(&live.name).await?;
        let facts = model.as_ref().map(|model| model.facts().clone());
        let query = query(&self.session, live, model);
        query.refresh().await;
        self.reading.switch(Seen { namespace: live.name.clone(), query, model: facts });
        tracing::info!("readers see namespace {} from now on", live.name);
        Ok(())
    }

    /// The model that a namespace is read with: the one that is loaded, or the one that lies in the configured folder by now.
    async fn model_of(&mut self, live: &NamespaceRecord) -> anyhow::Result<Option<Model>> {
        if !live.has_model() {
            return Ok(None);
        }
        let is_it = |model: &Option<Model>| fits(live, model.as_ref().map(Model::facts));
        if !is_it(&self.model) {
            let now = stamp(&self.session);
            if now != self.read_at {
                let config = self.session.config.clone();
                let loaded = tokio::task::spawn_blocking(move || load_model(&config));
                let loaded = loaded.await.context("load the model")??;
                self.read_at = now;
                self.model = loaded;
            }
        }
        if is_it(&self.model) {
            return Ok(self.model.clone());
        }
        let folder = self.session.config.model_folder();
        let folder = folder.map_or("no model folder".into(), |folder| folder.display().to_string());
        let here = self.model.as_ref().map_or("none", |model| &model.facts().session_digest);
        bail!(
            "it was made with the session model {}, here it is {here} ({folder}); put its model there, or promote another namespace",
            live.session_model
        )
    }
}

/// Whether a namespace can be read with this model.
pub fn fits(record: &NamespaceRecord, model: Option<&ModelFacts>) -> bool {
    !record.has_model() || model.is_some_and(|facts| facts.session_digest == record.session_model)
}

/// When the files of the model folder were written; `None` where there is none.
fn stamp(session: &Session) -> Option<Vec<SystemTime>> {
    let folder = session.config.model_folder()?;
    let written = |file: &str| Path::new(&folder).join(file).metadata().ok()?.modified().ok();
    Some(["model.json", "model.safetensors"].into_iter().filter_map(written).collect())
}
