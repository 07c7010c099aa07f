//! Reads and impressions of a data folder, in one order of time.

use std::{collections::HashMap, iter::Peekable};

use abovefold_schemas::{
    ReaderId, Timestamp,
    tables::{BehaviorRow, DataFolder, EventRow, Rows, Split},
};

/// What happens next.
#[derive(Debug)]
pub enum Happening {
    /// A page was left.
    Read(EventRow),
    /// A list was shown.
    Shown(BehaviorRow),
}

/// Reads and impressions, a read before an impression of the same moment.
pub struct Stream {
    /// For each reader, its last impression: until then its state is wanted.
    pub wanted: HashMap<ReaderId, Timestamp>,
    reads: Peekable<Rows<EventRow>>,
    impressions: Peekable<std::vec::IntoIter<BehaviorRow>>,
    until: Option<Timestamp>,
}

impl Stream {
    /// What happened before `until`, with the impressions of the splits named. Readers' states are wanted for the impressions since `from`.
    ///
    /// # Errors
    /// When a table can't be read.
    pub fn open(
        data: &DataFolder,
        splits: &[Split],
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> anyhow::Result<Self> {
        let mut impressions = Vec::new();
        for split in splits {
            impressions.extend(data.behaviors_in_time_order(*split)?);
        }
        impressions.retain(|row| until.is_none_or(|until| row.impression_time < until));
        impressions.sort_by_key(|row| row.impression_time);
        let mut wanted = HashMap::new();
        for row in impressions.iter().filter(|row| from.is_none_or(|from| row.impression_time >= from)) {
            wanted.insert(row.reader.clone(), row.impression_time);
        }
        Ok(Self {
            wanted,
            reads: data.events()?.peekable(),
            impressions: impressions.into_iter().peekable(),
            until,
        })
    }
}

impl Iterator for Stream {
    type Item = anyhow::Result<Happening>;

    fn next(&mut self) -> Option<Self::Item> {
        let shown = self.impressions.peek().map(|row| row.impression_time);
        match self.reads.peek() {
            Some(Err(_)) => self.reads.next().map(|read| read.map(Happening::Read).map_err(Into::into)),
            Some(Ok(read))
                if self.until.is_none_or(|until| read.timestamp < until)
                    && shown.is_none_or(|shown| read.timestamp <= shown) =>
            {
                self.reads.next().map(|read| read.map(Happening::Read).map_err(Into::into))
            }
            _ => self.impressions.next().map(|row| Ok(Happening::Shown(row))),
        }
    }
}
