//! Models change while they serve: one is promoted by name, or the link `current` is moved, and the next request is ordered by it.
//!
//! A model is loaded, tried on a batch of made-up requests, and put in force whole: networks, trees and version. A batch of requests takes the model
//! once, so that no answer mixes two. Where anything is wrong with it, the one that serves goes on. The session model is what readers' state was folded
//! with, and does not change here: another one comes with a namespace of its own.

mod folder;
mod start;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use abovefold_engine::Runtime;
use abovefold_models::{Inference, ModelFolder, folder::CARD_FILE};
use abovefold_operators::{
    features::ColumnRanker,
    query::{metrics::MODEL_SWAPS, probe},
};
use abovefold_schemas::records::NamespaceRecord;
use anyhow::bail;
use tokio::sync::{MutexGuard, watch};

use self::folder::{Pointed, written};
pub use self::{
    folder::{CURRENT, LONGEST_NAME, ModelsFolder},
    start::Loaded,
};
use crate::{
    config::Config,
    http::{Reading, Seen},
    namespaces::LIVE,
    pointer::fits,
    session::Model,
};

/// How often the link is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a model is not put in force. What served goes on serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No model can have this name.
    Name(String),
    /// There is no such model.
    Missing(String),
    /// It cannot be loaded, or does not pass the probe.
    Broken(String),
    /// It has another session model than the namespace that readers see.
    OtherSession {
        /// The model's folder.
        folder: String,
        /// The namespace.
        namespace: String,
        /// The digest of the model's session model.
        here: String,
        /// That of the namespace's.
        there: String,
    },
    /// The link cannot be moved, so that a restart would serve something else.
    Link(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(reason) | Self::Broken(reason) | Self::Link(reason) => f.write_str(reason),
            Self::Missing(which) => write!(f, "there is no model {which}"),
            Self::OtherSession { folder, namespace, here, there } => write!(
                f,
                "the model {folder} has another session model ({here}) than the namespace {namespace} was folded with ({there}): \
                 run `abovefold replay --namespace NEW --model {folder}`, then `abovefold namespace promote NEW`"
            ),
        }
    }
}

impl Refusal {
    /// The label of the metric.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Name(_) | Self::Missing(_) | Self::Broken(_) => "broken",
            Self::OtherSession { .. } => "refused",
            Self::Link(_) => "failed",
        }
    }
}

/// The models of a process that serves.
#[derive(Debug)]
pub struct Models {
    config: Config,
    runtime: Runtime,
    folder: ModelsFolder,
    reading: Arc<Reading>,
    /// One change at a time: of the model, and of the namespace that readers see.
    held: tokio::sync::Mutex<Held>,
    shown: Mutex<Shown>,
}

/// What serves, for who changes it.
#[derive(Debug)]
pub struct Held {
    model: Option<Model>,
    /// What the link named when it was looked at last.
    pointed: Option<Pointed>,
    /// A session model that was looked for, and the files among which there was none of it.
    searched: Option<(String, Files)>,
}

/// Model folders, and when their files were written.
type Files = Vec<(String, Vec<Option<SystemTime>>)>;

/// A model that a namespace can be read with.
#[derive(Debug)]
pub struct Found {
    /// The model; `None` for a namespace that was folded without.
    pub model: Option<Model>,
    /// Whether it was loaded for this; else it was in force.
    is_new: bool,
    /// Which of the models folder's it is, as the link names it; `None` where it lies elsewhere.
    target: Option<PathBuf>,
}

/// What serves, for who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Which of the models folder's serves, as the link names it; `None` where it lies elsewhere or there is none.
    pub target: Option<PathBuf>,
    /// Why the model that should serve does not.
    pub trouble: Option<String>,
}

impl Models {
    /// Over what readers see, and the model that this process began with.
    pub fn new(config: Config, runtime: Runtime, reading: Arc<Reading>, loaded: Loaded) -> Arc<Self> {
        let Loaded { model, target, trouble, pointed } = loaded;
        let folder = ModelsFolder::of(&config);
        let held = tokio::sync::Mutex::new(Held { model, pointed, searched: None });
        let shown = Mutex::new(Shown { target, trouble });
        Arc::new(Self { config, runtime, folder, reading, held, shown })
    }

    /// Where models lie by name.
    pub fn folder(&self) -> &ModelsFolder {
        &self.folder
    }

    /// What serves, and why not something else.
    pub fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The model in force, if there is one.
    pub async fn in_force(&self) -> Option<Model> {
        self.held.lock().await.model.clone()
    }

