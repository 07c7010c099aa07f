//! What a partition's lists have for certain: names in its index and among its mirrored ones, so that an epoch adds only those that may be new,
//! and epochs among those whose changes are told apart, so that the oldest can be let go.
//!
//! What is known belongs to a marker: an epoch that expects it, and is applied, finds the partition as the epoch before left it, index included.
//! Under any other marker nothing is known.

use std::collections::{HashMap, VecDeque};

use abovefold_schemas::{Marker, Offset};
use bytes::Bytes;

use super::{EpochWrite, epoch::EPOCHS};

/// The most names that are remembered of a partition; beyond them all are forgotten, and added once more when they are next written.
const MOST_NAMES: usize = 100_000;

/// The names that the index of one partition has, and the marker at which it has them.
#[derive(Debug)]
pub(super) struct Indexed {
    at: Marker,
    /// Each with whether it is in the list of mirrored names.
    names: HashMap<Bytes, bool>,
    /// The ends of the last epochs that changed mirrored values.
    ends: VecDeque<Offset>,
    /// Whether the epoch that is to come follows one that was written here.
    continued: bool,
}

impl Indexed {
    /// What is known when an epoch expects this marker: nothing, where it is another one.
    pub fn expected_by(known: Option<Self>, epoch: &EpochWrite) -> Self {
        known.filter(|known| known.at == epoch.expected).unwrap_or_else(|| Self {
            at: epoch.expected,
            names: HashMap::new(),
            ends: VecDeque::new(),
            continued: false,
        })
    }

    /// Whether something is known: the epoch follows one that was written here.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// The end of the last epoch that is let go where one more changes mirrored values.
    pub fn let_go(&self) -> Option<Offset> {
        self.ends.front().copied().filter(|_| self.ends.len() == EPOCHS)
    }

    /// Whether the index has this name.
    pub fn has(&self, name: &Bytes) -> bool {
        self.names.contains_key(name)
    }

    /// Whether the list of mirrored names has this name.
    pub fn has_mirrored(&self, name: &Bytes) -> bool {
        self.names.get(name) == Some(&true)
    }

    /// What is known after the epoch was applied.
    pub fn after(mut self, epoch: &EpochWrite) -> Self {
        if self.names.len() > MOST_NAMES {
            self.names.clear();
        }
        for put in &epoch.puts {
            if put.value.is_none() {
                self.names.remove(&put.key);
            } else if self.names.get(&put.key).is_none_or(|mirrored| !mirrored && put.mirrored) {
                self.names.insert(put.key.clone(), put.mirrored);
            }
        }
        if epoch.puts.iter().any(|put| put.mirrored) {
            if self.ends.len() == EPOCHS {
                self.ends.pop_front();
            }
            self.ends.push_back(epoch.target.next);
        }
        Self { at: epoch.target, continued: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use abovefold_schemas::Offset;

    use super::*;
    use crate::state::{Put, Value};

    fn epoch(from: u64, to: u64, puts: &[(&'static str, bool)]) -> EpochWrite {
        let put = |(name, set): &(&'static str, bool)| Put {
            key: Bytes::from_static(name.as_bytes()),
            value: set.then(|| Value { version: Offset(to), bytes: Bytes::new() }),
            mirrored: false,
        };
        EpochWrite {
            expected: Marker::start(Offset(from)),
            target: Marker::start(Offset(to)),
            puts: puts.iter().map(put).collect(),
            invalidated: Vec::new(),
        }
    }

    #[test]
    fn names_are_known_at_the_marker_that_wrote_them_and_until_they_are_removed() {
        let (first, second) = (epoch(0, 5, &[("ann", true), ("bea", true)]), epoch(5, 9, &[("ann", false)]));
        let (ann, bea) = (Bytes::from_static(b"ann"), Bytes::from_static(b"bea"));
        let before = Indexed::expected_by(None, &first);
        assert!(!before.has(&ann));
        let known = Indexed::expected_by(Some(before.after(&first)), &second);
        assert!(known.has(&ann) && known.has(&bea));
        let known = known.after(&second);
        assert!(!known.has(&ann) && known.has(&bea));
        // Somebody else brought the partition elsewhere, or it was lost and begun again.
        assert!(!Indexed::expected_by(Some(known), &epoch(5, 9, &[])).has(&bea));
    }
}
