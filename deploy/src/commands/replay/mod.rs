//! `replay`: rebuild state from the log, into a namespace beside the live one.

mod place;
mod progress;

use abovefold_engine::log::Bounds;
use abovefold_models::{Inference, ModelFacts};
use abovefold_schemas::{
    Marker, Offset,
    records::{NamespaceChange, NamespaceRecord},
};
use anyhow::bail;

use self::{place::position, progress::Progress};
use crate::{
    forgotten::{is_anybody_forgotten_since, remove_forgotten},
    namespaces::{self, LIVE, Namespaces, Place},
    session::Session,
    worker::Worker,
};

/// Rebuilds into the session's namespace, up to `until`, or on and on with `follow`. Run again, it goes on where it was.
pub async fn run(session: &Session, from: Option<&str>, until: &str, follow: bool) -> anyhow::Result<()> {
    check_target(session).await?;
    let inference = session.model()?.map(|model| model.inference);
    rebuild(session, inference, from, until, follow).await
}

/// Refuses to rebuild into what readers see, before a model is loaded for it.
async fn check_target(session: &Session) -> anyhow::Result<Namespaces> {
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
    Ok(known)
}

/// As [`run`], by a model that is loaded already.
///
/// # Errors
/// As [`run`].
pub async fn rebuild(
    session: &Session,
    inference: Option<Inference>,
    from: Option<&str>,
    until: &str,
    follow: bool,
) -> anyhow::Result<()> {
    let known = check_target(session).await?;
    let name = session.config.namespace.clone();
    let facts = inference.as_ref().map(Inference::facts);
    let bounds = session.edges.log.bounds(&session.edges.topics.user_events).await?;
    let from = match from {
        Some(from) => Some(position(session, "--from", from, &bounds).await?),
        None => None,
    };
    let ends = position(session, "--until", until, &bounds).await?;
    let stands = !follow && ends.iter().zip(&bounds).any(|(end, bounds)| *end < bounds.end);
    let past = stands.then(|| numbers(&ends));
    let namespace = match known.records.get(&name) {
        Some(record) => again(session, record, from.as_deref(), past, facts).await?,
        None => make(session, &known, &name, from, past, &bounds, facts).await?,
    };
    if let Some(place) = namespace.first_offsets.iter().zip(&ends).position(|(first, end)| *first > end.0) {
        bail!(
            "replay into {name} until {}: it begins later, at {}, in partition {place}; give a later --until",
            Place(&numbers(&ends)),
            Place(&namespace.first_offsets)
        );
    }
    if follow {
        let worker = Worker::replay(session, &namespace, inference, None);
        let progress = Progress::new(session, &namespace, &ends).await?;
        // The progress ends by itself once the markers have come to the end; the worker goes on with the tail.
        tokio::try_join!(worker.finish(), progress.watch())?;
        return Ok(());
    }
    fold_to(session, &namespace, inference.as_ref(), &ends).await?;
    if *session.stop.borrow() {
        return Ok(());
    }
    match &namespace.until {
        Some(until) => finish_past(session, &namespace, until).await,
        None => catch_forgets(session, &namespace, inference.as_ref(), ends).await,
    }
}

/// Folds up to `ends`, where that is still to come.
async fn fold_to(
    session: &Session,
    namespace: &NamespaceRecord,
    inference: Option<&Inference>,
    ends: &[Offset],
) -> anyhow::Result<()> {
    let progress = Progress::new(session, namespace, ends).await?;
    if progress.is_done() {
        return progress.watch().await;
    }
    let worker = Worker::replay(session, namespace, inference.cloned(), Some(ends.to_vec()));
    tokio::try_join!(worker.finish(), progress.watch())?;
    Ok(())
}

