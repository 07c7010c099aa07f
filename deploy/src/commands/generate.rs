//! `generate`: a newspaper and its readers, as a data folder.

use std::path::Path;

use abovefold_schemas::Timestamp;
use anyhow::Context;

use crate::{
    newspaper::{self, Spec},
    output::Output,
};

/// Writes a data folder whose last day is today, as the demonstration needs it.
///
/// # Errors
/// When the folder cannot be written.
pub async fn until_now(out: &Path, spec: Spec, output: &Output) -> anyhow::Result<()> {
    const HOUR_MS: i64 = 3_600_000;
    let hour = chrono::Utc::now().timestamp_millis() / HOUR_MS * HOUR_MS;
    run(out, Spec { end: Timestamp(hour), ..spec }, output).await
}

/// Writes the data folder.
///
/// # Errors
/// When the folder cannot be written.
pub async fn run(out: &Path, spec: Spec, output: &Output) -> anyhow::Result<()> {
    let folder = out.to_owned();
    let said = output.clone();
    let summary = tokio::task::spawn_blocking(move || {
        newspaper::write(&spec, &folder, &mut |share| {
            said.progress("generating", (share * 100.0) as u64, 100)
        })
    })
    .await
    .context("generate")?
    .with_context(|| format!("generate into {}", out.display()))?;
    output.end_progress();
    output.line(format!(
        "{}: {} articles in {} stories, {} readers, {} reads, {} + {} impressions (train + validation)",
        out.display(),
        summary.articles,
        summary.stories,
        summary.readers,
        summary.reads,
        summary.train_impressions,
        summary.validation_impressions
    ));
    Ok(())
}
