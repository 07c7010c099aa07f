//! `namespace list`, `promote`, `drop`.

use abovefold_schemas::{Timestamp, records::NamespaceChange};
use anyhow::bail;
use serde_json::json;

use crate::{
    cli::NamespaceAction,
    config::parse_duration,
    namespaces::{self, Namespaces},
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
        NamespaceAction::Drop { name } => {
            let record = namespaces.get(name)?;
            if namespaces.live.as_ref() == Some(&record.name) {
                bail!("drop the namespace {}: it is live; promote another one first", record.name);
            }
            namespaces::write(&session.edges, &NamespaceChange::Dropped { name: record.name.clone() })
                .await?;
            session.edges.store.drop_namespace(&record.name).await?;
            session.output.line(format!("{} dropped", record.name));
            Ok(())
        }
    }
}

async fn list(session: &Session, namespaces: &Namespaces, json: bool) -> anyhow::Result<()> {
    for record in namespaces.records.values() {
        let live = namespaces.live.as_ref() == Some(&record.name);
        let markers = session.markers(&record.name).await?;
        let offsets: Vec<u64> = markers.iter().map(|next| next.map_or(0, |next| next.0)).collect();
        session.output.line(if json {
            json!({
                "name": record.name, "live": live, "fold_version": record.fold_version, "session_model": record.session_model,
                "precision": record.precision, "device_class": record.device_class, "markers": offsets,
                "created": Timestamp(record.created).to_rfc3339(),
            })
            .to_string()
        } else {
            let arrow = if live { "live -> " } else { "        " };
            let model: String = record.session_model.chars().take(12).collect();
            format!("{arrow}{}  model {model}  {} {}  markers {offsets:?}", record.name, record.precision, record.device_class)
        });
    }
    Ok(())
}

/// Waits until the namespace has come as far as the live one, then moves the pointer.
async fn promote(session: &Session, namespaces: &Namespaces, name: &str, wait_ms: i64) -> anyhow::Result<()> {
    let name = namespaces.get(name)?.name.clone();
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
    session.output.line(format!("live -> {name} (was {live}); processes take it at their next start"));
    Ok(())
}
