//! Consumer groups within one process: the member that came first has every partition, until it leaves.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use abovefold_schemas::Offset;
use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    super::{LogMember, MemberEvent},
    follower::Follower,
};
use crate::error::{EngineError, Result};

/// All groups, by group and topic.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: Mutex<BTreeMap<(String, String), Arc<Group>>>,
}

impl Groups {
    pub(super) fn group(&self, group: &str, topic: &str) -> Arc<Group> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(groups.entry((group.to_owned(), topic.to_owned())).or_default())
    }
}

/// The members of a group on one topic, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Group {
    members: Mutex<Members>,
    left: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Members {
    queue: VecDeque<u64>,
    next_id: u64,
}

impl Group {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member of a group.
pub(super) struct EmbeddedMember {
    group: Arc<Group>,
    left: watch::Receiver<()>,
    id: u64,
    assigned: bool,
    follower: Follower,
}

impl EmbeddedMember {
    pub(super) fn join(group: Arc<Group>, follower: Follower) -> Self {
        let left = group.left.subscribe();
        let id = {
            let mut members = group.members();
            members.next_id += 1;
            let id = members.next_id;
            members.queue.push_back(id);
            id
        };
        Self { group, left, id, assigned: false, follower }
    }
}

#[async_trait]
impl LogMember for EmbeddedMember {
    async fn next(&mut self) -> Result<MemberEvent> {
        while !self.assigned {
            self.left.borrow_and_update();
            if self.group.members().queue.front() == Some(&self.id) {
                self.assigned = true;
                return Ok(MemberEvent::Assigned((0..self.follower.topic.partitions()).collect()));
            }
            if self.left.changed().await.is_err() {
                return Err(EngineError::ours(
                    "wait in a consumer group of the embedded log",
                    "the group is gone",
                ));
            }
        }
        self.follower.next().await.map(MemberEvent::Records)
    }

    async fn start(&mut self, partition: u32, from: Offset) -> Result<()> {
        if !self.assigned {
            let tried = format!("start partition {partition} of topic {}", self.follower.topic.name);
            return Err(EngineError::ours(tried, "it is not assigned to this member"));
        }
        self.follower.start(partition, from)
    }

    async fn pause(&mut self, partition: u32) -> Result<()> {
        self.follower.set_paused(partition, true);
        Ok(())
    }

    async fn resume(&mut self, partition: u32) -> Result<()> {
        self.follower.set_paused(partition, false);
        Ok(())
    }

    fn commit(&mut self, partition: u32, next: Offset) {
        // Nobody but this process looks, and it has the markers.
        tracing::trace!(partition, %next, "committed");
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        let id = self.id;
        self.group.members().queue.retain(|member| *member != id);
        self.group.left.send_replace(());
    }
}
