//! `rekey`: the log into a topic of another partition count, in order.

use abovefold_engine::{
    log::{LogUrl, NewRecord},
    source::read_to_end,
};
use abovefold_operators::decode::decode;
use abovefold_schemas::records::ORIGIN_HEADER;
use anyhow::bail;
use futures::TryStreamExt;

use crate::session::Session;

/// Copies every partition in its order. A reader's records lie in one partition, so their order is kept; copies that the intake made are
/// left out where their original is copied.
pub async fn run(session: &Session, to: &str, partitions: Option<u32>) -> anyhow::Result<()> {
    let (from_url, to_url) = (LogUrl::parse(&session.config.log_url())?, LogUrl::parse(to)?);
    if from_url.to_string() == to_url.to_string() {
        bail!("rekey {from_url} into itself: name another topic or folder");
    }
    let settings = session.config.log_settings();
    let url = to.to_owned();
    let target = tokio::task::spawn_blocking(move || abovefold_engine::log::open(&url, &settings)).await??;
    let topic = to_url.topic();
    let wanted = partitions.unwrap_or(session.edges.partitions * 2);
    let count = target.create_topic(topic, wanted).await?;
    if partitions.is_some_and(|wanted| wanted != count) {
        bail!("rekey into {to_url}: it is there already, with {count} partitions");
    }
    if target.bounds(topic).await?.iter().any(|bounds| bounds.end.0 > 0) {
        bail!("rekey into {to_url}: it already holds records; name a new topic");
    }
    let log = session.edges.log.as_ref();
    let events = &session.edges.topics.user_events;
    let total: u64 = log.bounds(events).await?.iter().map(|bounds| bounds.end.0 - bounds.begin.0).sum();
    let (mut read, mut copied) = (0, 0);
    let mut runs = std::pin::pin!(read_to_end(log, events, &[]).await?);
    while let Some(run) = runs.try_next().await? {
        read += run.records.len() as u64;
        let records: Vec<NewRecord> = run
            .records
            .into_iter()
            .filter(|record| record.header(ORIGIN_HEADER).is_none())
            .map(|record| {
                let reader = decode(&record).ok().map(|(event, _)| event.user_id.as_str().to_owned().into());
                let key = reader.or(record.key.clone());
                NewRecord {
                    partition: None,
                    key,
                    value: record.value,
                    headers: record.headers,
                    time: Some(record.time),
                }
            })
            .collect();
        copied += records.len();
        target.append(topic, records).await?;
        session.output.progress("copying", read, total);
    }
    session.output.line(format!("{copied} of {read} records copied into {to_url} with {count} partitions"));
    Ok(())
}
