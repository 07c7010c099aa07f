//! What the folds keep: a reader's state, an article's counts, a partition's summary.

use prost::Message;

use crate::{kept::Kept, reader::ByColumn};

/// The most reads that a reader's state lists.
pub const MAX_READS: usize = 50;
/// The most articles that it names beside them as read.
pub const MAX_READ_BEFORE: usize = 450;

/// One read of an article by a reader.
#[derive(Clone, PartialEq, Message)]
pub struct Read {
    /// The article.
    #[prost(int64, tag = "1")]
    pub article_id: i64,
    /// When it was read, by the client's clock clamped to the log's time (ms since 1970).
    #[prost(int64, tag = "2")]
    pub time: i64,
    /// Seconds on the page.
    #[prost(float, optional, tag = "3")]
    pub read_time: Option<f32>,
    /// The greatest share of the article seen, 0 to 100.
    #[prost(float, optional, tag = "4")]
    pub scroll_pct: Option<f32>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    #[prost(uint32, tag = "5")]
    pub device_type: u32,
    /// The view that later pieces amend.
    #[prost(string, optional, tag = "6")]
    pub view_id: Option<String>,
    /// The highest piece seen of that view.
    #[prost(uint32, optional, tag = "7")]
    pub seq: Option<u32>,
    /// How many reads since the last gap of 30 minutes, this one included.
    #[prost(uint32, tag = "8")]
    pub position: u32,
    /// The log's time of the first piece: the article is looked up as of then (ms since 1970).
    #[prost(int64, tag = "9")]
    pub logged: i64,
}

/// What a reader told of itself.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Profile {
    /// 0 or 1; absent is unknown.
    #[prost(uint32, optional, tag = "1")]
    pub gender: Option<u32>,
    /// The decade of the age.
    #[prost(uint32, optional, tag = "2")]
    pub age: Option<u32>,
    /// Signed in through single sign-on.
    #[prost(bool, optional, tag = "3")]
    pub is_sso_user: Option<bool>,
    /// Pays for the paper.
    #[prost(bool, optional, tag = "4")]
    pub is_subscriber: Option<bool>,
}

/// A reader's state: everything that the log says of one reader, folded.
#[derive(Clone, PartialEq, Message)]
pub struct ReaderState {
    /// The GRU's hidden state: 2 layers of 768 `f32`, little-endian; empty before the first read. The second half is the
    /// session embedding.
    #[prost(bytes = "vec", tag = "1")]
    pub hidden: Vec<u8>,
    /// The hidden state before the last read, kept while later pieces of that read may amend it.
    #[prost(bytes = "vec", tag = "2")]
    pub hidden_before: Vec<u8>,
    /// The last 50 reads, oldest first.
    #[prost(message, repeated, tag = "3")]
    pub reads: Vec<Read>,
    /// All reads ever.
    #[prost(uint64, tag = "4")]
    pub total_reads: u64,
    /// What it told of itself.
    #[prost(message, optional, tag = "5")]
    pub profile: Option<Profile>,
    /// Topics that it chose.
    #[prost(string, repeated, tag = "6")]
    pub topics: Vec<String>,
    /// The device of the last read.
    #[prost(uint32, tag = "7")]
    pub device_type: u32,
    /// Articles that were read before the last 50 reads, each once, the one read longest ago first; at most [`MAX_READ_BEFORE`].
    #[prost(int64, repeated, tag = "8")]
    pub read_before: Vec<i64>,
}

/// Kept by column; its own message is version 1, which is still read.
impl Kept for ReaderState {
    const NAME: &'static str = "reader state";
    const VERSION: u8 = 2;

    fn to_kept(&self) -> Vec<u8> {
        let columns = ByColumn::from(self);
        let mut bytes = Vec::with_capacity(1 + columns.encoded_len());
        bytes.push(Self::VERSION);
        columns.encode_raw(&mut bytes);
        bytes
    }

    fn from_version(version: u8, message: &[u8]) -> Option<Result<Self, String>> {
        let columns = || ByColumn::decode(message).map_err(|error| error.to_string());
        match version {
            1 => Some(Self::decode(message).map_err(|error| error.to_string())),
            2 => Some(columns().and_then(|columns| Ok(columns.state()?))),
            _ => None,
        }
    }
}

/// An article that was read next, and how often: decayed by time, and by how many reads followed since.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Successor {
    /// The article.
    #[prost(int64, tag = "1")]
    pub article_id: i64,
    /// Its decayed count at `time`.
    #[prost(double, tag = "2")]
    pub weight: f64,
    /// When the count was last brought up to date (ms since 1970).
    #[prost(int64, tag = "3")]
    pub time: i64,
    /// Its count, each times 0.99 for every read that followed the article since.
    #[prost(double, tag = "4")]
    pub lately: f64,
    /// The follow-ups counted until then, to which `lately` belongs.
    #[prost(uint64, tag = "5")]
    pub follows: u64,
}

