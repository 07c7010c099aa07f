//! Which rows moved, and which went, since somebody asked.

use super::rows::RowKey;
use super::table::Table;

/// Places that are marked, each once.
#[derive(Clone, Debug, Default)]
struct Marks {
    marked: Vec<bool>,
    places: Vec<u32>,
}

impl Marks {
    fn mark(&mut self, place: usize) {
        if self.marked.len() <= place {
            self.marked.resize(place + 1, false);
        }
        if !self.marked[place] {
            self.marked[place] = true;
            self.places.push(place as u32);
        }
    }

    fn drain(&mut self) -> impl Iterator<Item = usize> + '_ {
        for place in &self.places {
            self.marked[*place as usize] = false;
        }
        self.places.drain(..).map(|place| place as usize)
    }
}

/// The rows of a table that moved, by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    from: Marks,
    to: Marks,
    readers: Marks,
    devices: Marks,
    hours: Marks,
    removed: Vec<RowKey>,
}

impl Moved {
    pub(super) fn from(&mut self, place: usize) {
        self.from.mark(place);
    }

    pub(super) fn to(&mut self, place: usize) {
        self.to.mark(place);
    }

    pub(super) fn rest(&mut self, reader: usize, device: usize, hour: usize) {
        self.readers.mark(reader);
        self.devices.mark(device);
        self.hours.mark(hour);
    }

    pub(super) fn removed(&mut self, key: RowKey) {
        self.removed.push(key);
    }

    /// The keys of what moved and is still there, and of what went and did not come again; both in order.
    pub(super) fn take(&mut self, table: &Table) -> (Vec<RowKey>, Vec<RowKey>) {
        let mut reader_of = vec![None; table.readers.len()];
        for (reader, place) in &table.reader_places {
            reader_of[*place as usize] = Some(reader);
        }
        let article = |place: usize| {
            let id = table.articles[place].id;
            (table.article_places.get(&id) == Some(&(place as u32))).then_some(id)
        };
        let mut moved: Vec<RowKey> = self.from.drain().filter_map(article).map(RowKey::From).collect();
        moved.extend(self.to.drain().filter_map(article).map(RowKey::To));
        moved.extend(self.readers.drain().filter_map(|place| reader_of[place].cloned()).map(RowKey::Reader));
        moved.extend(self.devices.drain().map(|place| RowKey::Device(place as u8)));
        moved.extend(self.hours.drain().map(|place| RowKey::Hour(place as u8)));
        moved.sort();
        let mut removed = std::mem::take(&mut self.removed);
        removed.sort();
        removed.dedup();
        (moved, removed)
    }
}
