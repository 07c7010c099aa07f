//! The source of a partitioned dataflow: one member of a consumer group, which begins each partition at its stored marker.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use abovefold_schemas::{Marker, Offset};
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};

use crate::{
    admit::Admit,
    error::{EngineError, Result},
    feed::{Feed, Lease, Signal},
    log::{Log, LogMember, MemberEvent, Membership, Position, RecordRun},
    metrics::{LAG, PARTITION_RESETS, RECORDS_READ},
    operator::Emitter,
    runtime::Runtime,
    state::{StateStore, Tag},
};

/// Records of a partition that may be under way before it is paused.
const MAX_UNACKED: usize = 4_096;
/// How often the marker of an idle partition is compared with the store's.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// How long the log may take to say where it ends, for the metrics.
const LAG_LIMIT: Duration = Duration::from_millis(200);

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
    /// Stop before these offsets, one a partition, and end once all are reached; `None` follows the log for ever.
    pub until: Option<Vec<Offset>>,
    /// Asked before a partition without a marker gets its first one; `None` lets every one begin.
    pub admit: Option<Admit>,
}

/// A source that begins each partition at its stored marker, never at a committed offset.
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
    /// Clock and tasks.
    pub runtime: Runtime,
}

/// A partition that is ours.
#[derive(Debug)]
struct Lane {
    lease: Lease,
    /// The next offset to hand on.
    delivered: Offset,
    acked: Marker,
    paused: bool,
}

impl Lane {
    fn unacked(&self) -> usize {
        (self.delivered.0 - self.acked.next.0) as usize
    }
}

enum Happening {
    Stop,
    Signal(Signal),
    Hurry((u32, Offset)),
    Member(Result<MemberEvent>),
    Idle,
}

