//! Keys and arguments of a script's call, and names in one piece.

use bytes::{Buf, BufMut, Bytes};

/// Keys and then arguments, one behind the other in one piece of memory: an epoch has thousands.
#[derive(Debug, Default)]
pub(super) struct Parts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    keys: usize,
}

impl Parts {
    /// Parts of a few keys and arguments.
    pub fn of(keys: &[&[u8]], arguments: &[&[u8]]) -> Self {
        let mut parts = Self::default();
        keys.iter().for_each(|key| parts.key(&[key]));
        arguments.iter().for_each(|argument| parts.argument(&[argument]));
        parts
    }

    /// Adds a key, put together of pieces. All keys come before the first argument.
    pub fn key(&mut self, pieces: &[&[u8]]) {
        debug_assert_eq!(self.keys, self.ends.len(), "keys come first");
        self.keys += 1;
        self.argument(pieces);
    }

    /// Adds an argument, put together of pieces.
    pub fn argument(&mut self, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
        self.ends.push(self.bytes.len());
    }

    /// How many of them are keys.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// How many they are, keys and arguments.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Keys, then arguments.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.bytes[begin..*end])
    }
}

/// Names in one piece, each with its length (4 bytes, big-endian) before it.
pub(super) fn join<'a>(names: impl Iterator<Item = &'a Bytes>) -> Vec<u8> {
    let mut joined = Vec::new();
    for name in names {
        joined.put_u32(name.len() as u32);
        joined.put_slice(name);
    }
    joined
}

/// Takes apart what [`join`] made; `None` for anything else.
pub(super) fn split(mut joined: Bytes) -> Option<Vec<Bytes>> {
    let mut names = Vec::new();
    while !joined.is_empty() {
        let length = joined.try_get_u32().ok()? as usize;
        if joined.len() < length {
            return None;
        }
        names.push(joined.split_to(length));
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_and_keep_their_order() {
        let mut parts = Parts::of(&[b"marker"], &[]);
        parts.key(&[b"v:", b"a"]);
        parts.argument(&[]);
        parts.argument(&[b"1", b"", b"2"]);
        let all: Vec<&[u8]> = parts.iter().collect();
        assert_eq!(all, [&b"marker"[..], b"v:a", b"", b"12"]);
        assert_eq!((parts.keys(), parts.len(), parts.size()), (2, 4, 11));
    }

    #[test]
    fn names_are_taken_apart_again() {
        let names = [&b"a/1"[..], b"", b"\0\0\0\x01"].map(Bytes::from_static);
        let joined = join(names.iter());
        assert_eq!(split(joined.clone().into()), Some(names.to_vec()));
        assert_eq!(split(Bytes::from(joined).slice(..6)), None);
        assert_eq!(split(Bytes::from_static(b"\0\0")), None);
    }
}
