//! What windows of time keep: each window of each key, and how far a partition has come.

use prost::Message;

use crate::kept::Kept;

/// A window of one key, open or closed: its bounds' end (the start stands in its name), and the aggregate of what fell into it.
#[derive(Clone, PartialEq, Message)]
pub struct KeptWindow {
    /// The first moment after it (ms since 1970).
    #[prost(sint64, tag = "1")]
    pub end: i64,
    /// 0 early (the watermark is before the end), 1 on time, 2 late (amended after the watermark had passed the end).
    #[prost(uint32, tag = "2")]
    pub pane: u32,
    /// Events that fell into it.
    #[prost(uint64, tag = "3")]
    pub events: u64,
    /// Those of them that came after the watermark had passed the end.
    #[prost(uint64, tag = "4")]
    pub late: u64,
    /// The log's time when nothing could change it any more, from which its retention counts; absent before (ms since 1970).
    #[prost(sint64, optional, tag = "5")]
    pub settled: Option<i64>,
    /// The aggregate's own bytes.
    #[prost(bytes = "vec", tag = "6")]
    pub aggregate: Vec<u8>,
}

impl Kept for KeptWindow {
    const NAME: &'static str = "window";
}

/// How far the windows of a partition have come.
#[derive(Clone, PartialEq, Message)]
pub struct KeptProgress {
    /// The latest event time seen; the watermark is this less the out-of-orderness (ms since 1970).
    #[prost(sint64, tag = "1")]
    pub latest: i64,
    /// The latest log time seen (ms since 1970).
    #[prost(sint64, tag = "2")]
    pub log_time: i64,
    /// Events seen.
    #[prost(uint64, tag = "3")]
    pub events: u64,
    /// Those of them that were late: too late for any window.
    #[prost(uint64, tag = "4")]
    pub late: u64,
    /// What the windows are, in words; others are refused.
    #[prost(string, tag = "5")]
    pub windowing: String,
}

impl Kept for KeptProgress {
    const NAME: &'static str = "progress of windows";
}
