//! What was shown goes into the log behind the reader's back: bounded, and never in the way of an answer.

use std::sync::Arc;

use abovefold_engine::{
    Runtime,
    log::{Log, NewRecord},
};
use abovefold_schemas::ReaderId;
use tokio::sync::mpsc;

use super::metrics;

/// Impressions that may wait for the log.
const WAITING: usize = 4_096;
/// Impressions that are appended in one call.
const TOGETHER: usize = 256;

/// Where impressions are logged.
#[derive(Clone, Debug)]
pub struct Impressions {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The topic, of as many partitions as the events' topic.
    pub topic: String,
}

/// The queue before the log; its task ends when the queue is dropped and what waited is written.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<NewRecord>,
}

impl Queue {
    pub(super) fn start(runtime: &Runtime, impressions: Impressions) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        runtime.spawn(write(impressions, receiver));
        Self { sender }
    }

    /// Puts an impression in, or counts it as lost where the queue is full.
    pub(super) fn push(&self, reader: ReaderId, impression: Vec<u8>) {
        let record = NewRecord::keyed(reader.as_bytes().to_vec(), impression);
        if self.sender.try_send(record).is_err() {
            ::metrics::counter!(metrics::IMPRESSIONS_LOST).increment(1);
        }
    }
}

async fn write(impressions: Impressions, mut waiting: mpsc::Receiver<NewRecord>) {
    let (mut records, mut well) = (Vec::new(), true);
    while waiting.recv_many(&mut records, TOGETHER).await > 0 {
        let count = records.len() as u64;
        match impressions.log.append(&impressions.topic, std::mem::take(&mut records)).await {
            Ok(_) => {
                ::metrics::counter!(metrics::IMPRESSIONS).increment(count);
                well = true;
            }
            Err(error) => {
                ::metrics::counter!(metrics::IMPRESSIONS_LOST).increment(count);
                if std::mem::take(&mut well) {
                    tracing::warn!(%error, topic = impressions.topic, "impressions are lost");
                }
            }
        }
    }
}
