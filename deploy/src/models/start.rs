//! The model that a process begins with, and which serves where that one is broken.

use std::path::PathBuf;

use abovefold_operators::query::probe;
use anyhow::Context;

use super::{ModelsFolder, folder::Pointed};
use crate::{
    config::Config,
    session::{Model, load_from},
};

/// What a process begins with.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The model; `None` where there is none, or it is broken and nothing stands in for it.
    pub model: Option<Model>,
    /// Why it is not the one that the configuration names, or does not do all of its work.
    pub trouble: Option<String>,
    /// Which of the models folder's it is, as the link names it.
    pub(super) target: Option<PathBuf>,
    /// What the link named then.
    pub(super) pointed: Option<Pointed>,
}

/// How it went to start a model.
enum Started {
    Fit(Model),
    /// Its session model can be used, and it cannot rank.
    Unfit(Model, String),
    Broken(anyhow::Error),
}

impl Loaded {
    /// The configured model, or where the link `current` names one that is broken, the one that served last. A model that is to rank is tried on
    /// made-up requests as well.
    ///
    /// # Errors
    /// When the configured one is broken and nothing stands in for it.
    pub async fn start(config: &Config, ranks: bool) -> anyhow::Result<Self> {
        let folder = ModelsFolder::of(config);
        let pointed = folder.pointed();
        let Some(configured) = config.model_folder() else { return Ok(Self { pointed, ..Self::default() }) };
        let is_link = configured == folder.link();
        let target = pointed.as_ref().filter(|_| is_link).map(|pointed| pointed.target.clone());
        let started = start(config, configured, ranks).await;
        let reason = match &started {
            Started::Fit(model) => {
                if let Some(Err(error)) = target.as_ref().map(|target| folder.remember(target)) {
                    tracing::warn!(folder = %folder.path().display(), %error, "the models that served are not remembered");
                }
                return Ok(Self { model: Some(model.clone()), trouble: None, target, pointed });
            }
            Started::Unfit(_, reason) => reason.clone(),
            Started::Broken(error) => format!("{error:#}"),
        };
        if let Some(target) = &target {
            for last in folder.served().into_iter().filter(|last| last != target) {
                if let Started::Fit(model) = start(config, folder.at(&last), ranks).await {
                    let trouble = format!(
                        "{} names {}, and {}, which served last, serves in its place: {reason}",
                        folder.link().display(),
                        target.display(),
                        last.display()
                    );
                    tracing::warn!("{trouble}");
                    return Ok(Self {
                        model: Some(model),
                        trouble: Some(trouble),
                        target: Some(last),
                        pointed,
                    });
                }
            }
        }
        match started {
            Started::Broken(error) => Err(error),
            // What readers' state is stepped by is whole; the read path does without the rest.
            Started::Fit(model) | Started::Unfit(model, _) => {
                tracing::warn!("{reason}");
                Ok(Self { model: Some(model), trouble: Some(reason), target, pointed })
            }
        }
    }

    /// No model, since it is broken and nothing stands in for it.
    pub fn without(config: &Config, trouble: String) -> Self {
        tracing::warn!("candidates stay in the order of their cosine: {trouble}");
        Self { trouble: Some(trouble), pointed: ModelsFolder::of(config).pointed(), ..Self::default() }
    }
}

async fn start(config: &Config, folder: PathBuf, ranks: bool) -> Started {
    let (of, at) = (config.clone(), folder.clone());
    let loaded = tokio::task::spawn_blocking(move || load_from(&at, &of)).await.context("load the model");
    let model = match loaded.and_then(|loaded| loaded) {
        Ok(model) => model,
        Err(error) => return Started::Broken(error),
    };
    if !ranks {
        return Started::Fit(model);
    }
    // Without a limit: a machine that starts is busy with other things.
    match probe(&model.serving(), None).await {
        Ok(_) => Started::Fit(model),
        Err(unfit) => {
            Started::Unfit(model, format!("the model {} is not fit to rank: {unfit}", folder.display()))
        }
    }
}
