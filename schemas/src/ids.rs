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
        Self::check(&text)?;
        Ok(Self(text))
    }

    /// Says whether a text is an id, and if not, why.
    ///
    /// # Errors
    /// As [`ReaderId::new`].
    pub fn check(text: &str) -> Result<(), InvalidReaderId> {
        if text.is_empty() {
            return Err(InvalidReaderId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidReaderId::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidReaderId::ControlCharacter);
        }
        Ok(())
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
        Self::parse_plain(text).or_else(|| Self::parse_any(text))
    }

    /// The form that events come in, `2024-01-01T12:00:00`, with or without a `Z`: without a format to interpret, since it is read for each
    /// event. `None` where it is any other form.
    fn parse_plain(text: &str) -> Option<Self> {
        let digits: &[u8; 19] = text.strip_suffix('Z').unwrap_or(text).as_bytes().try_into().ok()?;
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if marks.iter().any(|(place, mark)| digits[*place] != *mark) {
            return None;
        }
        let number = |from: usize, to: usize| {
            digits[from..to].iter().try_fold(0, |number: u32, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
            })
        };
        let year = i32::try_from(number(0, 4)?).ok()?;
        let day = chrono::NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
        let moment = day.and_hms_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?)?;
        Some(Self(moment.and_utc().timestamp_millis()))
    }

    fn parse_any(text: &str) -> Option<Self> {
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
    fn the_short_way_to_read_a_timestamp_agrees_with_the_long_one() {
        for text in [
            "2024-01-01T12:00:00",
            "2024-01-01T12:00:00Z",
            "2024-02-29T23:59:59",
            "1970-01-01T00:00:00",
            "1969-12-31T23:59:59",
            "0000-01-01T00:00:00",
            "9999-12-31T23:59:59Z",
        ] {
            let read = Timestamp::parse_plain(text);
            assert!(read.is_some(), "{text}");
            assert_eq!(read, Timestamp::parse_any(text), "{text}");
        }
        // What has another form, or is no moment, is left to the long way.
        for text in [
            "2023-02-29T12:00:00",
            "2024-13-01T12:00:00",
            "2024-01-01T24:00:00",
            "2016-12-31T23:59:60",
            "2024-01-01 12:00:00",
            "2024-01-01T12:00:0x",
            "2024-01-01T12:00:00.5",
            "2024-01-01T12:00:00+",
            "ZZZZ-01-01T12:00:00",
            "",
        ] {
            assert_eq!(Timestamp::parse_plain(text), None, "{text}");
        }
    }

    #[test]
    fn ids_have_limits() {
        assert!(ReaderId::new("x".repeat(128)).is_ok());
        assert_eq!(ReaderId::new("x".repeat(129)), Err(InvalidReaderId::TooLong { bytes: 129 }));
        assert_eq!(ReaderId::new(""), Err(InvalidReaderId::Empty));
        assert_eq!(ReaderId::new("a\nb"), Err(InvalidReaderId::ControlCharacter));
    }
}
