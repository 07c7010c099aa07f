//! `namespace list`, `promote`, `drop`.

use abovefold_engine::state::check_namespace;
use abovefold_operators::intake::INTAKE_NAMESPACE;
use abovefold_schemas::{
    Timestamp,
    records::{NamespaceChange, NamespaceRecord},
};
use anyhow::bail;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    cli::NamespaceAction,
    config::parse_duration,
    namespaces::{self, LIVE, Namespaces, Place},
    session::Session,
};

/// Does what was asked for.
pub async fn run(session: &Session, action: &NamespaceAction) -> anyhow::Result<()> {
    let namespaces = Namespaces::read(&session.edges).await?;
    match action {
        NamespaceAction::List { json } => list(session, &namespaces, *json).await,
        NamespaceAction::Promote { name, wait } => {
            promote(session, &namespaces, name, parse_duration(wait)?.as_millis() as i64).await
        }
        NamespaceAction::Drop { name } => drop(session, &namespaces, name).await,
    }
}

/// Drops a namespace: first the topic, so that a worker that still lives finds the namespace gone, then the state.
///
/// # Errors
/// When there is none of this name, it is live, or an edge does not answer.
pub async fn drop(session: &Session, namespaces: &Namespaces, name: &str) -> anyhow::Result<()> {
    let record = match namespaces.get(name) {
        Ok(record) => record,
        // Of one that is no longer in the topic, something may be left: a drop that was cut short, a worker that began at that moment.
        Err(_) if is_left(session, name).await? => {
            session.edges.store.drop_namespace(name).await?;
            session.output.line(format!("what was left of {name} is dropped"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if namespaces.live.as_ref() == Some(&record.name) {
        bail!("drop the namespace {}: it is live; promote another one first", record.name);
    }
    namespaces::write(&session.edges, &NamespaceChange::Dropped { name: record.name.clone() }).await?;
    // Somebody may have promoted it meanwhile: what the topic says counts.
    if Namespaces::read(&session.edges).await?.records.contains_key(&record.name) {
        bail!("drop the namespace {}: it is live by now; promote another one first", record.name);
    }
    session.edges.store.drop_namespace(&record.name).await?;
    session.output.line(format!("{} dropped", record.name));
    Ok(())
}

/// Whether the store has anything of a namespace that the topic does not name.
async fn is_left(session: &Session, name: &str) -> anyhow::Result<bool> {
    let is_free = ![LIVE, INTAKE_NAMESPACE].contains(&name) && check_namespace(name).is_ok();
    Ok(is_free && !session.edges.store.partitions(name).await?.is_empty())
}

async fn list(session: &Session, namespaces: &Namespaces, json: bool) -> anyhow::Result<()> {
    for record in namespaces.records.values() {
        let live = namespaces.live.as_ref() == Some(&record.name);
        let markers = markers(session, record).await?;
        session.output.line(match json {
            true => serde_json::to_string(&Listed::of(record, live, markers))?,
            false => in_words(record, live, &markers),
        });
    }
    Ok(())
}

/// How far a namespace is folded, by partition; its first offset where nothing is.
///
/// # Errors
/// When the state store does not answer.
pub async fn markers(session: &Session, record: &NamespaceRecord) -> anyhow::Result<Vec<u64>> {
    let first = |partition: usize| record.first_offsets.get(partition).copied().unwrap_or_default();
    let markers = session.markers(&record.name).await?.into_iter().enumerate();
    Ok(markers.map(|(partition, next)| next.map_or(first(partition), |next| next.0)).collect())
}

/// A namespace as listings say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listed {
    name: String,
    /// Whether readers see it.
    live: bool,
    fold_version: u32,
    /// The digest of the session model's weights; `none` without one.
    session_model: String,
    /// `f32` or `bf16`; `none` without a model.
    precision: String,
    /// `cpu` or `cuda`; `none` without a model.
    device_class: String,
    /// The first offset folded, by partition.
    first_offsets: Vec<u64>,
    /// Article versions below these offsets are known from the start.
    base_article_offsets: Vec<u64>,
    /// The past moment at which it stands, by partition; null for one that is folded on.
    until: Option<Vec<u64>>,
    /// Up to where the log was searched for readers who asked to be forgotten since that moment.
    searched: Option<Vec<u64>>,
    /// The first offset that is not folded, by partition.
    markers: Vec<u64>,
    /// When it was made (RFC 3339).
    created: String,
}

impl Listed {
    /// Of a namespace's record, and how far it is folded.
    pub fn of(record: &NamespaceRecord, live: bool, markers: Vec<u64>) -> Self {
        Self {
            name: record.name.clone(),
            live,
            fold_version: record.fold_version,
            session_model: record.session_model.clone(),
            precision: record.precision.clone(),
            device_class: record.device_class.clone(),
            first_offsets: record.first_offsets.clone(),
            base_article_offsets: record.base_article_offsets.clone(),
            until: record.until.clone(),
            searched: record.searched.clone(),
            markers,
            created: Timestamp(record.created).to_rfc3339(),
        }
    }
}

fn in_words(record: &NamespaceRecord, live: bool, markers: &[u64]) -> String {
    let arrow = if live { "live -> " } else { "        " };
    let model: String = record.session_model.chars().take(12).collect();
    let stands = match (&record.until, &record.searched) {
        (None, _) => String::new(),
        (Some(until), Some(_)) => format!("  stands at {}", Place(until)),
        (Some(until), None) => format!("  being built until {}", Place(until)),
    };
    format!(
        "{arrow}{}  model {model}  {} {}  folded from {} to {}{stands}  articles known from the start: up to {}",
        record.name,
        record.precision,
        record.device_class,
        Place(&record.first_offsets),
        Place(markers),
        Place(&record.base_article_offsets),
    )
}

/// Lets readers see a namespace, and says so.
async fn promote(session: &Session, namespaces: &Namespaces, name: &str, wait_ms: i64) -> anyhow::Result<()> {
    let Promoted { name, was } = move_pointer(session, namespaces, name, wait_ms).await?;
    session.output.line(match was {
        None => format!("live -> {name}"),
        Some(was) if was == name => format!("live -> {name}, as before"),
        Some(was) => format!("live -> {name} (was {was}); readers see it now"),
    });
    Ok(())
}

/// A namespace that readers see from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// Its name.
    pub name: String,
    /// What they saw before, if anything.
    pub was: Option<String>,
}

/// Waits until the namespace has come as far as the live one, then moves the pointer.
///
/// # Errors
/// When there is none of this name, it stands at a past moment or is too far behind, or somebody else moved the pointer meanwhile.
pub async fn move_pointer(
    session: &Session,
    namespaces: &Namespaces,
    name: &str,
    wait_ms: i64,
) -> anyhow::Result<Promoted> {
    let record = namespaces.get(name)?;
    let name = record.name.clone();
    if let Some(until) = &record.until {
        bail!(
            "promote {name}: it stands at a past moment ({}); bring it up to date by `abovefold replay --namespace {name} --follow`, or show it by \
             `abovefold run --namespace {name}`",
            Place(until)
        );
    }
    let Some(live) = namespaces.live.clone() else {
        namespaces::write(&session.edges, &NamespaceChange::Promoted { name: name.clone(), from: None })
            .await?;
        return Ok(Promoted { name, was: None });
    };
    if live == name {
        return Ok(Promoted { name, was: Some(live) });
    }
    let started = session.runtime.now();
    loop {
        let (ahead, behind) = (session.markers(&live).await?, session.markers(&name).await?);
        let missing: u64 = ahead
            .iter()
            .zip(&behind)
            .map(|(live, new)| live.unwrap_or_default().0.saturating_sub(new.unwrap_or_default().0))
            .sum();
        if missing == 0 {
            break;
        }
        if session.runtime.now().millis_since(started) > wait_ms {
            bail!(
                "promote {name}: it is {missing} records behind {live}; keep it up to date by `abovefold replay --namespace {name} --follow` \
                 and promote it then"
            );
        }
        session.output.progress(&format!("waiting for {name}: {missing} records behind"), 0, 0);
        session.runtime.sleep(std::time::Duration::from_millis(100)).await;
    }
    let change = NamespaceChange::Promoted { name: name.clone(), from: Some(live.clone()) };
    namespaces::write(&session.edges, &change).await?;
    let now = Namespaces::read(&session.edges).await?.live;
    if now.as_ref() != Some(&name) {
        bail!(
            "promote {name}: somebody promoted {} meanwhile; look at `abovefold namespace list`",
            now.unwrap_or_default()
        );
    }
    Ok(Promoted { name, was: Some(live) })
}
