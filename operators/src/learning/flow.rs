//! The learner's dataflow: `user_events` -> learner -> `learned`, in one process of all that take part.

use std::{sync::Arc, time::Duration};

use abovefold_engine::{
    Graph, Node, Result, Runtime,
    log::{Log, LogMember, MemberEvent, Membership, RecordRun},
};
use tokio::sync::watch;

use super::{
    LearnerSettings,
    chain::PARTITION,
    leader::{Leader, Places, Published},
};
use crate::{metrics::LEARNER_LEADS, pipeline::Topics, steps::Steps};

/// Learns from what readers read while it leads, and waits for its turn while another one does.
///
/// Who leads is decided by a consumer group on the topic `learned`: whoever is given its first partition. Of two that both hold themselves for
/// the one, as after a partition of the network, the order of the topic decides, and the other begins again from what was published.
#[derive(Debug)]
pub struct LearnerFlow {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Names of the topics.
    pub topics: Topics,
    /// Partitions of the events.
    pub partitions: u32,
    /// What is done to reads before they are learned from, as before they are folded.
    pub steps: Steps,
    /// The consumer group's name; `-learner` is appended.
    pub group: String,
    /// The static member id.
    pub member: Option<String>,
    /// How to learn and publish.
    pub settings: LearnerSettings,
    /// Becomes true when it shall end.
    pub stop: watch::Receiver<bool>,
    /// Clock and chance.
    pub runtime: Runtime,
}

/// Waits until it shall end. A closed channel is an end as well.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stop| *stop).await.ok();
}

/// Why a leader leads no more.
enum Ended {
    Stopped,
    Revoked,
    Overtaken,
}

impl LearnerFlow {
    /// What it is made of. It is one task, since after a failure it has to begin again from what was published.
    pub fn graph() -> Graph {
        let nodes = vec![
            Node::source::<RecordRun>("user_events"),
            Node::operator::<RecordRun, super::LearnedAt>("learner"),
            Node::sink::<super::LearnedAt>("learned"),
        ];
        Graph::line("learner", nodes)
    }

    /// Runs until it is stopped. A log that does not answer is tried again.
    ///
    /// # Errors
    /// When the log refuses for good.
    pub async fn run(mut self) -> Result<()> {
        loop {
            match self.take_part().await {
                Ok(()) => return Ok(()),
                Err(error) if error.retry => {
                    tracing::warn!(%error, "not learning now, trying again");
                    if self.stopped_within(Duration::from_secs(1)).await {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn stopped_within(&mut self, time: Duration) -> bool {
        self.runtime.timeout(time, stopped(&mut self.stop)).await.is_some()
    }

    /// Waits for the lead, leads, and so on; ends when it is told to stop.
    async fn take_part(&mut self) -> Result<()> {
        let membership = Membership { group: format!("{}-learner", self.group), member: self.member.clone() };
        let mut member = self.log.join(&self.topics.learned, membership).await?;
        let mut leads = false;
        loop {
            if !leads {
                let event = tokio::select! {
                    biased;
                    () = stopped(&mut self.stop) => return member.leave().await,
                    event = member.next() => event?,
                };
                leads = matches!(event, MemberEvent::Assigned(partitions) if partitions.contains(&PARTITION));
                continue;
            }
            metrics::gauge!(LEARNER_LEADS).set(1.0);
            let ended = self.lead(member.as_mut()).await;
            metrics::gauge!(LEARNER_LEADS).set(0.0);
            match ended? {
                Ended::Stopped => return member.leave().await,
                Ended::Revoked => leads = false,
                Ended::Overtaken => {
                    tracing::info!("another version was published; learning goes on from there")
                }
            }
        }
    }

    fn places(&self) -> Places {
        Places {
            log: self.log.clone(),
            events: self.topics.user_events.clone(),
            learned: self.topics.learned.clone(),
            partitions: self.partitions,
            steps: self.steps.clone(),
            settings: self.settings.clone(),
            runtime: self.runtime.clone(),
        }
    }

    async fn lead(&mut self, member: &mut dyn LogMember) -> Result<Ended> {
        let mut leader = Leader::start(&self.places()).await?;
        let every = self.settings.publish_every();
        let mut publish_at = self.runtime.now().0 + every.as_millis() as i64;
        loop {
            let wait = Duration::from_millis((publish_at - self.runtime.now().0).max(0) as u64);
            let full = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => {
                    // What was learned is there for whoever leads next; if not, it is learned again.
                    leader.publish().await?;
                    return Ok(Ended::Stopped);
                }
                event = member.next() => {
                    if matches!(event?, MemberEvent::Revoked(partitions) if partitions.contains(&PARTITION)) {
                        return Ok(Ended::Revoked);
                    }
                    false
                }
                () = self.runtime.sleep(wait) => true,
                run = leader.next() => leader.learn(run?).await?,
            };
            if full {
                if leader.publish().await? == Published::Overtaken {
                    return Ok(Ended::Overtaken);
                }
                publish_at = self.runtime.now().0 + every.as_millis() as i64;
            }
        }
    }
}
