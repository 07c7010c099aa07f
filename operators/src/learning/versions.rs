//! The versions that were published, and one of them made current again.

use std::collections::BTreeMap;

use abovefold_engine::{EngineError, Result, Runtime, log::Log};
use abovefold_models::learner::{LearnerOptions, Row, RowKey};
use abovefold_schemas::{Timestamp, learned::LearnedCheckpoint};

use super::{
    chain::{ChangedRow, records},
    rebuild::{Rebuilder, Rebuilt, read_all},
};

/// A version as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSeen {
    /// Its number.
    pub version: u64,
    /// When it was published.
    pub time: Timestamp,
    /// Rows that it changed.
    pub rows: u64,
    /// Reads that it took in.
    pub reads: u64,
    /// Whether a learner can go on from it without learning anything again.
    pub whole: bool,
    /// The earlier version that was made current by it.
    pub rolled_back_to: Option<u64>,
}

/// The versions that count, oldest first.
///
/// # Errors
/// When the log does not answer.
pub async fn versions(log: &dyn Log, topic: &str) -> Result<Vec<VersionSeen>> {
    let mut versions = Vec::new();
    read_all(log, topic, |version| {
        let of = version.checkpoint;
        versions.push(VersionSeen {
            version: of.version,
            time: Timestamp(of.time),
            rows: u64::from(of.rows),
            reads: of.reads.len() as u64,
            whole: of.whole,
            rolled_back_to: of.rolled_back_to,
        });
        true
    })
    .await?;
    Ok(versions)
}

/// Makes an earlier version current again, by writing it anew: all rows that differ now. Readers who were forgotten since, and articles that
/// expired, stay so; what was read since is not learned again. Whoever learns meanwhile is overtaken, and goes on from here. Gives the new
/// version.
///
/// # Errors
/// When there is no such version, another one is published at the same moment, or the log does not answer.
pub async fn roll_back(
    log: &dyn Log,
    topic: &str,
    version: u64,
    options: LearnerOptions,
    runtime: &Runtime,
) -> Result<u64> {
    let tried = || format!("roll back what was learned to version {version}");
    let then = rebuilt(log, topic, Some(version), options).await?;
    if then.latest.as_ref().is_none_or(|latest| latest.version != version) {
        let reason = "there is no such version; `abovefold learner list` shows them";
        return Err(EngineError::user(tried(), reason));
    }
    let mut rebuilder = Rebuilder::new(options);
    let chain = read_all(log, topic, |version| {
        rebuilder.take(version);
        true
    });
    let chain = chain.await?;
    let now = rebuilder.finish();
    let latest = now.latest.clone().unwrap_or_default();
    let rows = difference(&then, &now);
    let checkpoint = LearnedCheckpoint {
        version: chain.version + 1,
        writer: runtime.token(),
        before: chain.last.map(|last| last.0),
        rows: rows.len() as u32,
        whole: true,
        reads: Vec::new(),
        time: runtime.now().0,
        rolled_back_to: Some(version),
        ..latest
    };
    log.append(topic, records(rows, &checkpoint)).await?;
    let written = versions(log, topic).await?;
    let counts =
        written.iter().any(|seen| seen.version == checkpoint.version && seen.rolled_back_to == Some(version));
    if !counts {
        return Err(EngineError::outside(tried(), "another version was published at the same moment"));
    }
    Ok(checkpoint.version)
}

/// The learner as of a version, or of the last one.
pub(super) async fn rebuilt(
    log: &dyn Log,
    topic: &str,
    until: Option<u64>,
    options: LearnerOptions,
) -> Result<Rebuilt> {
    let mut rebuilder = Rebuilder::new(options);
    read_all(log, topic, |version| {
        let goes_on = until.is_none_or(|until| version.checkpoint.version < until);
        rebuilder.take(version);
        goes_on
    })
    .await?;
    Ok(rebuilder.finish())
}

/// What has to be published so that whoever follows has the table of `then`.
fn difference(then: &Rebuilt, now: &Rebuilt) -> Vec<ChangedRow> {
    let is_there = |key: &RowKey| now.learner.table().row(key).is_some();
    let wanted: BTreeMap<RowKey, Row> =
        then.learner.table().rows().into_iter().filter(|(key, _)| is_there(key)).collect();
    let removed = now.published.keys().into_iter().filter(|key| !wanted.contains_key(key));
    let removed: Vec<ChangedRow> = removed.map(|key| (key, None)).collect();
    // An article is removed by either of its rows, and comes again by both.
    let differs = |(key, row): &(&RowKey, &Row)| now.published.row(key).as_ref() != Some(*row);
    let put = wanted.iter().filter(differs).map(|(key, row)| (key.clone(), Some(row.clone())));
    removed.into_iter().chain(put).collect()
}
