//! `namespace list`, `promote`, `drop`.

use abovefold_engine::state::check_namespace;
use abovefold_operators::intake::INTAKE_NAMESPACE;
use abovefold_schemas::{
    Timestamp,
    records::{NamespaceChange, NamespaceRecord},
};
use anyhow::bail;
use serde_json::json;

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

/// First the topic, so that a worker that still lives finds the namespace gone, then the state.
async fn drop(session: &Session, namespaces: &Namespaces, name: &str) -> anyhow::Result<()> {
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
        let markers = session.markers(&record.name).await?;
        let first = |partition: usize| record.first_offsets.get(partition).copied().unwrap_or_default();
        let offsets: Vec<u64> = markers
            .iter()
            .enumerate()
            .map(|(partition, next)| next.map_or(first(partition), |next| next.0))
            .collect();
        session.output.line(if json {
            json!({
                "name": record.name, "live": live, "fold_version": record.fold_version, "session_model": record.session_model,
                "precision": record.precision, "device_class": record.device_class, "first_offsets": record.first_offsets,
                "base_article_offsets": record.base_article_offsets, "until": record.until, "searched": record.searched,
                "markers": offsets, "created": Timestamp(record.created).to_rfc3339(),
            })
            .to_string()
        } else {
            in_words(record, live, &offsets)
        });
    }
    Ok(())
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

/// Waits until the namespace has come as far as the live one, then moves the pointer.
async fn promote(session: &Session, namespaces: &Namespaces, name: &str, wait_ms: i64) -> anyhow::Result<()> {
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
        session.output.line(format!("live -> {name}"));
        return Ok(());
    };
    if live == name {
        session.output.line(format!("live -> {name}, as before"));
        return Ok(());
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
    session.output.line(format!("live -> {name} (was {live}); readers see it now"));
    Ok(())
}
