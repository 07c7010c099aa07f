//! The source of a partitioned dataflow: one member of a consumer group, which begins each partition at its stored marker.

mod ends;
mod running;

use std::sync::Arc;

use abovefold_schemas::{Marker, Offset};
use futures::StreamExt;
use tokio::sync::{mpsc, watch};

pub use self::ends::{check_log, read_to_end};
use self::running::Running;
use crate::{
    admit::Admit,
    error::{EngineError, Result},
    feed::{Feed, Signal},
    log::{Log, Membership, RecordRun},
    operator::Emitter,
    pause::Pause,
    retry::persist,
    runtime::Runtime,
    state::{StateStore, Tag},
    trouble::Troubles,
};

/// What a source reads, and for whom.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The dataflow's name, for metrics.
    pub dataflow: &'static str,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub membership: Membership,
    /// Where the state lies.
    pub namespace: String,
    /// The first offset folded of each partition, for one that has no marker yet.
    pub first_offsets: Vec<Offset>,
    /// Stop before these offsets, one a partition, and end once all are reached and written; `None` follows the log for ever.
    pub until: Option<Vec<Offset>>,
    /// Asked before a partition without a marker gets its first one, and where another marker was found than the one that was written last:
    /// its namespace may have been dropped, or dropped and made again. `None` lets every one begin.
    pub admit: Option<Admit>,
}

/// A source that begins each partition at its stored marker, never at a committed offset.
///
/// An edge that is out of reach is waited for. A partition that cannot go on (its state does not parse, the store refuses for good) stands
/// still and is tried again from time to time, while the others go on; a source with an end fails instead.
#[derive(Debug)]
pub struct PartitionedSource {
    /// What is read.
    pub settings: SourceSettings,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Where the markers are.
    pub store: Arc<dyn StateStore>,
    /// The way back from the sink.
    pub signals: mpsc::UnboundedReceiver<Signal>,
    /// Becomes true when the dataflow shall end in order.
    pub stop: watch::Receiver<bool>,
    /// While it is set, nothing is taken from the log; the member stays in its group.
    pub pause: Pause,
    /// Partitions that stand still are reported here.
    pub troubles: Troubles,
    /// Clock and tasks.
    pub runtime: Runtime,
}

impl PartitionedSource {
    /// Runs until it is stopped or everything up to `until` is handed on and written; a loop for
    /// [`Dataflow::source_loop`](crate::Dataflow::source_loop).
    ///
    /// # Errors
    /// When the log fails for good, or no longer is the one that was folded.
    pub async fn run(self, out: Emitter<Feed<RecordRun>>) -> Result<()> {
        let joined = || self.log.join(&self.settings.topic, self.settings.membership.clone());
        let Some(member) = self.unless_stopped(persist(&self.runtime, "log", joined)).await? else {
            return Ok(());
        };
        let wishes = || self.store.hurries(&self.settings.namespace);
        let Some(hurries) = self.unless_stopped(persist(&self.runtime, "state", wishes)).await? else {
            return member.leave().await;
        };
        Running::new(self, member, out).run(hurries.fuse()).await
    }

    /// The future's result, or `None` when the source was told to stop before there was one.
    async fn unless_stopped<T>(&self, future: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Ok(None),
            result = future => result.map(Some),
        }
    }

    fn tag(&self, partition: u32) -> Tag {
        Tag { namespace: self.settings.namespace.clone(), partition }
    }

    fn until(&self, partition: u32) -> Option<Offset> {
        self.settings.until.as_ref().and_then(|until| until.get(partition as usize)).copied()
    }

    /// Reads the marker, or sets the first one; checks that the log still is the one that was folded. `again` where the partition was begun before and
    /// its marker is not what it should be.
    async fn place_to_begin(&self, partition: u32, again: bool) -> Result<Marker> {
        let tag = self.tag(partition);
        let marker = persist(&self.runtime, "state", || self.stored_marker(&tag, again)).await?;
        let check = || check_log(self.log.as_ref(), &self.settings.topic, partition, marker);
        persist(&self.runtime, "log", check).await?;
        Ok(marker)
    }

    async fn stored_marker(&self, tag: &Tag, again: bool) -> Result<Marker> {
        let found = self.store.read(tag, &[], &[]).await?.marker;
        if let Some(admit) = self.settings.admit.as_ref().filter(|_| again || found.is_none()) {
            admit.ask(tag).await?;
        }
        match found {
            Some(marker) => pure(tag, marker),
            None => {
                let first =
                    self.settings.first_offsets.get(tag.partition as usize).copied().unwrap_or_default();
                self.store.initialise(tag, Marker::start(first)).await
            }
        }
    }
}

/// Refuses to fold on from a state that is no pure fold any more.
fn pure(tag: &Tag, marker: Marker) -> Result<Marker> {
    match marker.forgotten {
        None => Ok(marker),
        Some(_) => Err(EngineError::user(
            format!("fold {tag} on from {marker}"),
            "it stands at a past moment, and readers who asked to be forgotten later were removed from it, so that it is no fold of the log \
             any more; build another namespace by `abovefold replay`",
        )),
    }
}
