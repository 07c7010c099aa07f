//! Records of the topics beside `user_events`: impressions, dead letters, namespaces.

use prost::Message;
use serde::{Deserialize, Serialize};

use crate::kept::Kept;

/// The header of a copy that the intake made: `<partition>:<offset>` of the original.
pub const ORIGIN_HEADER: &str = "abovefold-origin";
/// The header beside it: the offset of the stray before it from the same source to the same home, or `first`. By it a home takes copies in turn:
/// one that came without those before it is left for when it is sent again.
pub const AFTER_HEADER: &str = "abovefold-after";
/// The header of a record that was put back from the dead letters: `<partition>:<offset>` of the original.
pub const PUT_BACK_HEADER: &str = "abovefold-put-back";

/// One article of a slate as it was shown.
#[derive(Clone, PartialEq, Message)]
pub struct Shown {
    /// The article.
    #[prost(int64, tag = "1")]
    pub article_id: i64,
    /// The score that placed it.
    #[prost(float, tag = "2")]
    pub score: f32,
    /// Where it came from: `knn`, `trending`.
    #[prost(string, tag = "3")]
    pub source: String,
    /// How probable it was that this article came to this place; absent where nothing was left to chance.
    #[prost(float, optional, tag = "4")]
    pub propensity: Option<f32>,
}

/// A slate that was served, in the topic `impressions`, keyed by reader.
#[derive(Clone, PartialEq, Message)]
pub struct Impression {
    /// Its id, which reads name as what led to them.
    #[prost(string, tag = "1")]
    pub impression_id: String,
    /// The reader.
    #[prost(string, tag = "2")]
    pub user_id: String,
    /// When it was served (ms since 1970).
    #[prost(int64, tag = "3")]
    pub time: i64,
    /// What was shown, best first.
    #[prost(message, repeated, tag = "4")]
    pub shown: Vec<Shown>,
    /// The path or fallback that served it.
    #[prost(string, tag = "5")]
    pub served_by: String,
    /// The model's version.
    #[prost(string, tag = "6")]
    pub model: String,
    /// The page that it was shown on.
    #[prost(int64, optional, tag = "7")]
    pub article_id: Option<i64>,
    /// The namespace that answered.
    #[prost(string, tag = "8")]
    pub namespace: String,
    /// The reader's partition.
    #[prost(uint32, tag = "9")]
    pub partition: u32,
    /// The marker of the reader's state: the first offset that was not seen.
    #[prost(uint64, tag = "10")]
    pub marker: u64,
    /// For each partition, the first offset that the article counts had not seen.
    #[prost(uint64, repeated, tag = "11")]
    pub counts_markers: Vec<u64>,
    /// The version of what was learned that it was scored with; 0 where nothing was learned yet.
    #[prost(uint64, tag = "12")]
    pub learned_version: u64,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    #[prost(uint32, tag = "13")]
    pub device_type: u32,
    /// The moment as of which the columns were computed (ms since 1970, log time); absent where none were.
    #[prost(int64, optional, tag = "14")]
    pub now: Option<i64>,
    /// The candidates, in the order of the rows of `columns`, where features are logged.
    #[prost(int64, repeated, tag = "15")]
    pub candidates: Vec<i64>,
    /// The columns of each candidate, row-major, where features are logged.
    #[prost(float, repeated, tag = "16")]
    pub columns: Vec<f32>,
    /// A hash of the columns' names, by which those of another version are told.
    #[prost(fixed64, tag = "17")]
    pub columns_hash: u64,
    /// The arm of the experiment that its reader is in; empty where none runs.
    #[prost(string, tag = "18")]
    pub arm: String,
}

impl Kept for Impression {
    const NAME: &'static str = "impression";
}

/// A record that could not be decoded, in the topic `dead_letters`, with all that it was.
#[derive(Clone, PartialEq, Message)]
pub struct DeadLetter {
    /// The topic that it came from.
    #[prost(string, tag = "1")]
    pub topic: String,
    /// The partition there.
    #[prost(uint32, tag = "2")]
    pub partition: u32,
    /// The offset there. Topic, partition and offset are its id.
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    /// The log's time of it (ms since 1970).
    #[prost(int64, tag = "4")]
    pub time: i64,
    /// Its key.
    #[prost(bytes = "vec", optional, tag = "5")]
    pub key: Option<Vec<u8>>,
    /// Its bytes.
    #[prost(bytes = "vec", tag = "6")]
    pub value: Vec<u8>,
    /// Why it is no event.
    #[prost(string, tag = "7")]
    pub reason: String,
}

impl Kept for DeadLetter {
    const NAME: &'static str = "dead letter";
}

impl DeadLetter {
    /// `<topic>-<partition>-<offset>`, by which it is shown and put back.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.topic, self.partition, self.offset)
    }
}

/// What defines a namespace's fold; a worker that differs refuses to join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// The name.
    pub name: String,
    /// The version of the fold's code.
    pub fold_version: u32,
    /// The digest of the session model's weights; `none` where reads are folded without one.
    pub session_model: String,
    /// `f32` or `bf16`.
    pub precision: String,
    /// Rows of an inference tile.
    pub tile: usize,
    /// `cpu` or `cuda`.
    pub device_class: String,
    /// The first offset folded, for each partition of the events.
    pub first_offsets: Vec<u64>,
    /// Article versions below these offsets are known from the start, for each partition of `articles`.
    pub base_article_offsets: Vec<u64>,
    /// What is done to reads before they are folded, in words and in order; none in a record without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// When it was made (ms since 1970).
    pub created: i64,
    /// The past moment at which it stands, for one that is not folded on: before these offsets, one a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<u64>>,
    /// Of one that stands at a past moment: whoever asked to be forgotten before these offsets was removed from it. It may be read only
    /// once this is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched: Option<Vec<u64>>,
}

impl NamespaceRecord {
    /// Whether reads are folded with a session model.
    pub fn has_model(&self) -> bool {
        self.session_model != "none"
    }
}

/// A record of the topic `namespaces`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum NamespaceChange {
    /// A namespace was made.
    Made {
        /// What it is.
        record: NamespaceRecord,
    },
    /// `live` points to this namespace from now on, if it pointed to `from` before.
    Promoted {
        /// The namespace that readers see.
        name: String,
        /// What was live before; the change is void if another one was.
        from: Option<String>,
    },
    /// A namespace stands at a past moment from now on, or at none any more: then it may be folded on.
    Placed {
        /// The namespace.
        name: String,
        /// As in [`NamespaceRecord::until`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Vec<u64>>,
        /// As in [`NamespaceRecord::searched`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        searched: Option<Vec<u64>>,
    },
    /// A namespace was dropped.
    Dropped {
        /// Its name.
        name: String,
    },
}

impl NamespaceChange {
    /// JSON with a leading format version: `{"v":1,"change":"made",...}`.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            v: u8,
            #[serde(flatten)]
            change: &'a NamespaceChange,
        }
        serde_json::to_vec(&Versioned { v: 1, change: self }).expect("a namespace record has only text keys")
    }

    /// Reads a record of the topic.
    ///
    /// # Errors
    /// When it is no such JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
