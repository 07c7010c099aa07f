//! Log and store as a worker reaches them: over a network that is slow, and through the faults in force.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use abovefold_engine::{
    EngineError, Result, Runtime,
    log::{Bounds, Log, LogMember, LogReader, MemberEvent, Membership, NewRecord, Position},
    state::{Changes, EpochWrite, Snapshot, StateStore, Tag, Value, WriteOutcome},
};
use abovefold_schemas::{Marker, Offset, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{plan::Kind, world::World};

/// The edges of one worker's process.
#[derive(Clone)]
pub struct Edges {
    world: Arc<World>,
    runtime: Runtime,
}

impl fmt::Debug for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edges")
    }
}

fn away(what: &str) -> EngineError {
    EngineError::outside(what, "simulated: no route")
}

impl Edges {
    pub fn new(world: &Arc<World>, runtime: &Runtime) -> Self {
        Self { world: world.clone(), runtime: runtime.clone() }
    }

    /// A message on its way: mostly a moment, now and then long.
    async fn travel(&self) {
        let slow = self.world.active().iter().any(|kind| matches!(kind, Kind::StoreSlow { .. }));
        let most = if slow || self.world.below(20) == 0 { 400 } else { 4 };
        let micros = self.world.below(most * 1_000);
        self.runtime.sleep(Duration::from_micros(micros)).await;
    }

    /// A call of the store. It is done while the message is at the store, in one go.
    async fn at_store<T, F>(&self, what: &str, writes: bool, work: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.travel().await;
        let (mut mute, mut slow) = (false, false);
        for kind in self.world.active() {
            match kind {
                Kind::StoreAway { .. } => {
                    self.world.struck(kind.name());
                    return Err(away(what));
                }
                Kind::StoreFull { .. } if writes => {
                    self.world.struck(kind.name());
                    return Err(EngineError::outside(what, "simulated: out of memory, nothing was written"));
                }
                Kind::StoreMute { .. } => mute = true,
                Kind::StoreSlow { .. } => slow = true,
                _ => {}
            }
        }
        let done = work().await;
        self.travel().await;
        if slow {
            self.world.struck("store slow");
        }
        if mute {
            self.world.struck("store mute");
            return Err(EngineError::outside(what, "simulated: no answer in time, though it was done"));
        }
        done
    }

    async fn at_log<T, F>(&self, what: &str, work: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.travel().await;
        if let Some(kind) = self.world.active().iter().find(|kind| matches!(kind, Kind::LogAway { .. })) {
            self.world.struck(kind.name());
            return Err(away(what));
        }
        let done = work().await;
        self.travel().await;
        done
    }
}

#[async_trait]
impl StateStore for Edges {
    async fn read(&self, tag: &Tag, keys: &[Bytes], derived: &[Bytes]) -> Result<Snapshot> {
        self.at_store("read", false, || self.world.store.read(tag, keys, derived)).await
    }

    async fn initialise(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        self.at_store("initialise", true, || async {
            let there = self.world.store.initialise(tag, marker).await;
            self.world.check(tag);
            there
        })
        .await
    }

    async fn write_epoch(&self, tag: &Tag, epoch: &EpochWrite) -> Result<WriteOutcome> {
        if self.world.active().iter().any(|kind| matches!(kind, Kind::StoreRepeats { .. })) {
            // The network keeps a second copy of the message for later, whatever becomes of the sender.
            self.world.struck("store repeats");
            let (world, tag, epoch) = (self.world.clone(), tag.clone(), epoch.clone());
            let late = Duration::from_millis(world.below(6_000));
            self.world.runtime.spawn(async move {
                world.runtime.sleep(late).await;
                let outcome = world.store.write_epoch(&tag, &epoch).await;
                world.check(&tag);
                outcome
            });
        }
        self.at_store("write an epoch", true, || async {
            let outcome = self.world.store.write_epoch(tag, epoch).await;
            self.world.check(tag);
            outcome
        })
        .await
    }

    async fn wait_for(&self, tag: &Tag, next: Offset) -> Result<Marker> {
        self.world.store.wait_for(tag, next).await
    }

    async fn hurry(&self, tag: &Tag, next: Offset) -> Result<()> {
        self.at_store("hurry", true, || self.world.store.hurry(tag, next)).await
    }

