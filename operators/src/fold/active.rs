//! The readers of a partition who were seen last.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use abovefold_schemas::{ReaderId, Timestamp, state::ActiveReader};

/// The most readers in the list.
pub const MAX_ACTIVE: usize = 100;

/// The list while events are folded into it: latest first, those of one moment by their names.
#[derive(Clone, Debug, Default)]
pub struct ActiveReaders {
    readers: VecDeque<Entry>,
}

/// A reader, and a hash of its name: every read looks for its reader, who mostly is not here.
#[derive(Clone, Debug)]
struct Entry {
    hash: u64,
    reader: ActiveReader,
}

fn hash_of(user_id: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(user_id)
}

impl ActiveReaders {
    /// The list as it is kept.
    pub fn to_list(&self) -> Vec<ActiveReader> {
        self.readers.iter().map(|entry| entry.reader.clone()).collect()
    }

    /// Puts a reader where it belongs, after its read at this time, and with so many reads.
    pub fn note(&mut self, reader: &ReaderId, reads: u64, time: Timestamp) {
        let hash = hash_of(reader.as_str());
        let mut entry = self.take(hash, reader).unwrap_or_else(|| Entry {
            hash,
            reader: ActiveReader { user_id: reader.as_str().into(), reads: 0, last_seen: time.0 },
        });
        let last_seen = entry.reader.last_seen.max(time.0);
        (entry.reader.reads, entry.reader.last_seen) = (reads, last_seen);
        if self.readers.len() == MAX_ACTIVE
            && self.readers.back().is_some_and(|last| last.reader.last_seen > last_seen)
        {
            return;
        }
        let place = self.readers.partition_point(|Entry { reader: other, .. }| {
            (other.last_seen, reader.as_str()) > (last_seen, other.user_id.as_str())
        });
        self.readers.insert(place, entry);
        self.readers.truncate(MAX_ACTIVE);
    }

    /// Takes a reader out.
    pub fn remove(&mut self, reader: &ReaderId) {
        self.take(hash_of(reader.as_str()), reader);
    }

    fn take(&mut self, hash: u64, reader: &ReaderId) -> Option<Entry> {
        let is = |entry: &Entry| entry.hash == hash && entry.reader.user_id == reader.as_str();
        let place = self.readers.iter().position(is)?;
        self.readers.remove(place)
    }
}

impl From<Vec<ActiveReader>> for ActiveReaders {
    fn from(list: Vec<ActiveReader>) -> Self {
        let entry = |reader: ActiveReader| Entry { hash: hash_of(&reader.user_id), reader };
        Self { readers: list.into_iter().map(entry).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_latest_first_and_bounded() {
        let mut active = ActiveReaders::default();
        for number in 0..120_u64 {
            let reader = ReaderId::new(format!("r{number}")).unwrap();
            active.note(&reader, 1, Timestamp((number % 7) as i64));
        }
        let list = active.to_list();
        assert_eq!(list.len(), MAX_ACTIVE);
        assert!(list.windows(2).all(|pair| pair[0].last_seen >= pair[1].last_seen));
        let mut again = ActiveReaders::from(list);
        let ann = ReaderId::new("r3").unwrap();
        again.note(&ann, 2, Timestamp(99));
        let list = again.to_list();
        assert_eq!(list[0].user_id, "r3");
        assert_eq!(list.iter().filter(|active| active.user_id == "r3").count(), 1);
        again.remove(&ann);
        assert_eq!(again.to_list(), list[1..]);
    }
}
