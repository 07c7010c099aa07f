//! The asynchronous side of a polling thread: a member of a group, or a reader.

use std::{sync::Arc, time::Duration};

use abovefold_schemas::Offset;
use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{
    super::{LogMember, LogReader, MemberEvent, RecordRun},
    admin::Admin,
    client::check_bounds,
    poller::{Command, Poller},
};
use crate::error::Result;

/// How long an orderly leave may take before its caller goes on.
const LEAVE: Duration = Duration::from_secs(10);

/// Reads chosen partitions.
pub(super) struct KafkaReader {
    poller: Poller,
}

impl KafkaReader {
    pub(super) fn new(poller: Poller) -> Self {
        Self { poller }
    }
}

#[async_trait]
impl LogReader for KafkaReader {
    async fn next(&mut self) -> Result<RecordRun> {
        loop {
            if let MemberEvent::Records(run) = self.poller.buffer.next().await? {
                return Ok(run);
            }
        }
    }
}

/// A member of a consumer group.
pub(super) struct KafkaMember {
    poller: Poller,
    admin: Arc<Admin>,
}

impl KafkaMember {
    pub(super) fn new(poller: Poller, admin: Arc<Admin>) -> Self {
        Self { poller, admin }
    }
}

#[async_trait]
impl LogMember for KafkaMember {
    async fn next(&mut self) -> Result<MemberEvent> {
        self.poller.buffer.next().await
    }

    async fn start(&mut self, partition: u32, from: Offset) -> Result<()> {
        // From here on nothing older is delivered, even if the rest fails.
        let generation = self.poller.buffer.restart(partition);
        let topic = self.poller.topic.clone();
        let bounds = {
            let topic = topic.clone();
            Admin::ask(&self.admin, move |admin| admin.bounds_of(&topic, partition)).await?
        };
        check_bounds(from, bounds, || {
            format!(
                "read topic {topic}, partition {partition}, from offset {from} at {}",
                self.poller.connection
            )
        })?;
        let (done, answer) = oneshot::channel();
        self.poller.tell(Command::Start { partition, from, end: bounds.end, generation, done })?;
        answer.await.map_err(|_| self.poller.gone())?
    }

    async fn pause(&mut self, partition: u32) -> Result<()> {
        self.poller.buffer.set_paused(partition, true);
        self.poller.tell(Command::Pause { partition, paused: true })
    }

    async fn resume(&mut self, partition: u32) -> Result<()> {
        self.poller.buffer.set_paused(partition, false);
        self.poller.tell(Command::Pause { partition, paused: false })
    }

    fn commit(&mut self, partition: u32, next: Offset) {
        if let Err(error) = self.poller.tell(Command::Commit { partition, next }) {
            tracing::warn!(%error, partition, %next, "an offset was not committed; it is for monitoring only");
        }
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        let (done, left) = oneshot::channel();
        self.poller.tell(Command::Leave { done })?;
        if tokio::time::timeout(LEAVE, left).await.is_err() {
            tracing::warn!(
                topic = self.poller.topic,
                "the group did not answer; it notices the leave by its time-out"
            );
        }
        Ok(())
    }
}
