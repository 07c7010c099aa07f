//! `dead-letters`: records that are no event.

use std::collections::{BTreeMap, BTreeSet};

use abovefold_engine::{
    log::{NewRecord, Record},
    source::read_to_end,
    state::Tag,
};
use abovefold_operators::decode::decode;
use abovefold_schemas::{
    Kept, Offset, Timestamp,
    keys::summary_key,
    records::{DeadLetter, PUT_BACK_HEADER},
    state::PartitionSummary,
};
use anyhow::{Context, bail};
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::json;

use crate::{cli::DeadLettersAction, session::Session};

/// Does what was asked for.
pub async fn run(session: &Session, action: &DeadLettersAction) -> anyhow::Result<()> {
    match action {
        DeadLettersAction::List { json } => {
            let letters = read(session, &[]).await?;
            for (id, letter) in &letters {
                let time = Timestamp(letter.time).to_rfc3339();
                session.output.line(if *json {
                    json!({"id": id, "time": time, "bytes": letter.value.len(), "reason": letter.reason})
                        .to_string()
                } else {
                    format!("{id}  {time}  {} bytes  {}", letter.value.len(), letter.reason)
                });
            }
            if !*json {
                session.output.line(format!("{} dead letters", letters.len()));
                for (reason, count) in by_reason(letters.values()) {
                    session.output.line(format!("{count:>8}  {reason}"));
                }
            }
            Ok(())
        }
        DeadLettersAction::Show { id, json } => {
            let letter = find(session, std::slice::from_ref(id)).await?.into_values().next();
            let letter = letter.with_context(|| missing(id))?;
            let (key, time) = (letter.key.as_deref().map(text), Timestamp(letter.time).to_rfc3339());
            if *json {
                let shown = json!({
                    "id": id, "topic": letter.topic, "partition": letter.partition, "offset": letter.offset, "time": time,
                    "key": key, "value": text(&letter.value), "reason": letter.reason,
                });
                session.output.line(shown.to_string());
            } else {
                session
                    .output
                    .line(format!("{id}, logged {time}, key {}", key.unwrap_or_else(|| "none".into())));
                session.output.line(format!("reason: {}", letter.reason));
                session.output.line(text(&letter.value));
            }
            Ok(())
        }
        DeadLettersAction::PutBack { ids } => {
            let PutBack { sent, still_dead } = match ids.is_empty() {
                true => put_back_all(session).await?,
                false => {
                    let letters = find(session, ids).await?;
                    if let Some(id) = ids.iter().find(|id| !letters.contains_key(*id)) {
                        bail!("{}", missing(id));
                    }
                    put_back(session, letters.values()).await?
                }
            };
            session.output.line(format!("{sent} put back"));
            if still_dead > 0 {
                bail!(
                    "put back {still_dead} dead letters: they still are no events; `abovefold dead-letters show ID` says why"
                );
            }
            Ok(())
        }
    }
}

/// Bytes as somebody reads them.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn missing(id: &str) -> String {
    format!("find the dead letter {id}: there is none; `abovefold dead-letters list` shows them")
}

/// How many there are for each reason, most first; numbers within a reason, such as a size or a column, make no difference.
pub fn by_reason<'a>(letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for letter in letters {
        let mut reason = String::new();
        for character in letter.reason.chars() {
            match character.is_ascii_digit() {
                true if reason.ends_with('#') => {}
                true => reason.push('#'),
                false => reason.push(character),
            }
        }
        *counts.entry(reason).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

/// Dead letters that were looked at, by their ids.
pub type Letters = BTreeMap<String, DeadLetter>;

/// What became of letters that were to be put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutBack {
    /// Sent to their reader's home.
    pub sent: usize,
    /// Still no events.
    pub still_dead: usize,
}

/// How many dead letters the topic holds; those that a crash of the intake repeated count again.
///
/// # Errors
/// When the log does not answer.
pub async fn count(session: &Session) -> anyhow::Result<u64> {
    let bounds = session.edges.log.bounds(&session.edges.topics.dead_letters).await?;
    Ok(bounds.iter().map(|bounds| bounds.end.0 - bounds.begin.0).sum())
}

/// The last letters of each partition, at most so many of one.
///
/// # Errors
/// When the log does not answer or a record is none of ours.
pub async fn newest(session: &Session, most: usize) -> anyhow::Result<Letters> {
    let bounds = session.edges.log.bounds(&session.edges.topics.dead_letters).await?;
    let from: Vec<Offset> =
        bounds.iter().map(|bounds| Offset(bounds.end.0.saturating_sub(most as u64))).collect();
    read(session, &from).await
}

