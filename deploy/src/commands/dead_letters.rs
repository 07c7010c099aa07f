//! `dead-letters`: records that are no event.

use std::collections::BTreeMap;

use abovefold_engine::{
    log::{NewRecord, Record},
    source::read_to_end,
};
use abovefold_operators::decode::decode;
use abovefold_schemas::{
    Kept, Offset, Timestamp,
    records::{DeadLetter, PUT_BACK_HEADER},
};
use anyhow::{Context, bail};
use futures::TryStreamExt;
use serde_json::json;

use crate::{cli::DeadLettersAction, session::Session};

/// Does what was asked for.
pub async fn run(session: &Session, action: &DeadLettersAction) -> anyhow::Result<()> {
    let letters = read(session).await?;
    match action {
        DeadLettersAction::List { json } => {
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
            let letter = find(&letters, id)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
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
            let chosen: Vec<&DeadLetter> = if ids.is_empty() {
                letters.values().collect()
            } else {
                ids.iter().map(|id| find(&letters, id)).collect::<anyhow::Result<_>>()?
            };
            put_back(session, &chosen).await
        }
    }
}

/// How many there are for each reason, most first; numbers within a reason, such as a size or a column, make no difference.
fn by_reason<'a>(letters: impl Iterator<Item = &'a DeadLetter>) -> Vec<(String, usize)> {
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

async fn read(session: &Session) -> anyhow::Result<BTreeMap<String, DeadLetter>> {
    let topic = &session.edges.topics.dead_letters;
    let mut letters = BTreeMap::new();
    let mut runs = std::pin::pin!(read_to_end(session.edges.log.as_ref(), topic, &[]).await?);
    while let Some(run) = runs.try_next().await? {
        for record in run.records {
            let letter = DeadLetter::from_kept(&record.value).with_context(|| {
                format!("read {topic}, partition {}, offset {}", run.partition, record.offset)
            })?;
            // A crash of the intake repeats its last sends: the id tells them.
            letters.insert(letter.id(), letter);
        }
    }
    Ok(letters)
}

fn find<'a>(letters: &'a BTreeMap<String, DeadLetter>, id: &str) -> anyhow::Result<&'a DeadLetter> {
    letters.get(id).with_context(|| {
        format!("find the dead letter {id}: there is none; `abovefold dead-letters list` shows them")
    })
}

/// Sends those that decode by now to their reader's home, with their origin, so that each counts once.
async fn put_back(session: &Session, letters: &[&DeadLetter]) -> anyhow::Result<()> {
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
    session.output.line(format!("{sent} put back"));
    if still_dead > 0 {
        bail!(
            "put back {still_dead} dead letters: they still are no events; `abovefold dead-letters show ID` says why"
        );
    }
    Ok(())
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