    /// Keeps everything as it is until the guard is dropped.
    pub async fn hold(&self) -> MutexGuard<'_, Held> {
        self.held.lock().await
    }

    /// What keeps the next start of this process from serving what the link names; `None` where nothing does.
    pub fn note(&self) -> Option<String> {
        let (named, link) = (&self.config.model, self.folder.link());
        let pinned = !named.as_os_str().is_empty() && *named != link;
        pinned.then(|| {
            format!(
                "the next start serves {} again, since the configuration names it as the model; name {} there",
                named.display(),
                link.display()
            )
        })
    }

    /// Loads the model of a name, tries it, moves the link to it and puts it in force. Returns its version.
    ///
    /// # Errors
    /// Why it is refused; then nothing has changed.
    pub async fn promote(&self, name: &str) -> Result<String, Refusal> {
        let mut held = self.held.lock().await;
        let promoted = self.promote_held(&mut held, name).await;
        self.count(&promoted);
        promoted
    }

    async fn promote_held(&self, held: &mut Held, name: &str) -> Result<String, Refusal> {
        let folder = self.folder.named(name).map_err(Refusal::Name)?;
        if !folder.join(CARD_FILE).is_file() {
            return Err(Refusal::Missing(format!(
                "{name}: {} is not there; put the folder that `abovefold train` wrote into {}",
                folder.join(CARD_FILE).display(),
                self.folder.path().display()
            )));
        }
        let model = self.tried(&folder).await?;
        self.folder.point(name).map_err(|error| {
            let link = self.folder.link();
            Refusal::Link(format!("let the link {} name {name}: {error}", link.display()))
        })?;
        held.pointed = self.folder.pointed();
        let version = model.facts().version.clone();
        self.put_in_force(held, model, Path::new(name));
        Ok(version)
    }

    /// Looks at the link from time to time until the process is told to stop.
    pub async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let step = async {
                self.runtime.sleep(LOOK_EVERY).await;
                self.look().await;
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = step => {}
            }
        }
    }

    /// Puts in force what the link names, if that is another model than when it was looked at last.
    async fn look(&self) {
        let mut held = self.held.lock().await;
        let pointed = self.folder.pointed();
        if pointed == held.pointed {
            return;
        }
        held.pointed = pointed.clone();
        // Without a link there is nothing that should serve instead.
        let Some(Pointed { target, .. }) = pointed else { return self.set_trouble(None) };
        let tried = self.tried(&self.folder.at(&target)).await;
        self.count(&tried);
        match tried {
            Ok(model) => self.put_in_force(&mut held, model, &target),
            Err(refusal) => self.set_trouble(Some(format!(
                "{} names {}, and the model from before it serves: {refusal}",
                self.folder.link().display(),
                target.display()
            ))),
        }
    }

    /// Loads a model for the namespace that readers see, and tries it.
    async fn tried(&self, folder: &Path) -> Result<Model, Refusal> {
        let seen = self.reading.seen();
        let wanted = seen.session_model.clone().map(|session| (seen.namespace.clone(), session));
        let model = load_whole(folder, &self.config, wanted).await?;
        let limit = Duration::from_millis(self.config.query.ranker_limit_ms);
        let took = probe(&model.serving(), Some(limit)).await;
        let took = took.map_err(|unfit| {
            Refusal::Broken(format!("the model {} is not fit to serve: {unfit}", folder.display()))
        })?;
        tracing::info!(folder = %folder.display(), version = model.facts().version, milliseconds = took.as_millis() as u64, "a model is fit to serve");
        Ok(model)
    }

    fn put_in_force(&self, held: &mut Held, model: Model, target: &Path) {
        let seen = self.reading.seen();
        let was = seen.query.swap_model(model.serving());
        tracing::info!(
            version = model.facts().version,
            was = was.version(),
            "another model serves from now on"
        );
        self.reading.switch(Seen {
            namespace: seen.namespace.clone(),
            session_model: seen.session_model.clone(),
            query: seen.query.clone(),
            model: Some(model.facts().clone()),
        });
        if self.config.namespace != LIVE {
            // All that can keep readers from what they should see: a session model that was not the namespace's.
            self.reading.set_trouble(None);
        }
        held.model = Some(model);
        self.serves(target);
    }

    /// Notes which model serves, also for the next start.
    fn serves(&self, target: &Path) {
        self.show(Shown { target: Some(target.to_owned()), trouble: None });
        if let Err(error) = self.folder.remember(target) {
            tracing::warn!(folder = %self.folder.path().display(), %error, "the models that served are not remembered");
        }
    }

    fn show(&self, shown: Shown) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    fn set_trouble(&self, trouble: Option<String>) {
        if let Some(trouble) = &trouble {
            tracing::warn!("{trouble}");
        }
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).trouble = trouble;
    }

    fn count<T>(&self, outcome: &Result<T, Refusal>) {
        let outcome = outcome.as_ref().err().map_or("swapped", Refusal::outcome);
        metrics::counter!(MODEL_SWAPS, "outcome" => outcome).increment(1);
    }

    /// The model that a namespace is read with: the one in force, the one that lies in the configured folder by now, or, where readers are to see
    /// another namespace, one of the models folder.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fitting(&self, held: &mut Held, namespace: &NamespaceRecord) -> anyhow::Result<Found> {
        if !namespace.has_model() || fits(namespace, held.model.as_ref().map(Model::facts)) {
            let model = held.model.clone().filter(|_| namespace.has_model());
            return Ok(Found { model, is_new: false, target: None });
        }
        let configured = self.config.model_folder();
        let mut folders: Vec<(PathBuf, Option<PathBuf>)> = Vec::new();
        if let Some(folder) = &configured {
            let is_link = *folder == self.folder.link();
            let target = self.folder.pointed().filter(|_| is_link).map(|pointed| pointed.target);
            folders.push((folder.clone(), target));
        }
        if self.reading.seen().namespace != namespace.name {
            let named = self.folder.list().into_iter();
            folders.extend(named.map(|(name, _)| (self.folder.at(Path::new(&name)), Some(name.into()))));
        }
        let stamp = |(folder, _): &(PathBuf, _)| (folder.display().to_string(), written(folder));
        let files = (namespace.session_model.clone(), folders.iter().map(stamp).collect());
        let mut broken = None;
        // To load them all every few seconds would be in the way of whatever else runs.
        if held.searched.as_ref() != Some(&files) {
            held.searched = Some(files);
            for (folder, target) in folders {
                let wanted = Some((namespace.name.clone(), namespace.session_model.clone()));
                match load_whole(&folder, &self.config, wanted).await {
                    Ok(model) => return Ok(Found { model: Some(model), is_new: true, target }),
                    Err(Refusal::Broken(reason)) => broken = broken.or(Some(reason)),
                    Err(_) => {}
                }
            }
        }
        let here = held.model.as_ref().map_or("none", |model| &model.facts().session_digest);
        let folder = configured.map_or("no model folder".into(), |folder| folder.display().to_string());
        let broken = broken.map_or(String::new(), |reason| format!("; {reason}"));
        bail!(
            "it was made with the session model {}, here it is {here} ({folder}); put its model there or into {}, or promote another namespace{broken}",
            namespace.session_model,
            self.folder.path().display(),
        )
    }

    /// Readers see a namespace with this model from now on.
    pub fn took(&self, held: &mut Held, found: Found) {
        let Found { model: Some(model), is_new: true, target } = found else { return };
        held.model = Some(model);
        held.searched = None;
        let Some(target) = target else { return self.show(Shown::default()) };
        if let Some(name) = target.to_str().filter(|name| self.folder.named(name).is_ok())
            && let Err(error) = self.folder.point(name)
        {
            tracing::warn!(link = %self.folder.link().display(), %error, "a restart will look for its model again");
        }
        held.pointed = self.folder.pointed();
        self.serves(&target);
    }
}

