//! `simulate`: a data folder's reads into the log.

use std::{path::Path, time::Duration};

use abovefold_engine::log::NewRecord;
use abovefold_schemas::{Event, tables::EventRow};
use anyhow::{Context, bail};

use crate::{cli::Timestamps, dataset, session::Session};

/// Events of one append when there is no rate.
const CHUNK: usize = 1_000;

/// Sends reads in time order, at `rate` a second (0: as fast as possible), at most `limit`.
pub async fn run(
    session: &Session,
    data: &Path,
    rate: f64,
    limit: Option<usize>,
    timestamps: Timestamps,
) -> anyhow::Result<()> {
    if !rate.is_finite() || rate < 0.0 {
        bail!("simulate at {rate} events/s: give 0 for as fast as possible, or a positive rate");
    }
    let folder = session.path(data);
    let limit = limit.unwrap_or(usize::MAX);
    let events = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<EventRow>> {
        let data = dataset::open(&folder)?;
        data.events()?.take(limit).map(|event| event.map_err(anyhow::Error::from)).collect()
    })
    .await
    .context("read the data folder")??;
    let total = events.len();
    // Ten sends a second are enough to be smooth.
    let chunk = if rate == 0.0 { CHUNK } else { ((rate / 10.0).ceil() as usize).max(1) };
    let started = session.runtime.now();
    let mut sent = 0;
    for events in events.chunks(chunk) {
        if *session.stop.borrow() {
            break;
        }
        if rate > 0.0 {
            let due = started.0 + (sent as f64 / rate * 1e3) as i64;
            let early = due - session.runtime.now().0;
            session.runtime.sleep(Duration::from_millis(early.max(0) as u64)).await;
        }
        let records = events.iter().map(|row| record(row, timestamps)).collect();
        session.edges.log.append(&session.edges.topics.user_events, records).await?;
        sent += events.len();
        session.output.progress("sending reads", sent as u64, total as u64);
    }
    let seconds = session.runtime.now().millis_since(started) as f64 / 1e3;
    session.output.line(format!("{sent} reads sent in {seconds:.1} s"));
    Ok(())
}

fn record(row: &EventRow, timestamps: Timestamps) -> NewRecord {
    let mut event = Event::read(row.reader.clone(), row.article_id);
    event.read_time = row.read_time;
    event.scroll_pct = row.scroll_pct;
    event.device_type = u8::try_from(row.device_type).unwrap_or(0);
    event.timestamp = (timestamps == Timestamps::Original).then_some(row.timestamp);
    NewRecord::keyed(event.user_id.as_str().to_owned(), event.to_json())
}
