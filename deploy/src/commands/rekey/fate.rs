//! What becomes of each record when the log is copied: whether it is copied, where to, and with which bytes.

use std::collections::BTreeSet;

use abovefold_engine::log::{NewRecord, Record, RecordRun, partition_of};
use abovefold_operators::{
    decode::{Decode, columns, decode, home_of},
    fold::summary::{Begin, counts, note_dead},
};
use abovefold_schemas::{
    Event, EventKind, Offset, Timestamp,
    records::{AFTER_HEADER, ORIGIN_HEADER, PUT_BACK_HEADER},
    state::PartitionSummary,
};
use bytes::Bytes;

/// A partition and an offset.
type Place = (u32, u64);

/// What a first walk over the old log found out.
#[derive(Debug)]
pub struct Known {
    begins: Vec<Offset>,
    /// Events outside their reader's home that are no copies.
    strays: BTreeSet<Place>,
    /// Origins of what was put back.
    put_back: BTreeSet<Place>,
}

impl Known {
    /// Of a log that is walked from `begins`, one offset a partition.
    pub fn new(begins: &[Offset]) -> Self {
        Self { begins: begins.to_vec(), strays: BTreeSet::new(), put_back: BTreeSet::new() }
    }

    /// Takes in one run.
    pub fn note(&mut self, run: &RecordRun) {
        for record in &run.records {
            let Ok((event, place)) = decode(record) else { continue };
            let is_at_home = home_of(event.user_id.as_str(), self.partitions()) == run.partition;
            if let Some(origin) = place.origin.filter(|_| place.put_back) {
                self.put_back.insert((origin.partition, origin.offset));
            } else if place.origin.is_none() && !is_at_home {
                self.strays.insert((run.partition, record.offset.0));
            }
        }
    }

    fn partitions(&self) -> u32 {
        self.begins.len() as u32
    }
}

/// The records of the new log: what the fold of the old one takes, in its order.
#[derive(Debug)]
pub struct Rekeyed {
    known: Known,
    /// Partitions of the new log.
    count: u32,
    decode: Decode,
    /// What the fold of each old partition remembers of copies.
    summaries: Vec<PartitionSummary>,
    /// Origins of the copies that counted.
    taken: BTreeSet<Place>,
}

impl Rekeyed {
    /// For a new log of `count` partitions.
    pub fn new(known: Known, count: u32) -> Self {
        let summaries = vec![PartitionSummary::default(); known.begins.len()];
        Self { known, count, decode: Decode::default(), summaries, taken: BTreeSet::new() }
    }

    /// What is copied of a run: all but strays, repeats, and what stands elsewhere in the log.
    pub fn of(&mut self, run: RecordRun) -> Vec<NewRecord> {
        let partition = run.partition;
        let partitions = self.known.partitions();
        let (Some(begin), Some(summary)) =
            (self.known.begins.get(partition as usize), self.summaries.get_mut(partition as usize))
        else {
            return Vec::new();
        };
        let begin = Begin { partition, first: *begin };
        let run = self.decode.run(run);
        let rows = columns(&run);
        let (mut copies, mut row_number, mut dead) = (Vec::new(), 0, run.dead.iter().peekable());
        for record in &run.read.records {
            if dead.next_if(|offset| **offset == record.offset).is_some() {
                note_dead(summary, record.offset);
                // What was put back since stands for it.
                if !self.known.put_back.contains(&(partition, record.offset.0)) {
                    copies.push(as_it_is(record, partition, self.count));
                }
                continue;
            }
            let row = rows.row(row_number);
            row_number += 1;
            if home_of(row.user_id, partitions) == partition && counts(summary, &row, begin) {
                self.taken.extend(row.origin.map(|origin| (origin.partition, origin.offset)));
                copies.extend(of_reader(record, self.count));
            }
        }
        copies
    }