    async fn hurries(&self, namespace: &str) -> Result<BoxStream<'static, (u32, Offset)>> {
        self.at_store("hear wishes", false, || self.world.store.hurries(namespace)).await
    }

    async fn changed_since(&self, tag: &Tag, since: Offset) -> Result<Changes> {
        self.at_store("read what changed", false, || self.world.store.changed_since(tag, since)).await
    }

    fn scan(&self, tag: &Tag) -> BoxStream<'static, Result<(Bytes, Value)>> {
        self.world.store.scan(tag)
    }

    async fn put_derived(
        &self,
        tag: &Tag,
        key: &Bytes,
        version: Offset,
        derived: Bytes,
        time_to_live: Duration,
    ) -> Result<bool> {
        let put = || self.world.store.put_derived(tag, key, version, derived, time_to_live);
        self.at_store("keep candidates", true, put).await
    }

    async fn partitions(&self, namespace: &str) -> Result<Vec<u32>> {
        self.world.store.partitions(namespace).await
    }

    async fn drop_namespace(&self, namespace: &str) -> Result<()> {
        self.world.store.drop_namespace(namespace).await
    }

    async fn check(&self) -> Result<String> {
        Ok("simulated".into())
    }
}

#[async_trait]
impl Log for Edges {
    async fn partitions(&self, topic: &str) -> Result<Option<u32>> {
        self.at_log("look up a topic", || self.world.log.partitions(topic)).await
    }

    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32> {
        self.world.log.create_topic(topic, partitions).await
    }

    async fn append(&self, topic: &str, records: Vec<NewRecord>) -> Result<Vec<Position>> {
        if !self.world.active().iter().any(|kind| matches!(kind, Kind::LogPartial { .. })) {
            return self.at_log("append", || self.world.log.append(topic, records)).await;
        }
        // Some are written now, some later, some not at all; their order is kept within each of these.
        self.travel().await;
        self.world.struck("log partial");
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for record in records {
            match self.world.below(3) {
                0 => now.push(record),
                1 => later.push(record),
                _ => {}
            }
        }
        self.world.log.append(topic, now).await?;
        let (world, topic) = (self.world.clone(), topic.to_owned());
        let late = Duration::from_millis(world.below(3_000));
        self.world.runtime.spawn(async move {
            world.runtime.sleep(late).await;
            world.log.append(&topic, later).await
        });
        Err(EngineError::outside("append", "simulated: not all were acknowledged"))
    }

    async fn bounds(&self, topic: &str) -> Result<Vec<Bounds>> {
        self.at_log("find the bounds", || self.world.log.bounds(topic)).await
    }

    async fn offsets_at(&self, topic: &str, time: Timestamp) -> Result<Vec<Offset>> {
        self.at_log("seek", || self.world.log.offsets_at(topic, time)).await
    }

    async fn read(&self, topic: &str, from: Vec<Position>) -> Result<Box<dyn LogReader>> {
        self.at_log("read", || self.world.log.read(topic, from)).await
    }

    async fn join(&self, topic: &str, membership: Membership) -> Result<Box<dyn LogMember>> {
        let namespace = membership.group.trim_start_matches("simulated-").to_owned();
        let member = self.at_log("join", || self.world.log.join(topic, membership)).await?;
        Ok(Box::new(Member { member, namespace, world: self.world.clone() }))
    }
}

/// A member whose commits are looked at: they may only name what is stored.
struct Member {
    member: Box<dyn LogMember>,
    namespace: String,
    world: Arc<World>,
}

#[async_trait]
impl LogMember for Member {
    async fn next(&mut self) -> Result<MemberEvent> {
        self.member.next().await
    }

    async fn start(&mut self, partition: u32, from: Offset) -> Result<()> {
        self.member.start(partition, from).await
    }

    async fn pause(&mut self, partition: u32) -> Result<()> {
        self.member.pause(partition).await
    }

    async fn resume(&mut self, partition: u32) -> Result<()> {
        self.member.resume(partition).await
    }

    fn commit(&mut self, partition: u32, next: Offset) {
        let tag = Tag { namespace: self.namespace.clone(), partition };
        let stored = self.world.store.held(&tag).0.map_or(Offset(0), |marker| marker.next);
        if next > stored && !self.world.has_forgotten() {
            self.world.violated(format!("{tag}: offset {next} was committed, and {stored} is stored"));
        }
        self.member.commit(partition, next);
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        self.member.leave().await
    }
}
