//! What does not belong where it lies: records that are no event, and events of readers who are at home elsewhere.
//!
//! Every record is looked at as the fold's [`decode`](crate::decode) looks at it, but nothing is made of those that are where they should be,
//! which in good order are all.

use abovefold_engine::{
    Emitter, Feed, Operator, Result, Run,
    log::{Record, RecordRun},
};
use abovefold_schemas::{LastRecord, Offset};

use crate::decode::{home_of, is_copy, look};

/// Why a record does not belong where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is no event, for this reason.
    Dead(String),
    /// It is an event of this reader, whose home is this partition.
    Stray {
        /// The reader.
        user_id: String,
        /// Its partition.
        home: u32,
    },
}

/// A record that does not belong where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The record; it shares the log's buffers.
    pub record: Record,
    /// Why.
    pub why: Why,
}

/// A run of records, and what of it does not belong there.
#[derive(Clone, Debug)]
pub struct LookedRun {
    /// The records as they were read.
    pub read: RecordRun,
    /// Those that do not belong there, in order.
    pub misplaced: Vec<Misplaced>,
}

impl Run for LookedRun {
    fn records(&self) -> usize {
        self.read.records()
    }

    fn take_front(&mut self, count: usize) -> Self {
        let read = self.read.take_front(count);
        let in_front = self.misplaced.partition_point(|misplaced| misplaced.record.offset < read.next);
        Self { read, misplaced: self.misplaced.drain(..in_front).collect() }
    }

    fn last(&self) -> Option<LastRecord> {
        self.read.last()
    }

    fn next(&self) -> Offset {
        self.read.next()
    }
}

/// Looks at records, in a log of so many partitions.
#[derive(Debug)]
pub struct Look {
    partitions: u32,
}

impl Look {
    /// For a log of so many partitions.
    pub fn new(partitions: u32) -> Self {
        Self { partitions }
    }

    /// Looks at one run.
    pub fn run(&self, run: RecordRun) -> LookedRun {
        let why = |record: &Record| {
            Some(Misplaced { why: self.why(run.partition, record)?, record: record.clone() })
        };
        LookedRun { misplaced: run.records.iter().filter_map(why).collect(), read: run }
    }

    /// Why a record does not belong into a partition; `None` where it does.
    fn why(&self, partition: u32, record: &Record) -> Option<Why> {
        let event = match look(record) {
            Ok((event, _)) => event,
            Err(reason) => return Some(Why::Dead(reason)),
        };
        let home = home_of(&event.user_id, self.partitions);
        // A copy is never passed on: it was sent to where its reader was at home when it was made.
        (home != partition && !is_copy(record))
            .then(|| Why::Stray { user_id: event.user_id.into_owned(), home })
    }
}

impl Operator for Look {
    type In = Feed<RecordRun>;
    type Out = Feed<LookedRun>;

    fn name(&self) -> &'static str {
        "look"
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(Run::records)
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        let looked = input.map(|run| self.run(run));
        out.emit(looked).await
    }
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::{Timestamp, records::ORIGIN_HEADER};
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_run_is_cut_between_records_and_what_is_misplaced_goes_with_its_record() {
        let record = |(offset, text): (u64, &str)| Record {
            offset: Offset(offset),
            time: Timestamp(1_000),
            key: None,
            value: Bytes::copy_from_slice(text.as_bytes()),
            headers: Vec::new(),
        };
        let partitions = 16;
        let (home, event) = (home_of("ann", partitions), r#"{"user_id":"ann","article_id":1}"#);
        let records = [(0, event), (1, "poison"), (2, event), (3, event), (4, "poison")].map(record);
        let look = Look::new(partitions);
        let mut rest = look.run(RecordRun::new(home, records.to_vec()));
        let offsets = |run: &LookedRun| -> Vec<u64> {
            run.misplaced.iter().map(|misplaced| misplaced.record.offset.0).collect()
        };
        assert_eq!(offsets(&rest), [1, 4]);
        let front = rest.take_front(3);
        assert_eq!((front.records(), offsets(&front), front.next()), (3, vec![1], Offset(3)));
        assert_eq!((rest.records(), offsets(&rest)), (2, vec![4]));
        assert_eq!(front.last().map(|last| last.offset), Some(Offset(2)));

        let elsewhere = (home + 1) % partitions;
        let mut copy = record((9, event));
        copy.headers.push((ORIGIN_HEADER.into(), Bytes::from_static(b"3:7")));
        let looked = look.run(RecordRun::new(elsewhere, vec![record((8, event)), copy]));
        let why = Why::Stray { user_id: "ann".into(), home };
        assert_eq!(looked.misplaced, [Misplaced { record: record((8, event)), why }], "a copy stays");
    }
}
