//! Logs and metrics of the process.

use std::{io::IsTerminal, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{config::LoggingConfig, recent::Keep};

/// Seconds, from a quarter of a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Records of an epoch.
const RECORDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts logging to standard error. `RUST_LOG` goes over the configuration.
///
/// # Errors
/// When the filter is none.
pub fn start_logging(config: &LoggingConfig) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => filter,
        Err(_) => config.filter.clone(),
    };
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| anyhow::anyhow!("read logging.filter {filter:?}: {error}"))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let logged = tracing_subscriber::registry().with(filter).with(Keep::new());
    // A second start within one process (tests) keeps the first.
    if config.json {
        logged.with(lines.json()).try_init().ok();
    } else {
        logged.with(lines.with_target(false)).try_init().ok();
    }
    Ok(())
}

/// Starts the recorder once, and returns the handle that renders it. Whoever has it calls `run_upkeep` from time to time.
///
/// # Errors
/// When another recorder is installed.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    if let Some(handle) = METRICS.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_records".into()), &RECORDS)?
        .install_recorder()?;
    Ok(METRICS.get_or_init(|| handle).clone())
}
