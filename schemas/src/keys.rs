//! The names of values within a partition of the state store.

use bytes::Bytes;

use crate::ids::{ArticleId, ReaderId};

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueName {
    /// `r/<reader>`: a reader's state. Its derived value holds the cached candidates.
    Reader(ReaderId),
    /// `a/<article>`: an article's counts in this partition. Mirrored by the read path.
    Article(ArticleId),
    /// `n/<article>`: what was read next, but for what waits in the article's counts. Mirrored by the read path.
    AlsoRead(ArticleId),
    /// `p`: the partition's summary. Mirrored by the read path.
    Summary,
}

impl ValueName {
    /// The key's bytes.
    pub fn to_key(&self) -> Bytes {
        match self {
            Self::Reader(reader) => reader_key(reader),
            Self::Article(article) => Bytes::from(format!("a/{article}")),
            Self::AlsoRead(article) => Bytes::from(format!("n/{article}")),
            Self::Summary => summary_key(),
        }
    }

    /// Reads a key; `None` for any other bytes.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        match text.split_once('/') {
            None if text == "p" => Some(Self::Summary),
            Some(("r", reader)) => ReaderId::new(reader).ok().map(Self::Reader),
            Some(("a", article)) => article.parse().ok().map(|number| Self::Article(ArticleId(number))),
            Some(("n", article)) => article.parse().ok().map(|number| Self::AlsoRead(ArticleId(number))),
            _ => None,
        }
    }
}

/// The key of a reader's state.
pub fn reader_key(reader: &ReaderId) -> Bytes {
    Bytes::from(format!("r/{reader}"))
}

/// The key of a partition's summary.
pub fn summary_key() -> Bytes {
    Bytes::from_static(b"p")
}

/// The key of what the intake keeps of a partition, in its own namespace.
pub fn chain_key() -> Bytes {
    Bytes::from_static(b"c")
}

/// The key of the progress of a family of windows: `w/<name>`. Mirrored by readers of results, like the windows.
pub fn progress_key(name: &str) -> Bytes {
    Bytes::from(format!("w/{name}"))
}

/// The key of one window: `w/<name>/`, the key of the events in it, and its start (ms since 1970) in 8 bytes that sort as the number does.
pub fn window_key(name: &str, key: &[u8], start: i64) -> Bytes {
    let sortable = (start as u64) ^ (1 << 63);
    [b"w/", name.as_bytes(), b"/", key, &sortable.to_be_bytes()].concat().into()
}

/// Reads a [`window_key`] of this family: the events' key, and the window's start; `None` for any other bytes.
pub fn window_of_key(name: &str, window_key: &Bytes) -> Option<(Bytes, i64)> {
    let rest = window_key.strip_prefix(b"w/")?.strip_prefix(name.as_bytes())?.strip_prefix(b"/")?;
    let (key, start) = rest.split_last_chunk::<8>()?;
    Some((window_key.slice_ref(key), (u64::from_be_bytes(*start) ^ (1 << 63)) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        for name in [
            ValueName::Reader(ReaderId::new("a/b c").unwrap()),
            ValueName::Article(ArticleId(-7)),
            ValueName::AlsoRead(ArticleId(7)),
            ValueName::Summary,
        ] {
            assert_eq!(ValueName::from_key(&name.to_key()), Some(name));
        }
        assert_eq!(ValueName::from_key(b"x/1"), None);
    }

    #[test]
    fn keys_of_windows_are_read_back_and_sort_by_key_and_start() {
        let starts = [i64::MIN, -1, 0, 1, i64::MAX];
        let keys: Vec<Bytes> = starts.iter().map(|start| window_key("hourly", b"a/\xff", *start)).collect();
        assert!(keys.is_sorted());
        for (key, start) in keys.iter().zip(starts) {
            assert_eq!(window_of_key("hourly", key), Some((Bytes::from_static(b"a/\xff"), start)));
            assert_eq!(window_of_key("hour", key), None);
        }
        assert_eq!(window_of_key("hourly", &progress_key("hourly")), None);
    }
}
