//! The topic `learned` as a chain of versions: which of them count.

use abovefold_engine::log::{NewRecord, Record};
use abovefold_models::learner::{Row, RowKey};
use abovefold_schemas::{
    ArticleId, Kept, Offset, ReaderId,
    learned::{CHECKPOINT_KEY, LearnedCheckpoint, LearnedRow},
};

/// The topic's one partition that is used, so that its records are in one order.
pub(super) const PARTITION: u32 = 0;

/// A row as a version has it; `None` where it was removed.
pub(super) type ChangedRow = (RowKey, Option<Row>);

/// A version that counts.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) checkpoint: LearnedCheckpoint,
    pub(super) rows: Vec<ChangedRow>,
}

/// How far the topic was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    /// The offset of the last checkpoint that counts.
    pub(super) last: Option<Offset>,
    /// Its version; 0 before the first.
    pub(super) version: u64,
    /// Rows whose checkpoint is still to come, with their version and writer.
    pending: Vec<(u64, String, ChangedRow)>,
}

impl Chain {
    /// Takes in the topic's next record. Gives the version that it closes, if that counts. What cannot be read makes its version void.
    pub(super) fn take(&mut self, record: &Record) -> Option<Version> {
        if record.key.as_deref() != Some(CHECKPOINT_KEY) {
            match row_of(record) {
                Ok(row) => self.pending.push(row),
                Err(reason) => tracing::warn!(offset = %record.offset, %reason, "a learned row is left out"),
            }
            return None;
        }
        let checkpoint = match LearnedCheckpoint::from_kept(&record.value) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                tracing::warn!(offset = %record.offset, %error, "a learned checkpoint is left out");
                return None;
            }
        };
        let is_of_it = |(version, writer, _): &(u64, String, ChangedRow)| {
            *version == checkpoint.version && *writer == checkpoint.writer
        };
        let rows = self.pending.iter().filter(|row| is_of_it(row)).count();
        let counts = checkpoint.before.map(Offset) == self.last
            && checkpoint.version == self.version + 1
            && checkpoint.rows as usize == rows;
        if !counts {
            self.pending.retain(|(_, writer, _)| *writer != checkpoint.writer);
            return None;
        }
        let pending = std::mem::take(&mut self.pending);
        let rows = pending.into_iter().filter(is_of_it).map(|(_, _, row)| row).collect();
        (self.last, self.version) = (Some(record.offset), checkpoint.version);
        Some(Version { checkpoint, rows })
    }
}

/// The records of a version, its checkpoint last.
pub(super) fn records(rows: Vec<ChangedRow>, checkpoint: &LearnedCheckpoint) -> Vec<NewRecord> {
    let mut records: Vec<NewRecord> = rows.iter().map(|row| record_of(row, checkpoint)).collect();
    records.push(NewRecord {
        partition: Some(PARTITION),
        ..NewRecord::keyed(CHECKPOINT_KEY.to_vec(), checkpoint.to_kept())
    });
    records
}

fn record_of((key, row): &ChangedRow, checkpoint: &LearnedCheckpoint) -> NewRecord {
    let (kind, id, reader) = match key {
        RowKey::From(article) => (1, article.0, ""),
        RowKey::To(article) => (2, article.0, ""),
        RowKey::Reader(reader) => (3, 0, reader.as_str()),
        RowKey::Device(device) => (4, i64::from(*device), ""),
        RowKey::Hour(hour) => (5, i64::from(*hour), ""),
    };
    let value = LearnedRow {
        version: checkpoint.version,
        writer: checkpoint.writer.clone(),
        kind,
        id,
        reader: reader.to_owned(),
        numbers: row.as_ref().map_or_else(Vec::new, Row::to_bytes),
    };
    let name = match key {
        RowKey::From(article) => format!("from:{article}"),
        RowKey::To(article) => format!("to:{article}"),
        RowKey::Reader(reader) => format!("reader:{reader}"),
        RowKey::Device(device) => format!("device:{device}"),
        RowKey::Hour(hour) => format!("hour:{hour}"),
    };
    NewRecord { partition: Some(PARTITION), ..NewRecord::keyed(name, value.to_kept()) }
}

fn row_of(record: &Record) -> Result<(u64, String, ChangedRow), String> {
    let row = LearnedRow::from_kept(&record.value).map_err(|error| error.to_string())?;
    let small = || u8::try_from(row.id).map_err(|_| format!("there is no device or hour {}", row.id));
    let key = match row.kind {
        1 => RowKey::From(ArticleId(row.id)),
        2 => RowKey::To(ArticleId(row.id)),
        3 => RowKey::Reader(ReaderId::new(row.reader).map_err(|error| error.to_string())?),
        4 => RowKey::Device(small()?),
        5 => RowKey::Hour(small()?),
        other => return Err(format!("there is no kind of row {other}")),
    };
    let numbers = match row.numbers.is_empty() {
        true => None,
        false => Some(Row::from_bytes(&row.numbers).ok_or("its numbers are none")?),
    };
    Ok((row.version, row.writer, (key, numbers)))
}

#[cfg(test)]
mod tests {
    use abovefold_models::learner::Table;
    use abovefold_schemas::Timestamp;

    use super::*;

    fn checkpoint(version: u64, before: Option<u64>, writer: &str, rows: u32) -> LearnedCheckpoint {
        LearnedCheckpoint { version, before, writer: writer.into(), rows, ..LearnedCheckpoint::default() }
    }

    fn put(chain: &mut Chain, log: &mut u64, rows: usize, checkpoint: &LearnedCheckpoint) -> Option<Version> {
        let row = Table::new(1).row(&RowKey::Hour(3)).unwrap();
        let rows: Vec<ChangedRow> =
            (0..rows as i64).map(|id| (RowKey::To(ArticleId(id)), Some(row.clone()))).collect();
        let mut found = None;
        for record in records(rows, checkpoint) {
            let record = Record {
                offset: Offset(*log),
                time: Timestamp(0),
                key: record.key,
                value: record.value,
                headers: Vec::new(),
            };
            *log += 1;
            found = chain.take(&record).or(found);
        }
        found
    }

    #[test]
    fn of_two_writers_the_first_counts() {
        let (mut chain, mut log) = (Chain::default(), 0);
        let first = put(&mut chain, &mut log, 2, &checkpoint(1, None, "a", 2)).unwrap();
        assert_eq!((first.rows.len(), chain.last, chain.version), (2, Some(Offset(2)), 1));
        assert!(put(&mut chain, &mut log, 1, &checkpoint(2, Some(2), "b", 1)).is_some());
        assert!(put(&mut chain, &mut log, 3, &checkpoint(2, Some(2), "a", 3)).is_none(), "it is overtaken");
        assert!(put(&mut chain, &mut log, 2, &checkpoint(3, Some(4), "b", 3)).is_none(), "a row is missing");
        let next = put(&mut chain, &mut log, 1, &checkpoint(3, Some(4), "b", 1)).unwrap();
        assert_eq!(next.rows.len(), 1, "rows of void versions are gone");
    }
}