    /// Whether a stray is in the log of which no copy counted.
    pub fn has_stray_without_copy(&self) -> bool {
        self.known.strays.iter().any(|place| !self.taken.contains(place))
    }

    /// The strays of a run of which no copy counted.
    pub fn strays_without_copy(&self, run: RecordRun) -> Vec<NewRecord> {
        let is_left = |record: &&Record| {
            let place = (run.partition, record.offset.0);
            self.known.strays.contains(&place) && !self.taken.contains(&place)
        };
        run.records.iter().filter(is_left).filter_map(|record| of_reader(record, self.count)).collect()
    }
}

/// An event for its reader's home in the new log, where it is no copy of anything; `None` for what is no event.
fn of_reader(record: &Record, count: u32) -> Option<NewRecord> {
    let (event, _) = decode(record).ok()?;
    let reader = event.user_id.as_str();
    let ours = |name: &str| [ORIGIN_HEADER, AFTER_HEADER, PUT_BACK_HEADER].contains(&name);
    Some(NewRecord {
        partition: Some(home_of(reader, count)),
        key: Some(Bytes::copy_from_slice(reader.as_bytes())),
        value: with_time(record, &event),
        headers: record.headers.iter().filter(|(name, _)| !ours(name)).cloned().collect(),
        time: Some(record.time),
    })
}

/// A record that is no event stays what it is, so that the new log's intake finds it.
fn as_it_is(record: &Record, partition: u32, count: u32) -> NewRecord {
    let placed_by = record.key.clone().unwrap_or_else(|| format!("{partition}:{}", record.offset).into());
    NewRecord {
        partition: Some(partition_of(&placed_by, count)),
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
        time: Some(record.time),
    }
}

