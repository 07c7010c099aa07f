//! Namespaces: their records and the pointer `live`, folded from the topic `namespaces`.

use std::collections::BTreeMap;

use abovefold_engine::{
    Runtime,
    log::{LogReader, NewRecord, Position, RecordRun},
    source::read_to_end,
    state::check_namespace,
};
use abovefold_models::ModelFacts;
use abovefold_operators::{fold::FOLD_VERSION, intake::INTAKE_NAMESPACE, steps::Steps};
use abovefold_schemas::{
    Offset,
    records::{NamespaceChange, NamespaceRecord},
};
use anyhow::{Context, bail};
use futures::TryStreamExt;

use crate::edges::Edges;

/// The name by which the pointer is asked for.
pub const LIVE: &str = "live";
/// The namespace that the first start makes.
pub const FIRST: &str = "main";

/// What the topic says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespaces {
    /// By name.
    pub records: BTreeMap<String, NamespaceRecord>,
    /// Which one readers see.
    pub live: Option<String>,
}

impl Namespaces {
    /// Reads the topic to its end.
    ///
    /// # Errors
    /// When the log cannot be read or a record is none of ours.
    pub async fn read(edges: &Edges) -> anyhow::Result<Self> {
        Ok(Follower::start(edges).await?.namespaces)
    }

    /// Folds one change. The first of two that contradict each other stands.
    pub fn apply(&mut self, change: NamespaceChange) {
        match change {
            NamespaceChange::Made { record } => {
                self.records.entry(record.name.clone()).or_insert(record);
            }
            NamespaceChange::Placed { name, until, searched } => {
                if let Some(record) = self.records.get_mut(&name) {
                    (record.until, record.searched) = (until, searched);
                }
            }
            NamespaceChange::Promoted { name, from } => {
                if self.live == from && self.records.contains_key(&name) {
                    self.live = Some(name);
                }
            }
            NamespaceChange::Dropped { name } => {
                if self.live.as_ref() != Some(&name) {
                    self.records.remove(&name);
                }
            }
        }
    }

    /// The record of a namespace; `live` is accepted.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn get(&self, name: &str) -> anyhow::Result<&NamespaceRecord> {
        let real = if name == LIVE {
            self.live.as_deref().context("find the live namespace: there is none yet; start `abovefold run` or `abovefold process` once")?
        } else {
            name
        };
        self.records.get(real).with_context(|| {
            format!(
                "find the namespace {real}: there is none of this name; `abovefold namespace list` shows them"
            )
        })
    }
}

/// The topic `namespaces`, read to its end, and then followed.
pub struct Follower {
    /// What the topic says, as far as it was read.
    pub namespaces: Namespaces,
    next: Offset,
    reader: Option<Box<dyn LogReader>>,
}

impl Follower {
    /// Reads the topic to the end that it has now.
    ///
    /// # Errors
    /// When the log cannot be read or a record is none of ours.
    pub async fn start(edges: &Edges) -> anyhow::Result<Self> {
        let mut follower = Self { namespaces: Namespaces::default(), next: Offset(0), reader: None };
        let mut runs = std::pin::pin!(read_to_end(edges.log.as_ref(), &edges.topics.namespaces, &[]).await?);
        while let Some(run) = runs.try_next().await? {
            follower.take(edges, run)?;
        }
        Ok(follower)
    }

    /// Waits for the next changes and folds them. Cancel-safe; after an error it may be called again.
    ///
    /// # Errors
    /// When the log cannot be read or a record is none of ours.
    pub async fn changed(&mut self, edges: &Edges) -> anyhow::Result<()> {
        let run = match &mut self.reader {
            Some(reader) => reader.next().await,
            none => {
                let from = vec![Position { partition: 0, offset: self.next }];
                none.insert(edges.log.read(&edges.topics.namespaces, from).await?).next().await
            }
        };
        match run {
            Ok(run) => self.take(edges, run),
            Err(error) => {
                self.reader = None;
                Err(error.into())
            }
        }
    }

    fn take(&mut self, edges: &Edges, run: RecordRun) -> anyhow::Result<()> {
        self.next = run.next;
        for record in run.records {
            let change = NamespaceChange::from_json(&record.value)
                .with_context(|| format!("read {}, offset {}", edges.topics.namespaces, record.offset))?;
            self.namespaces.apply(change);
        }
        Ok(())
    }
}