/// Removes whoever asked to be forgotten after the past moment, and only then lets the namespace be read.
async fn finish_past(session: &Session, namespace: &NamespaceRecord, until: &[u64]) -> anyhow::Result<()> {
    let name = &namespace.name;
    let found = remove_forgotten(session, namespace, None).await?;
    let (until, searched) = (Some(until.to_vec()), Some(numbers(&found.until)));
    let change = NamespaceChange::Placed { name: name.clone(), until, searched };
    namespaces::write(&session.edges, &change).await?;
    session.output.line(format!(
        "{name} stands at a past moment; {} who asked to be forgotten since are left out; `abovefold run --namespace {name}` shows it",
        if found.readers == 1 { "1 reader".into() } else { format!("{} readers", found.readers) }
    ));
    Ok(())
}

/// Folds on while somebody asked to be forgotten during the replay: who reads the namespace now shall not find that reader.
async fn catch_forgets(
    session: &Session,
    namespace: &NamespaceRecord,
    inference: Option<&Inference>,
    mut ends: Vec<Offset>,
) -> anyhow::Result<()> {
    while is_anybody_forgotten_since(session, &ends).await? && !*session.stop.borrow() {
        let bounds = session.edges.log.bounds(&session.edges.topics.user_events).await?;
        ends = bounds.iter().map(|bounds| bounds.end).collect();
        fold_to(session, namespace, inference, &ends).await?;
    }
    Ok(())
}

/// The record of a namespace that is not there yet.
async fn make(
    session: &Session,
    known: &Namespaces,
    name: &str,
    from: Option<Vec<Offset>>,
    past: Option<Vec<u64>>,
    bounds: &[Bounds],
    facts: Option<&ModelFacts>,
) -> anyhow::Result<NamespaceRecord> {
    let live = known.live.as_ref().and_then(|live| known.records.get(live));
    let first = match (from, live) {
        (Some(from), _) => from,
        (None, Some(live)) => live.first_offsets.iter().copied().map(Offset).collect(),
        (None, None) => bounds.iter().map(|bounds| bounds.begin).collect(),
    };
    let base = live.map(|live| live.base_article_offsets.clone());
    let mut record = namespaces::define(
        &session.edges,
        &session.runtime,
        name,
        facts,
        &session.config.steps(),
        first,
        base,
    )
    .await?;
    record.until = past;
    namespaces::write(&session.edges, &NamespaceChange::Made { record: record.clone() }).await?;
    Ok(record)
}

/// The record of a namespace that is there, brought to where it shall stand.
async fn again(
    session: &Session,
    record: &NamespaceRecord,
    from: Option<&[Offset]>,
    past: Option<Vec<u64>>,
    facts: Option<&ModelFacts>,
) -> anyhow::Result<NamespaceRecord> {
    let name = &record.name;
    namespaces::check_maker(record, facts, &session.config.steps())?;
    if let Some(from) = from.map(numbers).filter(|from| *from != record.first_offsets) {
        bail!(
            "replay into {name} from {}: it was begun at {}; drop it, or choose another name",
            Place(&from),
            Place(&record.first_offsets)
        );
    }
    if record.until == past {
        return Ok(record.clone());
    }
    let markers = session.full_markers(name).await?;
    if markers.iter().flatten().any(|marker| marker.forgotten.is_some()) {
        bail!(
            "replay {name} on: it stands at a past moment ({}), and readers who asked to be forgotten later were removed from it, so that it is no \
             fold of the log any more; build another namespace",
            Place(record.until.as_deref().unwrap_or_default())
        );
    }
    let is_beyond =
        |(marker, end): (&Option<Marker>, &u64)| marker.is_some_and(|marker| marker.next.0 > *end);
    if let Some(past) = past.as_ref().filter(|past| markers.iter().zip(*past).any(is_beyond)) {
        bail!("replay {name} until {}: it has come further already; choose another name", Place(past));
    }
    let change = NamespaceChange::Placed { name: name.clone(), until: past.clone(), searched: None };
    namespaces::write(&session.edges, &change).await?;
    Ok(NamespaceRecord { until: past, searched: None, ..record.clone() })
}

fn numbers(offsets: &[Offset]) -> Vec<u64> {
    offsets.iter().map(|offset| offset.0).collect()
}
