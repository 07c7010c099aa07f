//! Names of things: readers, articles, moments. Types, so that an offset is never taken for an id.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A reader's id as the publisher writes it, at most [`ReaderId::MAX_BYTES`] bytes of UTF-8, never empty.
///
/// Numbers in JSON are taken as their decimal text, so that `42` and `"42"` are one reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReaderId(String);

impl ReaderId {
    /// The greatest length of an id, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Takes an id, or says why it is none.
    ///
    /// # Errors
    /// When the text is empty, longer than [`ReaderId::MAX_BYTES`], or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidReaderId> {
        let text = text.into();
        if text.is_empty() {
            return Err(InvalidReaderId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidReaderId::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidReaderId::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that key this reader's records in the log.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ReaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no [`ReaderId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReaderId {
    /// No character at all.
    #[error("a reader's id is empty")]
    Empty,
    /// Longer than [`ReaderId::MAX_BYTES`].
    #[error("a reader's id has {bytes} bytes, the greatest length is 128")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Control characters would break logs and keys.
    #[error("a reader's id holds a control character")]
    ControlCharacter,
}

/// An article's number, as in EB-NeRD (there an `i32`; more room here).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArticleId(pub i64);

impl fmt::Display for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    pub fn millis_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 text in UTC with milliseconds, such as `2024-01-01T12:00:00.000Z`.
    pub fn to_rfc3339(self) -> String {
        chrono::DateTime::from_timestamp_millis(self.0)
            .map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
            .unwrap_or_else(|| format!("{} ms", self.0))
    }

    /// Reads RFC 3339, the same without a zone (taken as UTC), a date, or epoch milliseconds.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
            return Some(Self(moment.timestamp_millis()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
            if let Ok(moment) = chrono::NaiveDateTime::parse_from_str(text, format) {
                return Some(Self(moment.and_utc().timestamp_millis()));
            }
        }
        if let Ok(day) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Some(Self(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()));
        }
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_with_and_without_a_zone() {
        let noon = Timestamp(1_704_110_400_000);
        for text in
            ["2024-01-01T12:00:00", "2024-01-01T12:00:00Z", "2024-01-01T13:00:00+01:00", "1704110400000"]
        {
            assert_eq!(Timestamp::parse(text), Some(noon), "{text}");
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(noon.to_rfc3339(), "2024-01-01T12:00:00.000Z");
    }

    #[test]
    fn ids_have_limits() {
        assert!(ReaderId::new("x".repeat(128)).is_ok());
        assert_eq!(ReaderId::new("x".repeat(129)), Err(InvalidReaderId::TooLong { bytes: 129 }));
        assert_eq!(ReaderId::new(""), Err(InvalidReaderId::Empty));
        assert_eq!(ReaderId::new("a\nb"), Err(InvalidReaderId::ControlCharacter));
    }
}
