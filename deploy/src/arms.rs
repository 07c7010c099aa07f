//! Arms of an experiment that have a namespace of their own: a read path for each, beside the one that follows `live`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use abovefold_operators::{fold::FOLD_VERSION, query::Experiment};
use abovefold_schemas::records::NamespaceRecord;
use anyhow::{Context, bail};

use crate::{
    commands::query,
    http::Seen,
    namespaces::{Namespaces, check_readable},
    pointer::fits,
    session::{Model, Session, load_model},
};

/// Read paths by arm.
pub type Arms = BTreeMap<String, Arc<Seen>>;

/// The experiment that runs on a namespace, if any: a past is looked at, not experimented on.
pub fn experiment(session: &Session, namespace: &NamespaceRecord) -> Option<Experiment> {
    session.config.experiment().filter(|_| namespace.until.is_none())
}

/// The read paths of the arms that name a namespace of their own, beside the one that readers see. They stay with it, wherever `live` points.
///
/// # Errors
/// When a namespace is missing, can't be read here, or was made with another session model than the arm has.
pub async fn start(
    session: &Session,
    namespace: &NamespaceRecord,
    loaded: Option<&Model>,
) -> anyhow::Result<Arms> {
    let mut started = Arms::new();
    if experiment(session, namespace).is_none() {
        return Ok(started);
    }
    for arm in &session.config.experiment.arms {
        let Some(namespace) = &arm.namespace else { continue };
        let seen = see(session, namespace, arm.model.as_deref(), loaded).await;
        let seen = seen.with_context(|| format!("serve the arm {}", arm.name))?;
        started.insert(arm.name.clone(), Arc::new(seen));
    }
    Ok(started)
}

/// The read path of a namespace, by the model of a folder or the one that is loaded.
async fn see(
    session: &Session,
    namespace: &str,
    folder: Option<&Path>,
    loaded: Option<&Model>,
) -> anyhow::Result<Seen> {
    let record = Namespaces::read(&session.edges).await?.get(namespace)?.clone();
    if record.fold_version != FOLD_VERSION {
        bail!(
            "the fold code of the namespace {namespace} is {}, here it is {FOLD_VERSION}; rebuild it by `abovefold replay`",
            record.fold_version
        );
    }
    check_readable(&record)?;
    if record.until.is_some() {
        bail!(
            "the namespace {namespace} stands at a past moment; bring it up to date by `abovefold replay --namespace {namespace} --follow`"
        );
    }
    let model = match folder {
        Some(folder) => {
            let mut config = session.config.clone();
            config.model = session.path(folder);
            tokio::task::spawn_blocking(move || load_model(&config)).await.context("load the model")??
        }
        None => loaded.cloned(),
    };
    // As for `live`: state without an embedding is read without a model.
    let model = model.filter(|_| record.has_model());
    let facts = model.as_ref().map(|model| model.facts().clone());
    if !fits(&record, facts.as_ref()) {
        bail!(
            "the namespace {namespace} was made with the session model {}, the arm has {}; name the folder of its model",
            record.session_model,
            facts.map_or("none".into(), |facts| facts.session_digest)
        );
    }
    let query = query(session, &record, model.clone());
    query.refresh().await;
    Ok(Seen::new(&record, query, model.as_ref()))
}
