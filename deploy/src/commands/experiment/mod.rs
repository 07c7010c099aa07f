//! `experiment report`: reads per slate by arm, from the log.
//!
//! - [`count`]: slates joined with the reads that name them
//! - [`ratio`]: reads per slate and differences, with intervals over readers
//! - [`sample_ratio`]: whether readers are shared out as the weights say
//! - [`report`]: what is said of it

mod count;
#[cfg(test)]
mod coverage;
mod ratio;
mod report;
mod sample_ratio;

use abovefold_engine::source::read_to_end;
use abovefold_schemas::{Event, Kept, Offset, records::Impression};
use futures::TryStreamExt;

use self::{
    count::{Count, Which},
    report::Report,
};
use super::train::time;
use crate::{cli::ExperimentAction, session::Session};

/// Counts the log's slates and their reads, and says how the arms compare.
///
/// # Errors
/// When a time is none, or the log does not answer.
pub async fn run(session: &Session, action: &ExperimentAction) -> anyhow::Result<()> {
    let ExperimentAction::Report { json, from, until, by } = action;
    let which = Which {
        by: *by,
        from: from.as_deref().map(time).transpose()?,
        until: until.as_deref().map(time).transpose()?,
        experiment: session.config.experiment(),
    };
    let topics = &session.edges.topics;
    let mut count = Count::new(which.clone());
    let mut unreadable = 0;
    for part in parts(session).await? {
        each(session, &topics.user_events, part, |value| {
            // What is no event is a dead letter, and `dead-letters list` tells of it.
            if let Ok(event) = Event::from_json(value) {
                count.event(&event);
            }
        })
        .await?;
        each(session, &topics.impressions, part, |value| match Impression::from_kept(value) {
            Ok(slate) => count.slate(&slate),
            Err(_) => unreadable += 1,
        })
        .await?;
        count.end_part();
    }
    let report = Report::new(&session.config.experiment, &which, &count, unreadable);
    if *json {
        session.output.line(report.to_json().to_string());
    } else {
        report.to_lines().into_iter().for_each(|line| session.output.line(line));
    }
    Ok(())
}

/// The parts of the log in which readers are whole: its partitions, where both topics have as many and so share readers out alike; else all of it.
async fn parts(session: &Session) -> anyhow::Result<Vec<Option<usize>>> {
    let (log, topics) = (session.edges.log.as_ref(), &session.edges.topics);
    let partitions = log.bounds(&topics.user_events).await?.len();
    let alike = log.bounds(&topics.impressions).await?.len() == partitions;
    Ok(if alike { (0..partitions).map(Some).collect() } else { vec![None] })
}

/// Hands on the values of a topic's records, of one partition or of all.
async fn each(
    session: &Session,
    topic: &str,
    part: Option<usize>,
    mut take: impl FnMut(&[u8]),
) -> anyhow::Result<()> {
    let log = session.edges.log.as_ref();
    let mut from = Vec::new();
    if let Some(part) = part {
        // From beyond their ends, the others have nothing.
        from = vec![Offset(u64::MAX); log.bounds(topic).await?.len()];
        from[part] = Offset(0);
    }
    let mut runs = std::pin::pin!(read_to_end(log, topic, &from).await?);
    while let Some(run) = runs.try_next().await? {
        run.records.iter().for_each(|record| take(&record.value));
    }
    Ok(())
}