/// The record's bytes. A read whose time was the log's own, or later than that, is given it: the new log has other times.
fn with_time(record: &Record, event: &Event) -> Bytes {
    if event.kind != EventKind::Read || event.timestamp.is_some_and(|told: Timestamp| told <= record.time) {
        return record.value.clone();
    }
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&record.value) {
        Ok(mut fields) => {
            fields.insert("timestamp".into(), record.time.0.into());
            serde_json::Value::Object(fields).to_string().into()
        }
        // An event is a JSON object; should it be none, its bytes are as good as ours.
        Err(_) => record.value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: u32 = 2;
    const NEW: u32 = 3;

    fn event(reader: &str, article: i64) -> String {
        format!(r#"{{"user_id":"{reader}","article_id":{article},"timestamp":5}}"#)
    }

    /// A log of two partitions under construction.
    #[derive(Default)]
    struct Old([Vec<Record>; OLD as usize]);

    impl Old {
        fn put(&mut self, partition: u32, value: impl Into<String>, header: Option<(&str, Place)>) -> Place {
            let records = &mut self.0[partition as usize];
            let header = header.map(|(name, (p, o))| (name.to_owned(), format!("{p}:{o}").into()));
            let offset = records.len() as u64;
            records.push(Record {
                offset: Offset(offset),
                time: Timestamp(1_000 + offset as i64),
                key: None,
                value: value.into().into(),
                headers: header.into_iter().collect(),
            });
            (partition, offset)
        }

        /// Everything that is copied, as reader and article (or the bytes of what is no event), in order.
        fn rekeyed(&self) -> Vec<(u32, String)> {
            let mut known = Known::new(&[Offset(0); OLD as usize]);
            let run = |(partition, records): (u32, &Vec<Record>)| {
                (!records.is_empty()).then(|| RecordRun::new(partition, records.clone()))
            };
            let runs = || (0..).zip(&self.0).filter_map(run);
            runs().for_each(|run| known.note(&run));
            let mut rekeyed = Rekeyed::new(known, NEW);
            let mut copies: Vec<NewRecord> = runs().flat_map(|run| rekeyed.of(run)).collect();
            copies.extend(runs().flat_map(|run| rekeyed.strays_without_copy(run)));
            let said =
                copies.iter().map(|copy| {
                    assert!(copy.headers.iter().all(|(name, value)| name != PUT_BACK_HEADER
                        && (name != ORIGIN_HEADER || value == "nonsense")));
                    let text = match Event::from_json(&copy.value) {
                        Ok(event) => format!("{} {}", event.user_id, event.article_id.unwrap_or_default()),
                        Err(_) => String::from_utf8_lossy(&copy.value).into_owned(),
                    };
                    (copy.partition.unwrap(), text)
                });
            said.collect()
        }
    }

    fn of<'a>(copies: &'a [(u32, String)], reader: &str) -> Vec<&'a str> {
        copies.iter().map(|(_, text)| text.as_str()).filter(|text| text.starts_with(reader)).collect()
    }

    #[test]
    fn each_event_is_copied_once_in_its_readers_order() {
        let (home, away) = (home_of("ann", OLD), 1 - home_of("ann", OLD));
        let mut old = Old::default();
        old.put(home, event("ann", 1), None);
        let stray = old.put(away, event("ann", 2), None);
        old.put(home, event("ann", 3), None);
        old.put(home, event("ann", 2), Some((ORIGIN_HEADER, stray)));
        // The intake died after it sent this, and sent it again.
        old.put(home, event("ann", 2), Some((ORIGIN_HEADER, stray)));
        old.put(home, event("ann", 4), None);
        // A stray that the intake has not come to, and a copy that lies where nobody takes it.
        old.put(away, event("ann", 5), None);
        old.put(away, event("ann", 9), Some((ORIGIN_HEADER, (home, 77))));
        let copies = old.rekeyed();
        assert_eq!(
            of(&copies, "ann"),
            ["ann 1", "ann 3", "ann 2", "ann 4", "ann 5"],
            "the order of the fold"
        );
        assert!(copies.iter().all(|(partition, _)| *partition == home_of("ann", NEW)));
    }

    #[test]
    fn what_was_put_back_counts_once_and_its_original_stands_where_it_is_an_event_by_now() {
        let home = home_of("bob", OLD);
        let mut old = Old::default();
        let event_by_now = old.put(home, event("bob", 1), None);
        // Its header is what made it no event; put back, it has none.
        let still_dead = old.put(home, event("bob", 2), None);
        old.0[home as usize][1].headers.push((ORIGIN_HEADER.into(), "nonsense".into()));
        let poison = old.put(home, "poison", None);
        let elsewhere = (1 - home, 4_000);
        for origin in [event_by_now, still_dead, still_dead, elsewhere] {
            let article = if origin == elsewhere { 3 } else { 1 + origin.1 as i64 };
            old.put(home, event("bob", article), Some((PUT_BACK_HEADER, origin)));
        }
        let copies = old.rekeyed();
        assert_eq!(of(&copies, "bob"), ["bob 1", "bob 2", "bob 3"], "{copies:?}");
        assert_eq!(of(&copies, "poison").len(), 1, "what is no event stays one: {poison:?}");
    }

    #[test]
    fn a_read_keeps_the_time_that_it_was_folded_with() {
        let mut old = Old::default();
        for value in [
            r#"{"user_id":"ann","article_id":1}"#,
            r#"{"user_id":"ann","article_id":2,"timestamp":9000000000000}"#,
            r#"{"user_id":"ann","article_id":3,"timestamp":"1970-01-01T00:00:00.007Z"}"#,
        ] {
            old.put(home_of("ann", OLD), value, None);
        }
        let records = &old.0[home_of("ann", OLD) as usize];
        let times: Vec<i64> = records
            .iter()
            .map(|record| {
                let event = Event::from_json(&record.value).unwrap();
                Event::from_json(&with_time(record, &event)).unwrap().timestamp.unwrap().0
            })
            .collect();
        assert_eq!(times, [1_000, 1_001, 7]);
    }
}
