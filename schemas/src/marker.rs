//! Offsets and the marker: how far a partition's state has come.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A position in one partition of the log. The first record of a partition has offset 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a partition's stored state has come: the state is the fold of the log before `next`.
///
/// It names no worker, since a fold is pure: whoever writes it writes the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marker {
    /// The first offset that is not yet folded.
    pub next: Offset,
    /// The last record that is covered, by which a log that was cut or recreated is told from the one that was
    /// folded; `None` before the first record.
    pub last: Option<LastRecord>,
    /// Where the state stands at a past moment and readers asked to be forgotten later, who therefore were removed from it: the log was
    /// searched for such wishes up to here. Such a state is no pure fold any more, and is never folded on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten: Option<Offset>,
}

/// A record's offset and the hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LastRecord {
    /// Where it lies.
    pub offset: Offset,
    /// The first eight bytes of the SHA-256 of its key and value.
    pub hash: u64,
}

impl Marker {
    /// The length of what every marker has.
    const BYTES: usize = 26;
    /// Format versions: that of a pure fold, and that of a state from which forgotten readers were removed.
    const PURE: u8 = 1;
    const FORGOTTEN: u8 = 2;

    /// The marker of a partition of which nothing is folded, in a namespace that begins at `next`.
    pub fn start(next: Offset) -> Self {
        Self { next, last: None, forgotten: None }
    }

    /// A format version, then `next`, then whether there is a last record, its offset and hash, and in version 2 how far the log was searched
    /// for readers who are forgotten; big-endian.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; Self::BYTES];
        bytes[0] = Self::PURE;
        bytes[1..9].copy_from_slice(&self.next.0.to_be_bytes());
        if let Some(last) = self.last {
            bytes[9] = 1;
            bytes[10..18].copy_from_slice(&last.offset.0.to_be_bytes());
            bytes[18..26].copy_from_slice(&last.hash.to_be_bytes());
        }
        if let Some(searched) = self.forgotten {
            bytes[0] = Self::FORGOTTEN;
            bytes.extend(searched.0.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`Marker::to_bytes`] wrote; `None` for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let length = match *bytes.first()? {
            Self::PURE => Self::BYTES,
            Self::FORGOTTEN => Self::BYTES + 8,
            _ => return None,
        };
        if bytes.len() != length {
            return None;
        }
        let number = |at: usize| Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let last = match bytes[9] {
            1 => Some(LastRecord { offset: Offset(number(10)?), hash: number(18)? }),
            _ => None,
        };
        let forgotten = number(Self::BYTES).map(Offset);
        Some(Self { next: Offset(number(1)?), last, forgotten })
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}", self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_keeps_its_bytes() {
        let marker = Marker {
            last: Some(LastRecord { offset: Offset(41), hash: 0xdead_beef }),
            ..Marker::start(Offset(42))
        };
        assert_eq!(Marker::from_bytes(&marker.to_bytes()), Some(marker));
        let searched = Marker { forgotten: Some(Offset(99)), ..marker };
        assert_eq!(Marker::from_bytes(&searched.to_bytes()), Some(searched));
        assert_eq!(Marker::from_bytes(&searched.to_bytes()[..26]), None, "a part of it is none");
        assert_eq!(Marker::from_bytes(&Marker::start(Offset(7)).to_bytes()), Some(Marker::start(Offset(7))));
        assert_eq!(Marker::from_bytes(b"short"), None);
    }
}
