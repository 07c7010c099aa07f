//! What share of the topic of events strays: lies outside its reader's home, so that the intake has to copy it.

use std::fmt;

use abovefold_engine::{
    Result,
    log::{Log, RecordRun},
    source::read_to_end,
};
use abovefold_operators::decode::{home_of, is_copy, look};
use abovefold_schemas::Offset;
use futures::TryStreamExt;

/// The most records that are looked at, the last ones of each partition.
const SAMPLE: u64 = 10_000;

/// What was found among the last records of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Events as producers sent them: copies and what was put back do not count.
    events: u64,
    /// Of these, those outside their reader's home.
    strays: u64,
    /// Records that are no event.
    dead: u64,
}

/// Looks at the last records of each partition.
///
/// # Errors
/// When the log does not answer.
pub async fn sample(log: &dyn Log, topic: &str) -> Result<Strays> {
    let bounds = log.bounds(topic).await?;
    let each = SAMPLE.div_ceil(bounds.len().max(1) as u64);
    let from: Vec<Offset> =
        bounds.iter().map(|bounds| Offset(bounds.end.0.saturating_sub(each)).max(bounds.begin)).collect();
    let mut found = Strays::default();
    let mut runs = std::pin::pin!(read_to_end(log, topic, &from).await?);
    while let Some(run) = runs.try_next().await? {
        found.count(&run, bounds.len() as u32);
    }
    Ok(found)
}

impl Strays {
    fn count(&mut self, run: &RecordRun, partitions: u32) {
        for record in &run.records {
            if is_copy(record) {
                continue;
            }
            let Ok((event, _)) = look(record) else {
                self.dead += 1;
                continue;
            };
            self.events += 1;
            self.strays += u64::from(home_of(&event.user_id, partitions) != run.partition);
        }
    }
}

impl fmt::Display for Strays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, strays, dead } = self;
        match (events, strays) {
            (0, _) => write!(f, "no event yet")?,
            (_, 0) => write!(f, "none of its last {events} events strays")?,
            _ => {
                let share = *strays as f64 * 100.0 / *events as f64;
                write!(
                    f,
                    "{strays} of its last {events} events ({share:.1} %) stray from their reader's home, each of which is copied there: set the \
                     producer to partitioner=murmur2_random (Kafka's own default), with user_id as the key"
                )?;
            }
        }
        if *dead > 0 {
            write!(f, "; {dead} records are no event (`abovefold dead-letters list`)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use abovefold_engine::log::Record;
    use abovefold_schemas::Timestamp;

    use abovefold_schemas::records::{ORIGIN_HEADER, PUT_BACK_HEADER};

    use super::*;

    #[test]
    fn what_producers_sent_is_counted_and_copies_are_not() {
        let record = |offset: u64, value: &str, header: Option<&str>| Record {
            offset: Offset(offset),
            time: Timestamp(0),
            key: None,
            value: value.to_owned().into(),
            headers: header.map(|header| (header.to_owned(), "1:2".into())).into_iter().collect(),
        };
        let event = r#"{"user_id":"ann","article_id":1}"#;
        let away = (home_of("ann", 4) + 1) % 4;
        let mut found = Strays::default();
        let records = vec![
            record(0, event, None),
            record(1, "poison", None),
            record(2, event, Some(ORIGIN_HEADER)),
            record(3, event, Some(PUT_BACK_HEADER)),
        ];
        found.count(&RecordRun::new(away, records), 4);
        found.count(&RecordRun::new(home_of("ann", 4), vec![record(0, event, None)]), 4);
        assert_eq!(found, Strays { events: 2, strays: 1, dead: 1 });
        let said = found.to_string();
        assert!(
            said.contains("1 of its last 2 events (50.0 %)") && said.contains("murmur2_random"),
            "{said}"
        );
        assert_eq!(Strays::default().to_string(), "no event yet");
    }
}
