//! Records of the topic `learned`: rows of the learner's table, and checkpoints that make them a version.
//!
//! A version is a run of [`LearnedRow`]s and the [`LearnedCheckpoint`] that closes it. A checkpoint names the one before it; it is void if that is not
//! the last one that counts, and so are its rows. So of two learners that both hold themselves for the one, the topic's order decides.

use prost::Message;

use crate::{kept::Kept, state::Origin};

/// The key of checkpoints.
pub const CHECKPOINT_KEY: &[u8] = b"checkpoint";

/// A row of the learner's table; its key is in the record's key, too.
#[derive(Clone, PartialEq, Message)]
pub struct LearnedRow {
    /// The version that it is of.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// Who wrote it: a token, new at each start of a learner.
    #[prost(string, tag = "2")]
    pub writer: String,
    /// 1 an article as a page that one comes from, 2 as one that is gone to, 3 a reader, 4 a device, 5 an hour of the day.
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    /// The article, device or hour.
    #[prost(int64, tag = "4")]
    pub id: i64,
    /// The reader.
    #[prost(string, tag = "5")]
    pub reader: String,
    /// The numbers, as little-endian `f32`; none where the row was removed.
    #[prost(bytes = "vec", tag = "6")]
    pub numbers: Vec<u8>,
}

impl Kept for LearnedRow {
    const NAME: &'static str = "learned row";
}

/// One read, or one wish to be forgotten, as the learner took it in.
#[derive(Clone, PartialEq, Message)]
pub struct LearnedRead {
    /// The reader.
    #[prost(string, tag = "1")]
    pub reader: String,
    /// The article.
    #[prost(int64, tag = "2")]
    pub article: i64,
    /// When the page was left (ms since 1970).
    #[prost(int64, tag = "3")]
    pub exit: i64,
    /// Seconds on the page.
    #[prost(float, optional, tag = "4")]
    pub read_seconds: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    #[prost(uint32, tag = "5")]
    pub device: u32,
    /// The reader is to be forgotten; nothing else counts then.
    #[prost(bool, tag = "6")]
    pub forget: bool,
}

/// The highest original that a home partition has taken a copy of, of one source.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct HomeOrigin {
    /// The home.
    #[prost(uint32, tag = "1")]
    pub home: u32,
    /// Partition and offset of the original.
    #[prost(message, required, tag = "2")]
    pub origin: Origin,
}

/// What closes a version.
#[derive(Clone, PartialEq, Message)]
pub struct LearnedCheckpoint {
    /// The version, counted from 1.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// As in [`LearnedRow::writer`].
    #[prost(string, tag = "2")]
    pub writer: String,
    /// The offset of the checkpoint before it in the topic; absent in the first.
    #[prost(uint64, optional, tag = "3")]
    pub before: Option<u64>,
    /// Rows of the version.
    #[prost(uint32, tag = "4")]
    pub rows: u32,
    /// Whether all that moved since the last such version is in the rows of this one and those before it, exactly: a learner goes on from here.
    #[prost(bool, tag = "5")]
    pub whole: bool,
    /// For each partition of the events, the first offset that was not learned from.
    #[prost(uint64, repeated, tag = "6")]
    pub positions: Vec<u64>,
    /// The copies taken in.
    #[prost(message, repeated, tag = "7")]
    pub origins: Vec<HomeOrigin>,
    /// What was taken in since the version before, in order.
    #[prost(message, repeated, tag = "8")]
    pub reads: Vec<LearnedRead>,
    /// When it was written (ms since 1970).
    #[prost(int64, tag = "9")]
    pub time: i64,
    /// The earlier version that was made current again by this one.
    #[prost(uint64, optional, tag = "10")]
    pub rolled_back_to: Option<u64>,
}

impl Kept for LearnedCheckpoint {
    const NAME: &'static str = "learned checkpoint";
}
