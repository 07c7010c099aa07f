//! Cached candidates as they lie in the state store, beside the reader's state that they were computed from.
//!
//! A format version, then big-endian: the state's version (8 bytes), the length of the session model's digest (2) and the digest,
//! the number of candidates (4), and for each its article (8) and cosine (4).

use abovefold_schemas::{ArticleId, Offset};
use bytes::Bytes;

use crate::take::take;

const VERSION: u8 = 1;

/// The candidates of one search, nearest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CachedCandidates {
    /// The version of the state whose session embedding was searched with.
    pub version: Offset,
    /// The digest of the session model that made that embedding.
    pub session_model: String,
    /// Articles and their cosines.
    pub candidates: Vec<(ArticleId, f32)>,
}

impl CachedCandidates {
    /// The bytes that are kept.
    ///
    /// # Panics
    /// When the digest is longer than 65535 bytes.
    pub fn to_bytes(&self) -> Bytes {
        let model = self.session_model.as_bytes();
        let length = u16::try_from(model.len()).expect("a digest is short");
        let mut bytes = Vec::with_capacity(15 + model.len() + 12 * self.candidates.len());
        bytes.push(VERSION);
        bytes.extend(self.version.0.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(model);
        bytes.extend((self.candidates.len() as u32).to_be_bytes());
        for (article, cosine) in &self.candidates {
            bytes.extend(article.0.to_be_bytes());
            bytes.extend(cosine.to_be_bytes());
        }
        bytes.into()
    }

    /// Reads what [`CachedCandidates::to_bytes`] wrote; `None` for any other bytes, which are as good as no cache.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if take::<1>(&mut rest)? != [VERSION] {
            return None;
        }
        let version = Offset(u64::from_be_bytes(take(&mut rest)?));
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (model, mut rest) = rest.split_at_checked(length)?;
        let session_model = std::str::from_utf8(model).ok()?.to_string();
        let count = u32::from_be_bytes(take(&mut rest)?) as usize;
        if rest.len() != count.checked_mul(12)? {
            return None;
        }
        let mut candidates = Vec::with_capacity(count);
        while !rest.is_empty() {
            let article = ArticleId(i64::from_be_bytes(take(&mut rest)?));
            candidates.push((article, f32::from_be_bytes(take(&mut rest)?)));
        }
        Some(Self { version, session_model, candidates })
    }

    /// Whether they are of this state and model.
    pub fn fits(&self, version: Option<Offset>, session_model: &str) -> bool {
        Some(self.version) == version && self.session_model == session_model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> CachedCandidates {
        let candidates = vec![(ArticleId(7), 0.5), (ArticleId(-1), -0.25)];
        CachedCandidates { version: Offset(42), session_model: "ab".into(), candidates }
    }

    #[test]
    fn the_format_is_pinned() {
        let bytes = example().to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let pinned = "01000000000000002a00026162000000020000000000000007\
                      3f000000ffffffffffffffffbe800000";
        assert_eq!(hex, pinned);
        assert_eq!(CachedCandidates::from_bytes(&bytes), Some(example()));
    }

    #[test]
    fn other_bytes_are_no_cache() {
        let bytes = example().to_bytes();
        for cut in 0..bytes.len() {
            assert_eq!(CachedCandidates::from_bytes(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut other_version = bytes.to_vec();
        other_version[0] = 2;
        assert_eq!(CachedCandidates::from_bytes(&other_version), None);
        assert!(example().fits(Some(Offset(42)), "ab"));
        assert!(
            !example().fits(Some(Offset(43)), "ab")
                && !example().fits(None, "ab")
                && !example().fits(Some(Offset(42)), "")
        );
    }
}