/// What the readers of one partition read after one article, but for the follow-ups that wait in its [`ArticleCounts`].
///
/// It is apart from these because it is many times as large and changes with one follow-up in sixteen.
#[derive(Clone, PartialEq, Message)]
pub struct AlsoRead {
    /// What was read next, in no order; at most `operators::fold::trends::MAX_SUCCESSORS`.
    #[prost(message, repeated, tag = "1")]
    pub next: Vec<Successor>,
    /// The follow-ups that are counted in.
    #[prost(uint64, tag = "2")]
    pub follows: u64,
}

impl Kept for AlsoRead {
    const NAME: &'static str = "also-read counts";
}

/// What the readers of one partition did with one article: partial sums, merged over partitions when read.
#[derive(Clone, PartialEq, Message)]
pub struct ArticleCounts {
    /// All reads.
    #[prost(uint64, tag = "1")]
    pub reads: u64,
    /// Reads decayed exponentially, at `time`, one for each half-life of `operators::fold::trends::HALF_LIVES_MS`.
    #[prost(double, repeated, tag = "2")]
    pub decayed: Vec<f64>,
    /// The moment to which the decayed sums belong: the latest read (ms since 1970).
    #[prost(int64, tag = "3")]
    pub time: i64,
    /// The earliest read (ms since 1970).
    #[prost(int64, tag = "4")]
    pub first_seen: i64,
    /// How often its readers read something after it in the same visit: those that [`AlsoRead`] has, and then those that wait.
    #[prost(uint64, tag = "6")]
    pub follows: u64,
    /// How many reads of it followed another in the same visit, decayed like `decayed` by the half-life
    /// `operators::fold::trends::FOLLOWED_HALF_LIFE`.
    #[prost(double, tag = "7")]
    pub followed: f64,
    /// The logarithms of the seconds that it was read for, `ln(1 + s)`, decayed by the same half-life; and their number.
    #[prost(double, tag = "8")]
    pub dwell: f64,
    /// The number of reads of known length, decayed by the same half-life.
    #[prost(double, tag = "9")]
    pub dwells: f64,
    /// What its readers read next and [`AlsoRead`] does not have yet, in the order of the log; fewer than
    /// `operators::fold::trends::MOST_WAITING`.
    #[prost(int64, repeated, tag = "10")]
    pub waiting: Vec<i64>,
    /// When each of them was read (ms since 1970).
    #[prost(int64, repeated, tag = "11")]
    pub waiting_times: Vec<i64>,
}

impl Kept for ArticleCounts {
    const NAME: &'static str = "article counts";
    /// Version 1 held the also-read counts too.
    const VERSION: u8 = 2;
}

/// A reader in the list of those seen last.
#[derive(Clone, PartialEq, Message)]
pub struct ActiveReader {
    /// The reader's id.
    #[prost(string, tag = "1")]
    pub user_id: String,
    /// All its reads.
    #[prost(uint64, tag = "2")]
    pub reads: u64,
    /// Its latest read (ms since 1970).
    #[prost(int64, tag = "3")]
    pub last_seen: i64,
}

/// A partition and an offset: where a copy came from, or the last stray to a home.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Origin {
    /// The partition that the copies came from.
    #[prost(uint32, tag = "1")]
    pub partition: u32,
    /// The highest offset there that was folded here.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
}

/// Offsets of records that are no event, both ends included.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct DeadRange {
    /// The first of them.
    #[prost(uint64, tag = "1")]
    pub first: u64,
    /// The last of them.
    #[prost(uint64, tag = "2")]
    pub last: u64,
}

/// What the intake keeps of a partition: the last stray that it passed on to each home.
#[derive(Clone, PartialEq, Message)]
pub struct IntakeChain {
    /// Home and offset of the last stray, by home.
    #[prost(message, repeated, tag = "1")]
    pub last: Vec<Origin>,
}

impl Kept for IntakeChain {
    const NAME: &'static str = "intake chain";
}

/// What is known of a partition as a whole.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionSummary {
    /// The latest event time folded (ms since 1970): "now" for trends.
    #[prost(int64, tag = "1")]
    pub watermark: i64,
    /// Reads folded.
    #[prost(uint64, tag = "2")]
    pub reads: u64,
    /// The readers seen last, latest first; at most 100.
    #[prost(message, repeated, tag = "3")]
    pub active: Vec<ActiveReader>,
    /// Copies of strays that were folded: the highest origin of each source partition.
    #[prost(message, repeated, tag = "4")]
    pub origins: Vec<Origin>,
    /// Origins that were put back from the dead letters, by which a repeat is known.
    #[prost(message, repeated, tag = "5")]
    pub put_back: Vec<Origin>,
    /// Records of this partition that are no event, in order: only these may be put back. The earliest are forgotten first.
    #[prost(message, repeated, tag = "6")]
    pub dead: Vec<DeadRange>,
}

impl Kept for PartitionSummary {
    const NAME: &'static str = "partition summary";
}