/// Loads and starts a model of which every part can be used, and of the session model that a namespace (named first) was folded with.
async fn load_whole(
    folder: &Path,
    config: &Config,
    wanted: Option<(String, String)>,
) -> Result<Model, Refusal> {
    let (folder, options) = (folder.to_owned(), config.inference());
    let load = move || {
        let broken = |error: &dyn fmt::Display| {
            Refusal::Broken(format!("load the model {}: {error}", folder.display()))
        };
        let read = ModelFolder::load(&folder).map_err(|error| broken(&error))?;
        let here = read.session_digest();
        if let Some((namespace, there)) = wanted.filter(|(_, there)| *there != here) {
            let folder = folder.display().to_string();
            return Err(Refusal::OtherSession { folder, namespace, here, there });
        }
        let trees = read.ranker.as_deref().map(ColumnRanker::from_text).transpose();
        let trees = trees.map_err(|error| broken(&error))?.map(Arc::new);
        let options = options.map_err(|error| broken(&error))?;
        let inference = Inference::start(&read, options).map_err(|error| broken(&error))?;
        Ok(Model { inference, trees })
    };
    let loaded = tokio::task::spawn_blocking(load).await;
    loaded.unwrap_or_else(|error| Err(Refusal::Broken(format!("load a model: {error}"))))
}
