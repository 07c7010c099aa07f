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
    /// `p`: the partition's summary. Mirrored by the read path.
    Summary,
}

impl ValueName {
    /// The key's bytes.
    pub fn to_key(&self) -> Bytes {
        match self {
            Self::Reader(reader) => reader_key(reader),
            Self::Article(article) => Bytes::from(format!("a/{article}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back() {
        for name in [
            ValueName::Reader(ReaderId::new("a/b c").unwrap()),
            ValueName::Article(ArticleId(-7)),
            ValueName::Summary,
        ] {
            assert_eq!(ValueName::from_key(&name.to_key()), Some(name));
        }
        assert_eq!(ValueName::from_key(b"x/1"), None);
    }
}