/// Where the originals of letters lay that were put back and counted in the namespace of the session, by partition and offset.
///
/// # Errors
/// When the state store does not answer, or holds bytes that this program cannot read.
pub async fn counted(session: &Session) -> anyhow::Result<BTreeSet<(u32, u64)>> {
    let namespace = session.namespace().await?.name;
    let mut counted = BTreeSet::new();
    for partition in 0..session.edges.partitions {
        let tag = Tag { namespace: namespace.clone(), partition };
        let read = session.edges.store.read(&tag, &[summary_key()], &[]).await?;
        if let Some(value) = read.values.into_iter().next().flatten() {
            let summary = PartitionSummary::from_kept(&value.bytes)
                .with_context(|| format!("read the summary of {tag}"))?;
            counted.extend(summary.put_back.iter().map(|origin| (origin.partition, origin.offset)));
        }
    }
    Ok(counted)
}

/// The letters of these ids that there are.
///
/// # Errors
/// When the log does not answer or a record is none of ours.
pub async fn find(session: &Session, ids: &[String]) -> anyhow::Result<Letters> {
    let mut found = Letters::new();
    let mut runs = std::pin::pin!(runs(session, &[]).await?);
    while let Some(letters) = runs.try_next().await? {
        found.extend(letters.into_iter().filter(|(id, _)| ids.contains(id)));
    }
    Ok(found)
}

/// Sends all that decode by now to their reader's home.
///
/// # Errors
/// When the log does not answer or a record is none of ours.
pub async fn put_back_all(session: &Session) -> anyhow::Result<PutBack> {
    let mut all = PutBack::default();
    let mut runs = std::pin::pin!(runs(session, &[]).await?);
    while let Some(letters) = runs.try_next().await? {
        let done = put_back(session, letters.values()).await?;
        (all.sent, all.still_dead) = (all.sent + done.sent, all.still_dead + done.still_dead);
    }
    Ok(all)
}

async fn read(session: &Session, from: &[Offset]) -> anyhow::Result<Letters> {
    let mut all = Letters::new();
    let mut runs = std::pin::pin!(runs(session, from).await?);
    while let Some(letters) = runs.try_next().await? {
        all.extend(letters);
    }
    Ok(all)
}

/// The letters from these offsets to the ends that the topic has now, a run at a time.
async fn runs(
    session: &Session,
    from: &[Offset],
) -> anyhow::Result<impl Stream<Item = anyhow::Result<Letters>> + Send + use<>> {
    let topic = session.edges.topics.dead_letters.clone();
    let runs = read_to_end(session.edges.log.as_ref(), &topic, from).await?;
    Ok(runs.map(move |run| {
        let run = run?;
        let letter = |record: Record| {
            let letter = DeadLetter::from_kept(&record.value).with_context(|| {
                format!("read {topic}, partition {}, offset {}", run.partition, record.offset)
            })?;
            // A crash of the intake repeats its last sends: the id tells them.
            Ok((letter.id(), letter))
        };
        run.records.into_iter().map(letter).collect()
    }))
}

/// Sends those that decode by now to their reader's home, with their origin, so that each counts once.
///
/// # Errors
/// When the log does not take them.
pub async fn put_back(
    session: &Session,
    letters: impl Iterator<Item = &DeadLetter>,
) -> anyhow::Result<PutBack> {
    let (mut records, mut still_dead) = (Vec::new(), 0);
    for letter in letters {
        let record = Record {
            offset: Offset(letter.offset),
            time: Timestamp(letter.time),
            key: None,
            value: letter.value.clone().into(),
            headers: Vec::new(),
        };
        let Ok((event, _)) = decode(&record) else {
            still_dead += 1;
            continue;
        };
        let origin = format!("{}:{}", letter.partition, letter.offset);
        let mut back = NewRecord::keyed(event.user_id.as_str().to_owned(), letter.value.clone());
        back.headers.push((PUT_BACK_HEADER.into(), origin.into()));
        records.push(back);
    }
    let sent = records.len();
    if sent > 0 {
        session.edges.log.append(&session.edges.topics.user_events, records).await?;
    }
    Ok(PutBack { sent, still_dead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_by_reason_whatever_its_numbers() {
        let letter = |reason: &str| DeadLetter { reason: reason.into(), ..DeadLetter::default() };
        let letters = ["not JSON at column 7", "too large: 70000 bytes", "not JSON at column 12"].map(letter);
        let counts = by_reason(letters.iter());
        assert_eq!(counts, [("not JSON at column #".to_owned(), 2), ("too large: # bytes".to_owned(), 1)]);
    }
}