impl PartitionedSource {
    /// Runs until it is stopped or everything up to `until` is handed on and written; a loop for
    /// [`Dataflow::source_loop`](crate::Dataflow::source_loop).
    ///
    /// # Errors
    /// When the log fails for good, or no longer is the one that was folded.
    pub async fn run(mut self, mut out: Emitter<Feed<RecordRun>>) -> Result<()> {
        let mut member = self.log.join(&self.settings.topic, self.settings.membership.clone()).await?;
        let mut hurries = self.store.hurries(&self.settings.namespace).await?.fuse();
        let mut lanes: BTreeMap<u32, Lane> = BTreeMap::new();
        let mut generation = 0;
        let mut next_check = self.runtime.now();
        loop {
            if self.reached_end(&lanes) {
                break;
            }
            let happening = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => Happening::Stop,
                Some(signal) = self.signals.recv() => Happening::Signal(signal),
                Some(hurry) = hurries.next() => Happening::Hurry(hurry),
                event = member.next() => Happening::Member(event),
                () = self.runtime.sleep(IDLE_CHECK) => Happening::Idle,
            };
            match happening {
                Happening::Stop => break,
                Happening::Signal(Signal::Acked { lease, marker }) => {
                    let Some(lane) = lanes.get_mut(&lease.partition).filter(|lane| lane.lease == lease)
                    else {
                        continue;
                    };
                    lane.acked = marker;
                    member.commit(lease.partition, marker.next);
                    if lane.paused && lane.unacked() < MAX_UNACKED / 2 {
                        lane.paused = false;
                        member.resume(lease.partition).await?;
                    }
                    out.emit(Feed::Acked { lease, marker }).await?;
                }
                Happening::Signal(Signal::Reset { lease, reason }) => {
                    if lanes.get(&lease.partition).is_none_or(|lane| lane.lease != lease) {
                        continue;
                    }
                    tracing::warn!(
                        reason,
                        partition = lease.partition,
                        "the partition begins again from its stored marker"
                    );
                    metrics::counter!(PARTITION_RESETS, "dataflow" => self.settings.dataflow).increment(1);
                    generation += 1;
                    let lane = self.begin(lease.partition, generation, member.as_mut(), &mut out).await?;
                    lanes.insert(lease.partition, lane);
                }
                Happening::Hurry((partition, until)) => out.emit(Feed::Hurry { partition, until }).await?,
                Happening::Member(event) => match event? {
                    MemberEvent::Assigned(partitions) => {
                        for partition in partitions {
                            generation += 1;
                            let lane = self.begin(partition, generation, member.as_mut(), &mut out).await?;
                            lanes.insert(partition, lane);
                        }
                    }
                    MemberEvent::Revoked(partitions) => {
                        for partition in partitions {
                            if let Some(lane) = lanes.remove(&partition) {
                                out.emit(Feed::End { lease: lane.lease }).await?;
                            }
                        }
                    }
                    MemberEvent::Records(run) => {
                        if let Some(lane) = lanes.get_mut(&run.partition) {
                            self.hand_on(run, lane, member.as_mut(), &mut out).await?;
                        }
                    }
                },
                Happening::Idle => {}
            }
            if self.runtime.now() >= next_check {
                next_check.0 = self.runtime.now().0 + IDLE_CHECK.as_millis() as i64;
                self.measure_lag(&lanes).await;
                for partition in self.moved_while_idle(&lanes).await {
                    generation += 1;
                    let lane = self.begin(partition, generation, member.as_mut(), &mut out).await?;
                    lanes.insert(partition, lane);
                }
            }
        }
        drop(out);
        // The steps behind flush now, and the last epochs are acknowledged before the group is left.
        while let Some(signal) = self.signals.recv().await {
            if let Signal::Acked { lease, marker } = signal {
                member.commit(lease.partition, marker.next);
            }
        }
        member.leave().await
    }

    /// Starts a partition at its stored marker, after a look whether the log still is the one that was folded.
    async fn begin(
        &self,
        partition: u32,
        generation: u64,
        member: &mut dyn LogMember,
        out: &mut Emitter<Feed<RecordRun>>,
    ) -> Result<Lane> {
        let tag = Tag { namespace: self.settings.namespace.clone(), partition };
        let marker = self.stored_marker(&tag).await?;
        check_log(self.log.as_ref(), &self.settings.topic, partition, marker).await?;
        let lease = Lease { partition, generation };
        out.emit(Feed::Begin { lease, marker }).await?;
        member.start(partition, marker.next).await?;
        tracing::info!(%tag, next = marker.next.0, "partition begins");
        Ok(Lane { lease, delivered: marker.next, acked: marker, paused: false })
    }

    /// Reads the marker, or sets the first one; waits for a store that is out of reach.
    async fn stored_marker(&self, tag: &Tag) -> Result<Marker> {
        let first = self.settings.first_offsets.get(tag.partition as usize).copied().unwrap_or_default();
        loop {
            let found = match self.store.read(tag, &[], &[]).await {
                Ok(snapshot) => match snapshot.marker {
                    Some(marker) => pure(tag, marker),
                    None => self.first_marker(tag, Marker::start(first)).await,
                },
                Err(error) => Err(error),
            };
            match found {
                Err(error) if error.retry && !*self.stop.borrow() => {
                    tracing::warn!(%error, %tag, "marker not read yet, trying again");
                    self.runtime.sleep(Duration::from_millis(500)).await;
                }
                other => return other,
            }
        }
    }

    /// Sets the first marker of a partition, unless its namespace is gone.
    async fn first_marker(&self, tag: &Tag, marker: Marker) -> Result<Marker> {
        if let Some(admit) = &self.settings.admit {
            admit.ask(tag).await?;
        }
        self.store.initialise(tag, marker).await
    }

    async fn hand_on(
        &self,
        mut run: RecordRun,
        lane: &mut Lane,
        member: &mut dyn LogMember,
        out: &mut Emitter<Feed<RecordRun>>,
    ) -> Result<()> {
        debug_assert!(
            run.records.first().is_none_or(|record| record.offset >= lane.delivered),
            "records come in order"
        );
        if let Some(until) = self.until(run.partition) {
            run.records.retain(|record| record.offset < until);
            run.next = run.next.min(until);
        }
        if run.next <= lane.delivered {
            lane.paused = true;
            return member.pause(run.partition).await;
        }
        lane.delivered = run.next;
        metrics::counter!(RECORDS_READ, "dataflow" => self.settings.dataflow)
            .increment(run.records.len() as u64);
        let partition = run.partition;
        out.emit(Feed::Data { lease: lane.lease, data: run }).await?;
        if !lane.paused && lane.unacked() > MAX_UNACKED {
            lane.paused = true;
            member.pause(partition).await?;
        }
        Ok(())
    }

    fn until(&self, partition: u32) -> Option<Offset> {
        self.settings.until.as_ref().and_then(|until| until.get(partition as usize)).copied()
    }

    fn reached_end(&self, lanes: &BTreeMap<u32, Lane>) -> bool {
        let Some(until) = &self.settings.until else { return false };
        until
            .iter()
            .zip(0..)
            .all(|(until, partition)| lanes.get(&partition).is_some_and(|lane| lane.delivered >= *until))
    }

    /// Tells the metrics how far each partition's marker is behind the log.
    async fn measure_lag(&self, lanes: &BTreeMap<u32, Lane>) {
        // A log that is slow or out of reach is reported by whoever needs it.
        let asked = self.runtime.timeout(LAG_LIMIT, self.log.bounds(&self.settings.topic)).await;
        let Some(Ok(bounds)) = asked else { return };
        for (partition, lane) in lanes {
            let Some(bounds) = bounds.get(*partition as usize) else { continue };
            let lag = bounds.end.0.saturating_sub(lane.acked.next.0);
            metrics::gauge!(LAG, "dataflow" => self.settings.dataflow, "partition" => partition.to_string())
                .set(lag as f64);
        }
    }

    /// Partitions of which nothing is under way and whose stored marker is not the one that was last acknowledged: the store forgot,
    /// or another worker wrote.
    async fn moved_while_idle(&self, lanes: &BTreeMap<u32, Lane>) -> Vec<u32> {
        let mut moved = Vec::new();
        for (partition, lane) in lanes.iter().filter(|(_, lane)| lane.unacked() == 0) {
            let tag = Tag { namespace: self.settings.namespace.clone(), partition: *partition };
            // A store that is out of reach is no news: the next write waits for it.
            if let Ok(snapshot) = self.store.read(&tag, &[], &[]).await
                && snapshot.marker != Some(lane.acked)
            {
                tracing::warn!(%tag, expected = %lane.acked, "the stored marker moved while the partition was idle");
                moved.push(*partition);
            }
        }
        moved
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

/// Refuses to go on from a marker that the log does not bear out.
///
/// # Errors
/// When the log ends before the marker (cut or recreated), begins after it (retention), or holds another record where the last one that was
/// folded should be.
pub async fn check_log(log: &dyn Log, topic: &str, partition: u32, marker: Marker) -> Result<()> {
    let tried = format!("go on with {topic}, partition {partition}, from {marker}");
    let bounds = log.bounds(topic).await?;
    let Some(bounds) = bounds.get(partition as usize) else {
        return Err(EngineError::user(
            tried,
            "the topic has no such partition; was it made again with fewer?",
        ));
    };
    if marker.next > bounds.end {
        let reason = format!(
            "the log ends at offset {}: it was cut or made again; rebuild the namespace by `abovefold replay` into a new one",
            bounds.end
        );
        return Err(EngineError::user(tried, reason));
    }
    if marker.next < bounds.begin {
        let reason = format!(
            "the log now begins at offset {}: records were removed before they were folded; raise the topic's retention and rebuild into a new namespace",
            bounds.begin
        );
        return Err(EngineError::user(tried, reason));
    }
    let Some(last) = marker.last.filter(|last| last.offset >= bounds.begin) else { return Ok(()) };
    let run = log.read(topic, vec![Position { partition, offset: last.offset }]).await?.next().await?;
    match run.records.first() {
        Some(record) if record.offset == last.offset && record.hash() != last.hash => Err(EngineError::user(
            tried,
            format!(
                "offset {} holds another record than the one that was folded: the log was made again; rebuild the namespace by `abovefold replay` into a new one",
                last.offset
            ),
        )),
        _ => Ok(()),
    }
}

/// The records of a topic from given positions to the ends that it has now, then the end of the stream.
pub async fn read_to_end(
    log: &dyn Log,
    topic: &str,
    from: &[Offset],
) -> Result<impl Stream<Item = Result<RecordRun>> + Send + use<>> {
    let bounds = log.bounds(topic).await?;
    let from: Vec<Offset> = bounds
        .iter()
        .enumerate()
        .map(|(p, bounds)| from.get(p).copied().unwrap_or(bounds.begin).max(bounds.begin))
        .collect();
    let positions: Vec<Position> = (0..)
        .zip(&bounds)
        .zip(&from)
        .filter(|((_, bounds), from)| **from < bounds.end)
        .map(|((partition, _), from)| Position { partition, offset: *from })
        .collect();
    let open: BTreeSet<u32> = positions.iter().map(|position| position.partition).collect();
    let reader = if open.is_empty() { None } else { Some(log.read(topic, positions).await?) };
    let ends: Vec<Offset> = bounds.iter().map(|bounds| bounds.end).collect();
    Ok(futures::stream::try_unfold((reader, open, ends), |(reader, mut open, ends)| async move {
        let Some(mut reader) = reader else { return Ok(None) };
        while !open.is_empty() {
            let mut run = reader.next().await?;
            if !open.contains(&run.partition) {
                continue;
            }
            let end = ends[run.partition as usize];
            if run.next >= end {
                open.remove(&run.partition);
            }
            run.records.retain(|record| record.offset < end);
            run.next = run.next.min(end);
            return Ok(Some((run, (Some(reader), open, ends))));
        }
        Ok(None)
    }))
}
