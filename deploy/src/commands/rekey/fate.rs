//! What becomes of each record when the log is copied: whether it is copied, where to, and with which bytes.

use std::collections::{BTreeMap, BTreeSet};

use abovefold_engine::log::{NewRecord, Record, RecordRun, partition_of};
use abovefold_operators::decode::{decode, home_of};
use abovefold_schemas::{
    Event, EventKind, Offset, Timestamp,
    records::{ORIGIN_HEADER, PUT_BACK_HEADER},
    state::Origin,
};
use bytes::Bytes;

/// A partition and an offset.
type Place = (u32, u64);

/// What a first walk over the old log found out.
#[derive(Debug)]
pub struct Known {
    begins: Vec<Offset>,
    ends: Vec<Offset>,
    /// Records that are no event.
    dead: BTreeSet<Place>,
    /// Events outside their reader's home that are no copies.
    strays: BTreeSet<Place>,
    /// Origins of the copies that lie at home.
    copied: BTreeSet<Place>,
    /// Origins of what was put back and lies at home.
    put_back: BTreeSet<Place>,
}

impl Known {
    /// Of a log that is walked from `begins` to `ends`, one offset a partition.
    pub fn new(begins: &[Offset], ends: &[Offset]) -> Self {
        Self {
            begins: begins.to_vec(),
            ends: ends.to_vec(),
            dead: BTreeSet::new(),
            strays: BTreeSet::new(),
            copied: BTreeSet::new(),
            put_back: BTreeSet::new(),
        }
    }

    /// Takes in one run.
    pub fn note(&mut self, run: &RecordRun) {
        for record in &run.records {
            let place = (run.partition, record.offset.0);
            match Kind::of(record, run.partition, self.begins.len() as u32) {
                Kind::Dead => drop(self.dead.insert(place)),
                Kind::Stray(_) => drop(self.strays.insert(place)),
                Kind::Copy(_, origin) => drop(self.copied.insert(origin)),
                Kind::PutBack(_, origin) => drop(self.put_back.insert(origin)),
                Kind::AtHome(_) | Kind::Nothing => {}
            }
        }
    }

    /// Whether a record that was put back stands in for one that is an event by itself by now.
    fn is_event_by_now(&self, origin: Place) -> bool {
        let (partition, offset) = (origin.0 as usize, Offset(origin.1));
        let is_there = self.begins.get(partition).is_some_and(|begin| *begin <= offset)
            && self.ends.get(partition).is_some_and(|end| offset < *end);
        is_there && !self.dead.contains(&origin)
    }
}

/// What a record of the old log is.
enum Kind {
    /// No event.
    Dead,
    /// An event of a reader who is at home there.
    AtHome(Event),
    /// A copy of a stray, at home.
    Copy(Event, Place),
    /// What was put back from the dead letters, at home.
    PutBack(Event, Place),
    /// An event of a reader who is at home elsewhere.
    Stray(Event),
    /// A copy that lies outside its reader's home: it folds to nothing and is not passed on.
    Nothing,
}

impl Kind {
    fn of(record: &Record, partition: u32, partitions: u32) -> Self {
        let Ok((event, place)) = decode(record) else { return Self::Dead };
        let at_home = home_of(event.user_id.as_str(), partitions) == partition;
        match (place.origin, place.put_back, at_home) {
            (None, _, true) => Self::AtHome(event),
            (None, _, false) => Self::Stray(event),
            (Some(_), _, false) => Self::Nothing,
            (Some(Origin { partition, offset }), true, true) => Self::PutBack(event, (partition, offset)),
            (Some(Origin { partition, offset }), false, true) => Self::Copy(event, (partition, offset)),
        }
    }
}

/// The records of the new log.
#[derive(Debug)]
pub struct Rekeyed {
    known: Known,
    /// Partitions of the new log.
    count: u32,
    /// By home and source the highest origin of the copies that were met, as the fold remembers it.
    highest: BTreeMap<(u32, u32), u64>,
    /// Origins of what was put back and met.
    taken: BTreeSet<Place>,
}

impl Rekeyed {
    /// For a new log of `count` partitions.
    pub fn new(known: Known, count: u32) -> Self {
        Self { known, count, highest: BTreeMap::new(), taken: BTreeSet::new() }
    }

    /// What is copied of a run: all but strays, repeats, and what stands elsewhere in the log.
    pub fn of(&mut self, run: RecordRun) -> Vec<NewRecord> {
        let (partition, partitions) = (run.partition, self.known.begins.len() as u32);
        let mut copies = Vec::with_capacity(run.records.len());
        for record in run.records {
            let place = (partition, record.offset.0);
            match Kind::of(&record, partition, partitions) {
                Kind::Dead if !self.known.put_back.contains(&place) => copies.push(self.dead(record, place)),
                Kind::AtHome(event) => copies.push(self.event(record, &event)),
                Kind::Copy(event, origin) if self.is_new(partition, origin) => {
                    copies.push(self.event(record, &event));
                }
                Kind::PutBack(event, origin)
                    if !self.known.is_event_by_now(origin) && self.taken.insert(origin) =>
                {
                    copies.push(self.event(record, &event));
                }
                _ => {}
            }
        }
        copies
    }

    /// Whether a stray is in the log that the intake has not copied.
    pub fn has_stray_without_copy(&self) -> bool {
        self.known.strays.iter().any(|place| !self.known.copied.contains(place))
    }

    /// The strays of a run that the intake has not copied.
    pub fn strays_without_copy(&self, run: RecordRun) -> Vec<NewRecord> {
        let (partition, partitions) = (run.partition, self.known.begins.len() as u32);
        let mut copies = Vec::new();
        for record in run.records {
            let place = (partition, record.offset.0);
            if !self.known.strays.contains(&place) || self.known.copied.contains(&place) {
                continue;
            }
            if let Kind::Stray(event) = Kind::of(&record, partition, partitions) {
                copies.push(self.event(record, &event));
            }
        }
        copies
    }

    /// Whether a copy is none of those that its home has taken in, by the fold's own rule.
    fn is_new(&mut self, home: u32, (source, offset): Place) -> bool {
        match self.highest.get(&(home, source)) {
            Some(highest) if *highest >= offset => false,
            _ => {
                self.highest.insert((home, source), offset);
                true
            }
        }
    }

    fn event(&self, record: Record, event: &Event) -> NewRecord {
        let reader = event.user_id.as_str();
        NewRecord {
            partition: Some(home_of(reader, self.count)),
            key: Some(Bytes::copy_from_slice(reader.as_bytes())),
            value: with_time(&record, event),
            headers: record
                .headers
                .into_iter()
                .filter(|(name, _)| name != ORIGIN_HEADER && name != PUT_BACK_HEADER)
                .collect(),
            time: Some(record.time),
        }
    }

    /// A record that is no event stays what it is, so that the new log's intake finds it.
    fn dead(&self, record: Record, (partition, offset): Place) -> NewRecord {
        let placed_by = record.key.clone().unwrap_or_else(|| format!("{partition}:{offset}").into());
        NewRecord {
            partition: Some(partition_of(&placed_by, self.count)),
            key: record.key,
            value: record.value,
            headers: record.headers,
            time: Some(record.time),
        }
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
            let ends: Vec<Offset> = self.0.iter().map(|records| Offset(records.len() as u64)).collect();
            let mut known = Known::new(&[Offset(0); OLD as usize], &ends);
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
        for origin in [event_by_now, still_dead, still_dead, (home, 4_000)] {
            let article = if origin == (home, 4_000) { 3 } else { 1 + origin.1 as i64 };
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
