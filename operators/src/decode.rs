//! Decode: records into event batches. Whether a record is dead is decided here, by its bytes alone.

use abovefold_engine::{
    Emitter, Feed, Operator, Result, Run,
    log::{Record, RecordRun, partition_of},
};
use abovefold_schemas::{
    Event, EventRef, LastRecord, Offset,
    batch::{EventBatchBuilder, EventColumns, RowPlace, Turn},
    records::{AFTER_HEADER, ORIGIN_HEADER, PUT_BACK_HEADER},
    state::Origin,
};
use arrow::array::RecordBatch;

use crate::metrics::{EVENTS_DEAD, EVENTS_DECODED};

/// The greatest record that is looked at as an event, in bytes: a larger one is dead.
pub const MAX_EVENT_BYTES: usize = 65_536;

/// A run of records, and the events in it as a batch.
#[derive(Clone, Debug)]
pub struct DecodedRun {
    /// The records as they were read, dead ones too; they share the log's buffers.
    pub read: RecordRun,
    /// A row for each record that is an event.
    pub batch: RecordBatch,
    /// Where the records lie that are none, in order.
    pub dead: Vec<Offset>,
}

impl Run for DecodedRun {
    fn records(&self) -> usize {
        self.read.records()
    }

    fn take_front(&mut self, count: usize) -> Self {
        let read = self.read.take_front(count);
        let in_front = self.dead.partition_point(|offset| *offset < read.next);
        let dead: Vec<Offset> = self.dead.drain(..in_front).collect();
        let rows = count - dead.len();
        let batch = self.batch.slice(0, rows);
        self.batch = self.batch.slice(rows, self.batch.num_rows() - rows);
        Self { read, batch, dead }
    }

    fn last(&self) -> Option<LastRecord> {
        self.read.last()
    }

    fn next(&self) -> Offset {
        self.read.next()
    }
}

/// Turns runs of records into event batches.
#[derive(Debug, Default)]
pub struct Decode {
    builder: EventBatchBuilder,
}

impl Decode {
    /// Decodes one run.
    pub fn run(&mut self, run: RecordRun) -> DecodedRun {
        let mut dead = Vec::new();
        for record in &run.records {
            match look(record) {
                Ok((event, place)) => self.builder.push(event, &place),
                Err(_) => dead.push(record.offset),
            }
        }
        let batch = self.builder.finish();
        metrics::counter!(EVENTS_DECODED).increment(batch.num_rows() as u64);
        metrics::counter!(EVENTS_DEAD).increment(dead.len() as u64);
        DecodedRun { batch, dead, read: run }
    }
}

/// The event of a record and its place, or why it is none.
///
/// # Errors
/// The reason, in words, as the dead letter keeps it.
pub fn decode(record: &Record) -> Result<(Event, RowPlace), String> {
    look(record).map(|(event, place)| (event.into_owned(), place))
}

/// [`decode`], without taking the event out of the record.
///
/// # Errors
/// As [`decode`].
pub fn look(record: &Record) -> Result<(EventRef<'_>, RowPlace), String> {
    if record.value.len() > MAX_EVENT_BYTES {
        return Err(format!(
            "the record has {} bytes, an event at most {MAX_EVENT_BYTES}",
            record.value.len()
        ));
    }
    let event = EventRef::from_json(&record.value).map_err(|error| error.to_string())?;
    let origin = header_origin(record, ORIGIN_HEADER)?;
    let put_back = header_origin(record, PUT_BACK_HEADER)?;
    let place = RowPlace {
        offset: record.offset,
        log_time: record.time,
        turn: turn(record)?,
        put_back: put_back.is_some(),
        origin: put_back.or(origin),
    };
    Ok((event, place))
}

/// Reads `<partition>:<offset>` from a header of ours.
fn header_origin(record: &Record, header: &'static str) -> Result<Option<Origin>, String> {
    let Some(bytes) = record.header(header) else { return Ok(None) };
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_once(':'))
        .and_then(|(partition, offset)| {
            Some(Origin { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        })
        .map(Some)
        .ok_or_else(|| format!("header {header} is not <partition>:<offset>"))
}

/// Which copy has to be there before this one.
fn turn(record: &Record) -> Result<Turn, String> {
    match record.header(AFTER_HEADER) {
        None => Ok(Turn::Unknown),
        Some(b"first") => Ok(Turn::First),
        Some(offset) => std::str::from_utf8(offset)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|offset| *offset < u64::MAX)
            .map(Turn::After)
            .ok_or_else(|| format!("header {AFTER_HEADER} is neither `first` nor an offset")),
    }
}

/// Where an event belongs: the partition of its reader.
pub fn home_of(user_id: &str, partitions: u32) -> u32 {
    partition_of(user_id.as_bytes(), partitions)
}

/// Whether a record is a copy, or was put back: it was sent to where it lies, and counts as what it was made of.
pub fn is_copy(record: &Record) -> bool {
    record.header(ORIGIN_HEADER).is_some() || record.header(PUT_BACK_HEADER).is_some()
}

impl Operator for Decode {
    type In = Feed<RecordRun>;
    type Out = Feed<DecodedRun>;

    fn name(&self) -> &'static str {
        "decode"
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(Run::records)
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        let decoded = input.map(|run| self.run(run));
        out.emit(decoded).await
    }
}

/// The rows of a run, with their columns.
pub fn columns(run: &DecodedRun) -> EventColumns<'_> {
    EventColumns::of(&run.batch)
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::Timestamp;
    use bytes::Bytes;

    use super::*;

    fn record(offset: u64, value: &str) -> Record {
        Record {
            offset: Offset(offset),
            time: Timestamp(1_000),
            key: None,
            value: Bytes::copy_from_slice(value.as_bytes()),
            headers: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_cut_between_records_and_keeps_its_dead_apart() {
        let good = r#"{"user_id":"a","article_id":1}"#;
        let records =
            vec![record(0, good), record(1, "poison"), record(2, good), record(3, "poison"), record(4, good)];
        let mut rest = Decode::default().run(RecordRun::new(0, records));
        assert_eq!((rest.batch.num_rows(), rest.dead.len()), (3, 2));
        let front = rest.take_front(2);
        assert_eq!((front.records(), front.batch.num_rows(), front.dead.len()), (2, 1, 1));
        assert_eq!((rest.records(), rest.batch.num_rows(), &rest.dead[..]), (3, 2, &[Offset(3)][..]));
        assert_eq!(columns(&rest).row(0).offset, Offset(2));
        assert_eq!(front.last().map(|last| last.offset), Some(Offset(1)));
    }

    #[test]
    fn a_huge_record_is_dead() {
        let text = format!(r#"{{"user_id":"a","article_id":1,"x":"{}"}}"#, "x".repeat(10_000_000));
        assert!(decode(&record(0, &text)).unwrap_err().contains("bytes"));
    }
}
