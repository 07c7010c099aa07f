//! The names of keys. All that belongs to a partition has its tag in braces, so that a Cluster puts it into one slot.
//!
//! | key | holds |
//! |---|---|
//! | `{ns:p}:marker` | the marker; also the channel on which a new one is said |
//! | `{ns:p}:v:KEY` | version (8 bytes, big-endian) and bytes of a value |
//! | `{ns:p}:d:KEY` | a derived value, with a time to live |
//! | `{ns:p}:mirrored` | set: the names of all mirrored values, removed ones too |
//! | `{ns:p}:changed` | sorted set: of each of the last epochs the names of the mirrored values that it changed, in one piece, by its end; the empty one stands for those before |
//! | `{ns:p}:index` | set: the names of all values, for scans (Redis cannot list the keys of a slot) |
//! | `{ns:p}:cold` | sorted set: the names of derived values of which there is no value, by their end; with a time to live |
//! | `{ns:p}:hurry` | the last wish, with a time to live; also the channel on which wishes are said |
//! | `{ns}:partitions` | set: the partitions that may have a marker |

use abovefold_schemas::{Marker, Offset};
use bytes::Bytes;

use super::{Tag, Value};

const MARKER: &str = ":marker";
const HURRY: &str = ":hurry";

/// The marker, and the channel of markers.
pub(super) fn marker(tag: &Tag) -> String {
    format!("{tag}{MARKER}")
}

/// The last wish, and the channel of wishes.
pub(super) fn hurry(tag: &Tag) -> String {
    format!("{tag}{HURRY}")
}

/// The set of mirrored names.
pub(super) fn mirrored(tag: &Tag) -> String {
    format!("{tag}:mirrored")
}

/// The sorted set of what changed.
pub(super) fn changed(tag: &Tag) -> String {
    format!("{tag}:changed")
}

/// The set of all names.
pub(super) fn index(tag: &Tag) -> String {
    format!("{tag}:index")
}

/// The sorted set of names that have a derived value and no value.
pub(super) fn cold(tag: &Tag) -> String {
    format!("{tag}:cold")
}

/// The set of a namespace's partitions.
pub(super) fn partitions(namespace: &str) -> String {
    format!("{{{namespace}}}:partitions")
}

/// The pattern that the channels of a namespace match. (No name has a character that means something in a pattern.)
pub(super) fn channels(namespace: &str) -> String {
    format!("{{{namespace}:*}}:*")
}

/// What the keys of values begin with.
pub(super) fn values(tag: &Tag) -> String {
    format!("{tag}:v:")
}

/// What the keys of derived values begin with.
pub(super) fn all_derived(tag: &Tag) -> String {
    format!("{tag}:d:")
}

/// A value.
pub(super) fn value(tag: &Tag, name: &[u8]) -> Vec<u8> {
    [values(tag).as_bytes(), name].concat()
}

/// A derived value.
pub(super) fn derived(tag: &Tag, name: &[u8]) -> Vec<u8> {
    [all_derived(tag).as_bytes(), name].concat()
}

/// What was said on a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A marker moved.
    Marker(Tag, Marker),
    /// Somebody waits.
    Wish(Tag, Offset),
}

/// Reads a message; `None` for one that is not ours.
pub(super) fn said(channel: &str, payload: &[u8]) -> Option<Said> {
    let (tag, kind) = channel.strip_prefix('{')?.split_once('}')?;
    let (namespace, partition) = tag.split_once(':')?;
    let tag = Tag { namespace: namespace.to_owned(), partition: partition.parse().ok()? };
    match kind {
        MARKER => Some(Said::Marker(tag, Marker::from_bytes(payload)?)),
        HURRY => Some(Said::Wish(tag, Offset(std::str::from_utf8(payload).ok()?.parse().ok()?))),
        _ => None,
    }
}

/// Reads a value as it is kept, behind its version; `None` for anything else.
pub(super) fn parse_row(row: Vec<u8>) -> Option<Value> {
    let version = Offset(u64::from_be_bytes(*row.first_chunk::<8>()?));
    Some(Value { version, bytes: Bytes::from(row).slice(8..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_and_a_strange_one_is_not() {
        let tag = Tag { namespace: "green-2".to_owned(), partition: 11 };
        let moved = Marker::start(Offset(7));
        assert_eq!(said(&marker(&tag), &moved.to_bytes()), Some(Said::Marker(tag.clone(), moved)));
        assert_eq!(said(&hurry(&tag), b"42"), Some(Said::Wish(tag.clone(), Offset(42))));
        for (channel, payload) in
            [("{green-2:11}:index", "1"), ("{green-2}:hurry", "1"), ("x", "1"), ("{a:1}:hurry", "-")]
        {
            assert_eq!(said(channel, payload.as_bytes()), None, "{channel}");
        }
    }
}