/// Writes a change down.
///
/// # Errors
/// When the log refuses it.
pub async fn write(edges: &Edges, change: &NamespaceChange) -> anyhow::Result<()> {
    let record = NewRecord { partition: Some(0), ..NewRecord::keyed("namespaces", change.to_json()) };
    edges.log.append(&edges.topics.namespaces, vec![record]).await?;
    Ok(())
}

/// The record of a namespace that folds from `first` on, by this program with this model and these steps.
///
/// # Errors
/// When the log does not answer, or the name is none.
pub async fn define(
    edges: &Edges,
    runtime: &Runtime,
    name: &str,
    model: Option<&ModelFacts>,
    steps: &Steps,
    first: Vec<Offset>,
    base_articles: Option<Vec<u64>>,
) -> anyhow::Result<NamespaceRecord> {
    check_namespace(name)?;
    if [LIVE, INTAKE_NAMESPACE].contains(&name) {
        bail!("make the namespace {name}: the name is taken by Abovefold itself; choose another one");
    }
    let base_article_offsets = match base_articles {
        Some(base) => base,
        None => edges.log.bounds(&edges.topics.articles).await?.iter().map(|bounds| bounds.end.0).collect(),
    };
    Ok(NamespaceRecord {
        name: name.into(),
        fold_version: FOLD_VERSION,
        session_model: model.map_or("none".into(), |facts| facts.session_digest.clone()),
        precision: model.map_or("none".into(), |facts| facts.precision.to_string()),
        tile: model.map_or(0, |facts| facts.tile),
        device_class: model.map_or("none".into(), |facts| facts.device_class.to_string()),
        first_offsets: first.into_iter().map(|offset| offset.0).collect(),
        base_article_offsets,
        steps: steps.texts(),
        created: runtime.now().0,
        until: None,
        searched: None,
    })
}

/// The namespace that a process works for. The first start of all makes `main` and points `live` to it.
///
/// # Errors
/// When there is none of this name, or this program or model is not the one that it was made with.
pub async fn resolve(
    edges: &Edges,
    runtime: &Runtime,
    name: &str,
    model: Option<&ModelFacts>,
    steps: &Steps,
) -> anyhow::Result<NamespaceRecord> {
    let mut namespaces = Namespaces::read(edges).await?;
    if namespaces.live.is_none() && (name == LIVE || name == FIRST) {
        let first =
            edges.log.bounds(&edges.topics.user_events).await?.iter().map(|bounds| bounds.begin).collect();
        let record = define(edges, runtime, FIRST, model, steps, first, None).await?;
        write(edges, &NamespaceChange::Made { record }).await?;
        write(edges, &NamespaceChange::Promoted { name: FIRST.into(), from: None }).await?;
        // Another process may have been first: what the topic says counts.
        namespaces = Namespaces::read(edges).await?;
    }
    Ok(namespaces.get(name)?.clone())
}

/// Refuses to show a namespace that stands at a past moment and from which forgotten readers are still to be removed.
///
/// # Errors
/// When it is not whole yet; the error says how to finish it.
pub fn check_readable(record: &NamespaceRecord) -> anyhow::Result<()> {
    match (&record.until, &record.searched) {
        (Some(until), None) => bail!(
            "read the namespace {name}: its replay has not come to its end; run `abovefold replay --namespace {name} --until {}` again",
            Place(until),
            name = record.name,
        ),
        _ => Ok(()),
    }
}

/// Offsets as `PARTITION:OFFSET,...`, the way they are given to `--from` and `--until`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a>(pub &'a [u64]);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (partition, offset) in self.0.iter().enumerate() {
            let comma = if partition == 0 { "" } else { "," };
            write!(f, "{comma}{partition}:{offset}")?;
        }
        Ok(())
    }
}

/// Refuses a worker that would fold otherwise than its namespace was made to.
///
/// # Errors
/// Which part differs, and what to do.
pub fn check_worker(
    record: &NamespaceRecord,
    model: Option<&ModelFacts>,
    steps: &Steps,
) -> anyhow::Result<()> {
    if let Some(until) = &record.until {
        bail!(
            "join the namespace {name}: it stands at a past moment ({}) and is not folded on; `serve` and `run` show it, and `abovefold replay \
             --namespace {name} --follow` brings it up to date",
            Place(until),
            name = record.name,
        );
    }
    check_maker(record, model, steps)
}

