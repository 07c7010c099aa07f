//! What a command works with.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use abovefold_engine::{Pause, Runtime, Troubles, state::Tag};
use abovefold_models::{Inference, ModelFacts, ModelFolder};
use abovefold_operators::{features::ColumnRanker, learning::Learned, query::ServingModel};
use abovefold_schemas::{Marker, Offset, records::NamespaceRecord};
use anyhow::Context;
use tokio::sync::watch;

use crate::{config::Config, edges::Edges, namespaces, output::Output};

/// Configuration, edges, and where to speak to.
#[derive(Clone, Debug)]
pub struct Session {
    pub config: Config,
    pub edges: Edges,
    pub runtime: Runtime,
    /// The same, for what no reader waits for.
    pub background: Runtime,
    pub output: Output,
    /// Paths that a command is given are relative to this folder.
    pub folder: PathBuf,
    /// Becomes true when the process shall end.
    pub stop: watch::Receiver<bool>,
    /// While it is set, the worker of this process takes nothing from the log.
    pub pause: Pause,
    /// Partitions of this process that stand still.
    pub troubles: Troubles,
    /// What was learned, once a read path of this process follows it.
    pub learned: Arc<OnceLock<Arc<Learned>>>,
}

/// A model that was started.
#[derive(Clone, Debug)]
pub struct Model {
    /// The networks.
    pub inference: Inference,
    /// The trees above them; `None` where the folder has none, or they can't be used.
    pub trees: Option<Arc<ColumnRanker>>,
}

impl Model {
    /// What is known of the networks.
    pub fn facts(&self) -> &ModelFacts {
        self.inference.facts()
    }

    /// What orders candidates.
    pub fn serving(&self) -> ServingModel {
        ServingModel { ranker: Some(Arc::new(self.inference.clone())), trees: self.trees.clone() }
    }
}

impl Session {
    /// A path that a command was given.
    pub fn path(&self, given: &Path) -> PathBuf {
        self.folder.join(given)
    }

    /// The namespace that the command is about, as it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn namespace(&self) -> anyhow::Result<NamespaceRecord> {
        Ok(namespaces::Namespaces::read(&self.edges).await?.get(&self.config.namespace)?.clone())
    }

    /// The namespace that the command shows readers of.
    ///
    /// # Errors
    /// When there is none, or it stands at a past moment and forgotten readers are still to be removed from it.
    pub async fn readable_namespace(&self) -> anyhow::Result<NamespaceRecord> {
        let namespace = self.namespace().await?;
        namespaces::check_readable(&namespace)?;
        Ok(namespace)
    }

    /// The marker of each partition of a namespace, by its number; `None` where nothing was ever written.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn markers(&self, namespace: &str) -> anyhow::Result<Vec<Option<Offset>>> {
        let markers = self.full_markers(namespace).await?;
        Ok(markers.into_iter().map(|marker| marker.map(|marker| marker.next)).collect())
    }

    /// As [`Session::markers`], with all that a marker says.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn full_markers(&self, namespace: &str) -> anyhow::Result<Vec<Option<Marker>>> {
        let mut markers = Vec::new();
        for partition in 0..self.edges.partitions {
            let tag = Tag { namespace: namespace.into(), partition };
            markers.push(self.edges.store.read(&tag, &[], &[]).await?.marker);
        }
        Ok(markers)
    }

    /// What was learned, followed from the first call on.
    pub fn learned(&self) -> Arc<Learned> {
        let follow = || Learned::follow(self.edges.log.clone(), &self.edges.topics.learned, &self.runtime);
        self.learned.get_or_init(follow).clone()
    }

    /// The model in force, started; `None` where there is none.
    ///
    /// # Errors
    /// When the folder is not one of ours.
    pub fn model(&self) -> anyhow::Result<Option<Model>> {
        load_model(&self.config)
    }
}

/// Loads and starts the configured model; `None` where none is named and the home has none.
///
/// # Errors
/// When the folder that is named is missing or is not one of ours.
pub fn load_model(config: &Config) -> anyhow::Result<Option<Model>> {
    config.model_folder().map(|folder| load_from(&folder, config)).transpose()
}

/// Loads and starts the model of a folder.
///
/// # Errors
/// When the folder is missing or is not one of ours.
pub fn load_from(folder: &Path, config: &Config) -> anyhow::Result<Model> {
    let model = ModelFolder::load(folder).with_context(|| format!("load the model {}", folder.display()))?;
    let inference = Inference::start(&model, config.inference()?)
        .with_context(|| format!("start the model {}", folder.display()))?;
    let trees = model.ranker.as_deref().map(ColumnRanker::from_text).transpose();
    let trees = trees.unwrap_or_else(|error| {
        tracing::warn!(folder = %folder.display(), "the networks rank without trees: {error}");
        None
    });
    Ok(Model { inference, trees: trees.map(Arc::new) })
}
