//! `replay`: rebuild state from the log, into a namespace beside the live one.

use std::time::Duration;

use abovefold_engine::log::Bounds;
use abovefold_models::Inference;
use abovefold_schemas::{
    Offset, Timestamp,
    records::{NamespaceChange, NamespaceRecord},
};
use anyhow::{Context, bail};

use crate::{
    namespaces::{self, LIVE, Namespaces},
    session::Session,
    worker::Worker,
};

/// Rebuilds into the session's namespace, up to `until`, or on and on with `follow`.
pub async fn run(session: &Session, from: Option<&str>, until: &str, follow: bool) -> anyhow::Result<()> {
    let name = session.config.namespace.clone();
    if name == LIVE {
        bail!(
            "replay: name the namespace to build by --namespace NS; readers go on seeing the live one until you promote it"
        );
    }
    let known = Namespaces::read(&session.edges).await?;
    if known.live.as_ref() == Some(&name) {
        bail!("replay into {name}: it is live; choose another name and promote it when it is built");
    }
    let inference = session.model()?.map(|(_, inference)| inference);
    let facts = inference.as_ref().map(Inference::facts);
    let steps = session.config.steps();
    let bounds = session.edges.log.bounds(&session.edges.topics.user_events).await?;
    let namespace = match known.records.get(&name) {
        Some(record) => record.clone(),
        None => {
            let live = known.live.as_ref().and_then(|live| known.records.get(live));
            let first = match (from, live) {
                (Some(from), _) => position(session, from, &bounds).await?,
                (None, Some(live)) => live.first_offsets.iter().copied().map(Offset).collect(),
                (None, None) => bounds.iter().map(|bounds| bounds.begin).collect(),
            };
            let base = live.map(|live| live.base_article_offsets.clone());
            let record =
                namespaces::define(&session.edges, &session.runtime, &name, facts, &steps, first, base)
                    .await?;
            namespaces::write(&session.edges, &NamespaceChange::Made { record: record.clone() }).await?;
            record
        }
    };
    namespaces::check_worker(&namespace, facts, &steps)?;
    let ends = position(session, until, &bounds).await?;
    let worker = Worker::replay(session, &namespace, inference, (!follow).then(|| ends.clone()));
    let watched = watch(session, &namespace, &ends);
    let rebuilt = async {
        worker.finish().await?;
        anyhow::Ok(())
    };
    // The progress ends by itself once the markers have come to the end; the worker may go on with the tail.
    tokio::try_join!(rebuilt, watched)?;
    Ok(())
}

/// Shows how far the markers have come, until they are at `ends`.
async fn watch(session: &Session, namespace: &NamespaceRecord, ends: &[Offset]) -> anyhow::Result<()> {
    let first: Vec<u64> = namespace.first_offsets.clone();
    let total: u64 = ends.iter().zip(&first).map(|(end, first)| end.0.saturating_sub(*first)).sum();
    let started = session.runtime.now();
    let mut stop = session.stop.clone();
    loop {
        let mut done = 0;
        let markers = session.markers(&namespace.name).await?;
        for ((marker, end), first) in markers.into_iter().zip(ends).zip(&first) {
            let next = marker.map_or(*first, |next| next.0);
            done += next.min(end.0).saturating_sub(*first);
        }
        session.output.progress("replaying", done, total);
        if done >= total {
            let seconds = session.runtime.now().millis_since(started) as f64 / 1e3;
            let rate = total as f64 / seconds.max(1e-3);
            session.output.line(format!(
                "{total} records replayed into {} in {seconds:.1} s ({rate:.0}/s)",
                namespace.name
            ));
            return Ok(());
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            () = session.runtime.sleep(Duration::from_millis(100)) => {}
        }
    }
}

/// A place in every partition: `earliest`, `latest`, a time, or `PARTITION:OFFSET,...`.
async fn position(session: &Session, text: &str, bounds: &[Bounds]) -> anyhow::Result<Vec<Offset>> {
    match text {
        "earliest" => return Ok(bounds.iter().map(|bounds| bounds.begin).collect()),
        "latest" => return Ok(bounds.iter().map(|bounds| bounds.end).collect()),
        _ => {}
    }
    if let Some(time) = Timestamp::parse(text) {
        return Ok(session.edges.log.offsets_at(&session.edges.topics.user_events, time).await?);
    }
    let mut offsets: Vec<Option<Offset>> = vec![None; bounds.len()];
    for part in text.split(',') {
        let (partition, offset) = part
            .split_once(':')
            .and_then(|(partition, offset)| Some((partition.parse::<usize>().ok()?, offset.parse().ok()?)))
            .with_context(|| {
                format!("read the position {text:?}: give a time, earliest, latest, or PARTITION:OFFSET,...")
            })?;
        let Some(place) = offsets.get_mut(partition) else {
            bail!("read the position {text:?}: the log has the partitions 0 to {}", bounds.len() - 1);
        };
        *place = Some(Offset(offset));
    }
    let missing: Vec<String> =
        (0..).zip(&offsets).filter(|(_, o)| o.is_none()).map(|(p, _): (u32, _)| p.to_string()).collect();
    if !missing.is_empty() {
        bail!("read the position {text:?}: it lacks the partitions {}", missing.join(", "));
    }
    Ok(offsets.into_iter().flatten().collect())
}
