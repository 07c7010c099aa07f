//! `generate`: a newspaper and its readers, as a data folder.

use std::path::Path;

use anyhow::Context;

use crate::{newspaper, output::Output};

/// Writes the data folder.
pub async fn run(out: &Path, readers: u32, articles: u32, days: u32, seed: u64, output: &Output) -> anyhow::Result<()> {
    let spec = newspaper::Spec { readers, articles, days, seed, ..newspaper::Spec::default() };
    let folder = out.to_owned();
    let said = output.clone();
    let summary = tokio::task::spawn_blocking(move || {
        newspaper::write(&spec, &folder, &mut |share| said.progress("generating", (share * 100.0) as u64, 100))
    })
    .await
    .context("generate")?
    .with_context(|| format!("generate into {}", out.display()))?;
    output.end_progress();
    output.line(format!("{}: {summary}", out.display()));
    Ok(())
}
