//! Where late events go: a side output, which hears of each at least once.

use std::{fmt, sync::Arc};

use abovefold_schemas::{Offset, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::Result,
    log::{Log, NewRecord},
    retry::persist,
    runtime::Runtime,
};

/// The header of a record in a topic of late events: `<partition>:<offset>` of the event, by which a repeat is known.
pub const LATE_ORIGIN_HEADER: &str = "abovefold-late-origin";
/// The header that says by which watermark the event was late, in RFC 3339.
pub const LATE_WATERMARK_HEADER: &str = "abovefold-late-watermark";

/// An event that came too late for any window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateEvent {
    /// Its partition; with the offset its id.
    pub partition: u32,
    /// Its offset.
    pub offset: Offset,
    /// Its key.
    pub key: Bytes,
    /// The watermark of its partition before it.
    pub watermark: Timestamp,
    /// The record's bytes.
    pub payload: Bytes,
}

/// Where late events go. They are handed over before the epoch that covers them is written, so that none is lost; after a crash some come again, with
/// the same partition and offset.
#[async_trait]
pub trait LateOutput: fmt::Debug + Send + Sync {
    /// Takes late events of one partition, in their order. The windows wait until they are taken.
    ///
    /// # Errors
    /// When they cannot be taken for good; that stops their partition.
    async fn send(&self, events: Vec<LateEvent>) -> Result<()>;
}

/// A topic of late events: their bytes under their key, with [`LATE_ORIGIN_HEADER`] and [`LATE_WATERMARK_HEADER`].
#[derive(Clone, Debug)]
pub struct LateTopic {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The topic, which is there.
    pub topic: String,
    /// Clock.
    pub runtime: Runtime,
}

impl LateEvent {
    /// As it stands in a topic.
    pub fn to_record(&self) -> NewRecord {
        let origin = format!("{}:{}", self.partition, self.offset);
        let headers = vec![
            (LATE_ORIGIN_HEADER.to_owned(), Bytes::from(origin)),
            (LATE_WATERMARK_HEADER.to_owned(), Bytes::from(self.watermark.to_rfc3339())),
        ];
        NewRecord { headers, ..NewRecord::keyed(self.key.clone(), self.payload.clone()) }
    }
}

#[async_trait]
impl LateOutput for LateTopic {
    /// Appends, and tries again for as long as the topic is out of reach.
    async fn send(&self, events: Vec<LateEvent>) -> Result<()> {
        let records: Vec<NewRecord> = events.iter().map(LateEvent::to_record).collect();
        persist(&self.runtime, "log", || self.log.append(&self.topic, records.clone())).await?;
        Ok(())
    }
}