/// Refuses who would fold otherwise than the namespace was made to, wherever it stands.
///
/// # Errors
/// Which part differs, and what to do.
pub fn check_maker(
    record: &NamespaceRecord,
    model: Option<&ModelFacts>,
    steps: &Steps,
) -> anyhow::Result<()> {
    let ours = [
        ("fold code", FOLD_VERSION.to_string(), record.fold_version.to_string()),
        (
            "session model",
            model.map_or("none".into(), |facts| facts.session_digest.clone()),
            record.session_model.clone(),
        ),
        (
            "precision",
            model.map_or("none".into(), |facts| facts.precision.to_string()),
            record.precision.clone(),
        ),
        ("tile", model.map_or(0, |facts| facts.tile).to_string(), record.tile.to_string()),
        (
            "device class",
            model.map_or("none".into(), |facts| facts.device_class.to_string()),
            record.device_class.clone(),
        ),
        ("list of steps", in_words(&steps.texts()), in_words(&record.steps)),
    ];
    for (what, here, there) in ours {
        if here != there {
            bail!(
                "join the namespace {}: its {what} is {there}, here it is {here}; start with what it was made with, or build a new one by \
                 `abovefold replay --namespace NEW` and promote it",
                record.name
            );
        }
    }
    Ok(())
}

/// A list of steps in one line.
fn in_words(steps: &[String]) -> String {
    if steps.is_empty() { "empty".into() } else { steps.join("; ") }
}

#[cfg(test)]
mod tests {
    use abovefold_operators::steps::StepConfig;

    use super::*;

    fn record(name: &str) -> NamespaceRecord {
        NamespaceRecord {
            name: name.into(),
            fold_version: FOLD_VERSION,
            session_model: "none".into(),
            precision: "none".into(),
            tile: 0,
            device_class: "none".into(),
            first_offsets: vec![0],
            base_article_offsets: vec![0],
            steps: Vec::new(),
            created: 0,
            until: None,
            searched: None,
        }
    }

    #[test]
    fn the_pointer_moves_by_compare_and_set() {
        let mut namespaces = Namespaces::default();
        for name in ["main", "green", "blue"] {
            namespaces.apply(NamespaceChange::Made { record: record(name) });
        }
        namespaces.apply(NamespaceChange::Promoted { name: "main".into(), from: None });
        namespaces.apply(NamespaceChange::Promoted { name: "green".into(), from: Some("main".into()) });
        namespaces.apply(NamespaceChange::Promoted { name: "blue".into(), from: Some("main".into()) });
        assert_eq!(namespaces.live.as_deref(), Some("green"));
        namespaces.apply(NamespaceChange::Dropped { name: "green".into() });
        assert!(namespaces.records.contains_key("green"), "the live one stays");
        assert_eq!(namespaces.get(LIVE).unwrap().name, "green");
    }

    #[test]
    fn a_namespace_at_a_past_moment_is_read_once_it_is_whole_and_never_folded_on() {
        let mut namespaces = Namespaces::default();
        let tuesday = NamespaceRecord { until: Some(vec![3, 4]), ..record("tuesday") };
        namespaces.apply(NamespaceChange::Made { record: tuesday });
        let error = check_readable(namespaces.get("tuesday").unwrap()).unwrap_err().to_string();
        assert!(error.contains("--until 0:3,1:4"), "{error}");
        let place = |until, searched| NamespaceChange::Placed { name: "tuesday".into(), until, searched };
        namespaces.apply(place(Some(vec![3, 4]), Some(vec![9, 9])));
        assert!(check_readable(namespaces.get("tuesday").unwrap()).is_ok());
        let error = check_worker(namespaces.get("tuesday").unwrap(), None, &Steps::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("--follow"), "{error}");
        namespaces.apply(place(None, None));
        assert!(check_worker(namespaces.get("tuesday").unwrap(), None, &Steps::default()).is_ok());
    }

    #[test]
    fn a_worker_that_differs_is_refused() {
        let mut other = record("main");
        other.session_model = "abc".into();
        let none = Steps::default();
        let error = check_worker(&other, None, &none).unwrap_err().to_string();
        assert!(error.contains("session model") && error.contains("replay"), "{error}");
        assert!(check_worker(&record("main"), None, &none).is_ok());
        let filter = StepConfig { filter: Some("read_time >= 1".into()), ..StepConfig::default() };
        let steps = Steps::new(&[filter]).unwrap();
        let error = check_worker(&record("main"), None, &steps).unwrap_err().to_string();
        assert!(error.contains("its list of steps is empty, here it is filter read_time >= 1"), "{error}");
        let made_with = NamespaceRecord { steps: steps.texts(), ..record("main") };
        assert!(check_worker(&made_with, None, &steps).is_ok());
        assert!(check_worker(&made_with, None, &none).is_err());
    }
}
