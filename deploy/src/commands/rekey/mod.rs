//! `rekey`: the log into a topic of another partition count, in order.

mod fate;

use std::sync::Arc;

use abovefold_engine::{
    log::{Log, LogUrl, NewRecord, RecordRun},
    source::read_to_end,
};
use abovefold_schemas::Offset;
use anyhow::bail;
use futures::TryStreamExt;

use self::fate::{Known, Rekeyed};
use crate::session::Session;

/// Copies every partition in its order, so that each reader's events keep theirs, and places each by its reader.
///
/// What was copied within the old log is copied once, where it was folded: for a stray its copy stands, and it stands itself only where the
/// intake has not come to it; for what was put back its original stands where that is an event by now. A first walk over the log finds out
/// which is which, a second one copies, and a third brings the strays that have no copy, which would come last anyway.
///
/// # Errors
/// When a topic is not what it should be or a log does not answer. A run that was cut short leaves a part, which is then refused: it is
/// deleted, and the copy begun anew.
pub async fn run(session: &Session, to: &str, partitions: Option<u32>) -> anyhow::Result<()> {
    let (from_url, to_url) = (LogUrl::parse(&session.config.log_url())?, LogUrl::parse(to)?);
    if from_url.to_string() == to_url.to_string() {
        bail!("rekey {from_url} into itself: name another topic or folder");
    }
    let settings = session.config.log_settings();
    let url = to.to_owned();
    let target = tokio::task::spawn_blocking(move || abovefold_engine::log::open(&url, &settings)).await??;
    let count = make_target(target.as_ref(), &to_url, partitions, session.edges.partitions * 2).await?;
    let copy = Copy::new(session, target, &to_url, count).await?;
    let mut known = Known::new(&copy.begins);
    let note = |run: RecordRun| {
        known.note(&run);
        Vec::new()
    };
    copy.walk("looking for copies", note).await?;
    let mut rekeyed = Rekeyed::new(known, count);
    let mut copied = copy.walk("copying", |run| rekeyed.of(run)).await?;
    if rekeyed.has_stray_without_copy() {
        let what = "copying strays that the intake has not come to";
        copied += copy.walk(what, |run| rekeyed.strays_without_copy(run)).await?;
    }
    let read: u64 = copy.ends.iter().zip(&copy.begins).map(|(end, begin)| end.0 - begin.0).sum();
    session.output.line(format!("{copied} of {read} records copied into {to_url} with {count} partitions"));
    let bounds = session.edges.log.bounds(&session.edges.topics.user_events).await?;
    let since: u64 = bounds.iter().zip(&copy.ends).map(|(bounds, end)| bounds.end.0 - end.0).sum();
    if since > 0 {
        bail!(
            "rekey {from_url}: {since} records came meanwhile and are not in {to_url}; stop what produces, delete that topic, and run this again"
        );
    }
    session.output.line(format!(
        "fold it with `abovefold replay --log {to_url} --namespace NEW`, and have `topics.namespaces` and `group` name new ones: offsets and partitions \
         are others there"
    ));
    Ok(())
}

/// The topic to copy into, new or empty. Returns the number of its partitions.
async fn make_target(
    target: &dyn Log,
    url: &LogUrl,
    asked: Option<u32>,
    default: u32,
) -> anyhow::Result<u32> {
    let topic = url.topic();
    let count = match target.partitions(topic).await? {
        Some(count) => count,
        None => target.create_topic(topic, asked.unwrap_or(default)).await?,
    };
    if asked.is_some_and(|asked| asked != count) {
        bail!("rekey into {url}: it is there already, with {count} partitions; name a new topic");
    }
    if target.bounds(topic).await?.iter().any(|bounds| bounds.end.0 > 0) {
        bail!(
            "rekey into {url}: it already holds records, of another log or of a run that was cut short; delete it and begin anew, or name a new topic"
        );
    }
    Ok(count)
}

/// From where to where.
struct Copy<'a> {
    session: &'a Session,
    target: Arc<dyn Log>,
    topic: String,
    /// What is copied of each partition: from `begins` to before `ends`.
    begins: Vec<Offset>,
    ends: Vec<Offset>,
}

impl<'a> Copy<'a> {
    async fn new(
        session: &'a Session,
        target: Arc<dyn Log>,
        url: &LogUrl,
        count: u32,
    ) -> anyhow::Result<Self> {
        let bounds = session.edges.log.bounds(&session.edges.topics.user_events).await?;
        if bounds.len() as u32 == count {
            tracing::info!("the new topic has as many partitions as the old one");
        }
        let begins = bounds.iter().map(|bounds| bounds.begin).collect();
        let ends = bounds.iter().map(|bounds| bounds.end).collect();
        Ok(Self { session, target, topic: url.topic().to_owned(), begins, ends })
    }

    /// Goes through the old topic, in the order of each partition, and appends to the new one what `choose` makes of each run. Returns how many
    /// records that were.
    async fn walk(
        &self,
        what: &str,
        mut choose: impl FnMut(RecordRun) -> Vec<NewRecord>,
    ) -> anyhow::Result<usize> {
        let events = &self.session.edges.topics.user_events;
        let total: u64 = self.ends.iter().zip(&self.begins).map(|(end, begin)| end.0 - begin.0).sum();
        let (mut read, mut copied) = (0, 0);
        let mut runs =
            std::pin::pin!(read_to_end(self.session.edges.log.as_ref(), events, &self.begins).await?);
        while let Some(mut run) = runs.try_next().await? {
            // What came since the first walk began is left for another copy.
            let end = self.ends.get(run.partition as usize).copied().unwrap_or_default();
            run.records.retain(|record| record.offset < end);
            read += run.records.len() as u64;
            let records = choose(run);
            copied += records.len();
            if !records.is_empty() {
                self.target.append(&self.topic, records).await?;
            }
            self.session.output.progress(what, read, total);
        }
        Ok(copied)
    }
}
