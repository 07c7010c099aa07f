//! The loop of a source that has joined its group.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use abovefold_schemas::{Marker, Offset, Timestamp};
use futures::{StreamExt, stream::FusedStream};

use super::PartitionedSource;
use crate::{
    error::{EngineError, Result},
    feed::{Feed, Lease, Signal},
    log::{LogMember, MemberEvent, RecordRun},
    metrics::{LAG, PARTITION_RESETS, RECORDS_READ},
    operator::Emitter,
    retry::{Backoff, note},
};

/// Records of a partition that may be under way before it is paused: several epochs of a backlog, so that the next ones are decoded while one is
/// written.
const MAX_UNACKED: usize = 65_536;
/// How often the marker of an idle partition is compared with the store's.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// How long the log may take to say where it ends, for the metrics.
const LAG_LIMIT: Duration = Duration::from_millis(200);
/// How long the store may take to show the marker of an idle partition. Nothing depends on it: the next look comes soon.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// The pause after a member of a group could not say what happens next.
const LOG_PAUSE: Duration = Duration::from_millis(200);

/// How long a partition that cannot go on stands still before it is tried again, at first and at most.
const FIRST_STAND: Duration = Duration::from_secs(5);
const LONGEST_STAND: Duration = Duration::from_secs(60);

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

/// A partition that is ours and stands still.
#[derive(Debug)]
struct Stopped {
    again: Timestamp,
    backoff: Backoff,
}

enum Happening {
    Stop,
    Signal(Signal),
    Hurry((u32, Offset)),
    Rest(bool),
    Member(Result<MemberEvent>),
    Idle,
}

/// A source that has joined its group.
pub(super) struct Running {
    source: PartitionedSource,
    member: Box<dyn LogMember>,
    out: Emitter<Feed<RecordRun>>,
    lanes: BTreeMap<u32, Lane>,
    stopped: BTreeMap<u32, Stopped>,
    /// Partitions that others have brought to the end.
    reached_elsewhere: BTreeSet<u32>,
    generation: u64,
    next_check: Timestamp,
    /// Whether all partitions rest because somebody wants them to.
    rests: bool,
}

impl Running {
    pub(super) fn new(
        source: PartitionedSource,
        member: Box<dyn LogMember>,
        out: Emitter<Feed<RecordRun>>,
    ) -> Self {
        Self {
            next_check: source.runtime.now(),
            source,
            member,
            out,
            lanes: BTreeMap::new(),
            stopped: BTreeMap::new(),
            reached_elsewhere: BTreeSet::new(),
            generation: 0,
            rests: false,
        }
    }

    pub(super) async fn run<S>(mut self, mut hurries: S) -> Result<()>
    where
        S: FusedStream<Item = (u32, Offset)> + Unpin,
    {
        while !self.reached_end() {
            let happening = tokio::select! {
                biased;
                _ = self.source.stop.wait_for(|stop| *stop) => Happening::Stop,
                Some(signal) = self.source.signals.recv() => Happening::Signal(signal),
                Some(hurry) = hurries.next() => Happening::Hurry(hurry),
                () = self.source.pause.other_than(self.rests) => Happening::Rest(!self.rests),
                event = self.member.next() => Happening::Member(event),
                () = self.source.runtime.sleep(IDLE_CHECK) => Happening::Idle,
            };
            match happening {
                Happening::Stop => break,
                Happening::Signal(signal) => self.hear(signal).await?,
                Happening::Hurry((partition, until)) => {
                    self.out.emit(Feed::Hurry { partition, until }).await?;
                }
                Happening::Rest(rests) => self.rest(rests).await?,
                Happening::Member(Ok(event)) => self.follow(event).await?,
                Happening::Member(Err(error)) if error.retry => {
                    note("log", &error);
                    self.source.runtime.sleep(LOG_PAUSE).await;
                }
                Happening::Member(Err(error)) => return Err(error),
                Happening::Idle => {}
            }
            if self.source.runtime.now() >= self.next_check {
                self.next_check.0 = self.source.runtime.now().0 + IDLE_CHECK.as_millis() as i64;
                self.look_around().await?;
            }
        }
        let Self { mut source, mut member, out, .. } = self;
        drop(out);
        // The steps behind flush now, and the last epochs are acknowledged before the group is left.
        while let Some(signal) = source.signals.recv().await {
            if let Signal::Acked { lease, marker } = signal {
                member.commit(lease.partition, marker.next);
            }
        }
        member.leave().await
    }

    async fn hear(&mut self, signal: Signal) -> Result<()> {
        let (Signal::Acked { lease, .. } | Signal::Reset { lease, .. } | Signal::Failed { lease, .. }) =
            &signal;
        let Some(lane) = self.lanes.get_mut(&lease.partition).filter(|lane| lane.lease == *lease) else {
            return Ok(());
        };
        match signal {
            Signal::Acked { lease, marker } => {
                lane.acked = marker;
                self.member.commit(lease.partition, marker.next);
                if lane.paused && lane.unacked() < MAX_UNACKED / 2 {
                    lane.paused = false;
                    if !self.rests {
                        self.member.resume(lease.partition).await?;
                    }
                }
                self.out.emit(Feed::Acked { lease, marker }).await
            }
            Signal::Reset { lease, reason } => {
                let partition = lease.partition;
                tracing::warn!(reason, partition, "the partition begins again from its stored marker");
                metrics::counter!(PARTITION_RESETS, "dataflow" => self.source.settings.dataflow).increment(1);
                self.begin(partition, true).await
            }
            Signal::Failed { error, .. } if self.source.settings.until.is_some() => Err(error),
            Signal::Failed { lease, error } => self.stop_partition(lease, &error).await,
        }
    }

    async fn follow(&mut self, event: MemberEvent) -> Result<()> {
        match event {
            MemberEvent::Assigned(partitions) => {
                for partition in partitions {
                    self.begin(partition, false).await?;
                }
            }
            MemberEvent::Revoked(partitions) => {
                for partition in partitions {
                    if self.stopped.remove(&partition).is_some() {
                        self.source.troubles.gone(self.source.settings.dataflow, partition);
                    }
                    if let Some(lane) = self.lanes.remove(&partition) {
                        self.out.emit(Feed::End { lease: lane.lease }).await?;
                    }
                }
            }
            MemberEvent::Records(run) => self.hand_on(run).await?,
        }
        Ok(())
    }

    /// Starts a partition at its stored marker; `again` where that is not the one that was written last.
    async fn begin(&mut self, partition: u32, again: bool) -> Result<()> {
        self.generation += 1;
        let lease = Lease { partition, generation: self.generation };
        let Some(marker) = self.source.unless_stopped(self.source.place_to_begin(partition, again)).await?
        else {
            // The loop ends next; nothing of the partition is handed on any more.
            self.lanes.remove(&partition);
            return Ok(());
        };
        self.out.emit(Feed::Begin { lease, marker }).await?;
        // A start may meet a log that is away for a moment, and may be made again.
        let mut backoff = Backoff::of_an_edge(&self.source.runtime);
        while let Err(error) = self.member.start(partition, marker.next).await {
            if !error.retry {
                return Err(error);
            }
            note("log", &error);
            if self.source.unless_stopped(backoff.paused()).await?.is_none() {
                return Ok(());
            }
        }
        // It may have been paused under the lease before.
        match self.rests {
            true => self.member.pause(partition).await?,
            false => self.member.resume(partition).await?,
        }
        let lane = Lane { lease, delivered: marker.next, acked: marker, paused: false };
        self.lanes.insert(partition, lane);
        tracing::info!(tag = %self.source.tag(partition), next = marker.next.0, "partition begins");
        Ok(())
    }

    /// Lets all partitions rest, or those go on that have room for more.
    async fn rest(&mut self, rests: bool) -> Result<()> {
        self.rests = rests;
        let dataflow = self.source.settings.dataflow;
        tracing::info!(dataflow, "{}", if rests { "rests until it is told to go on" } else { "goes on" });
        for (partition, lane) in &self.lanes {
            match (rests, lane.paused) {
                (true, _) => self.member.pause(*partition).await?,
                (false, false) => self.member.resume(*partition).await?,
                (false, true) => {}
            }
        }
        Ok(())
    }

    /// Lets a partition stand still, to be tried again later.
    async fn stop_partition(&mut self, lease: Lease, error: &EngineError) -> Result<()> {
        let partition = lease.partition;
        let tag = self.source.tag(partition);
        tracing::error!(%tag, %error, "the partition stands still until this is mended; the others go on");
        self.source.troubles.stopped(self.source.settings.dataflow, partition, error.to_string());
        self.lanes.remove(&partition);
        self.member.pause(partition).await?;
        let first = || Stopped {
            again: Timestamp(0),
            backoff: Backoff::new(&self.source.runtime, FIRST_STAND, LONGEST_STAND),
        };
        let stopped = self.stopped.entry(partition).or_insert_with(first);
        stopped.again = Timestamp(self.source.runtime.now().0 + stopped.backoff.draw().as_millis() as i64);
        self.out.emit(Feed::End { lease }).await
    }

    async fn hand_on(&mut self, mut run: RecordRun) -> Result<()> {
        let partition = run.partition;
        let Some(lane) = self.lanes.get_mut(&partition) else { return Ok(()) };
        debug_assert!(
            run.records.first().is_none_or(|record| record.offset >= lane.delivered),
            "records come in order"
        );
        let until = self.source.until(partition);
        if let Some(until) = until {
            run.records.retain(|record| record.offset < until);
            run.next = run.next.min(until);
        }
        if run.next <= lane.delivered {
            lane.paused = true;
            return self.member.pause(partition).await;
        }
        lane.delivered = run.next;
        metrics::counter!(RECORDS_READ, "dataflow" => self.source.settings.dataflow)
            .increment(run.records.len() as u64);
        self.out.emit(Feed::Data { lease: lane.lease, data: run }).await?;
        if let Some(until) = until.filter(|until| lane.delivered >= *until) {
            // Nothing more comes that could fill the window.
            self.out.emit(Feed::Hurry { partition, until }).await?;
        }
        if !lane.paused && lane.unacked() > MAX_UNACKED {
            lane.paused = true;
            self.member.pause(partition).await?;
        }
        Ok(())
    }

    fn reached_end(&self) -> bool {
        let Some(until) = &self.source.settings.until else { return false };
        until.iter().zip(0..).all(|(until, partition)| match self.lanes.get(&partition) {
            Some(lane) => lane.acked.next >= *until,
            None => self.reached_elsewhere.contains(&partition),
        })
    }

    /// What is done now and then: metrics, markers that moved, partitions that stood still long enough, ends that others reached.
    async fn look_around(&mut self) -> Result<()> {
        measure_lag(&self.source, &self.lanes).await;
        for partition in moved_while_idle(&self.source, &self.lanes).await {
            self.begin(partition, true).await?;
        }
        let now = self.source.runtime.now();
        let due: Vec<u32> = self
            .stopped
            .iter()
            .filter(|(partition, stopped)| stopped.again <= now && !self.lanes.contains_key(partition))
            .map(|(partition, _)| *partition)
            .collect();
        for partition in due {
            self.begin(partition, true).await?;
        }
        self.note_mended();
        if let Some(until) = &self.source.settings.until {
            for (until, partition) in until.iter().zip(0..) {
                if self.lanes.contains_key(&partition) || self.reached_elsewhere.contains(&partition) {
                    continue;
                }
                let read = self.source.store.read(&self.source.tag(partition), &[], &[]).await;
                // A store that is out of reach is asked again the next time.
                if read.is_ok_and(|found| found.marker.is_some_and(|marker| marker.next >= *until)) {
                    self.reached_elsewhere.insert(partition);
                }
            }
        }
        Ok(())
    }

    /// A partition that stood still and has written since is mended.
    fn note_mended(&mut self) {
        let lanes = &self.lanes;
        let mended: Vec<u32> = self
            .stopped
            .keys()
            .copied()
            .filter(|partition| lanes.get(partition).is_some_and(|lane| lane.unacked() == 0))
            .collect();
        for partition in mended {
            self.stopped.remove(&partition);
            self.source.troubles.gone(self.source.settings.dataflow, partition);
            tracing::info!(tag = %self.source.tag(partition), "the partition goes on");
        }
    }
}

/// Tells the metrics how far each partition's marker is behind the log.
async fn measure_lag(source: &PartitionedSource, lanes: &BTreeMap<u32, Lane>) {
    // A log that is slow or out of reach is reported by whoever needs it.
    let asked = source.runtime.timeout(LAG_LIMIT, source.log.bounds(&source.settings.topic)).await;
    let Some(Ok(bounds)) = asked else { return };
    for (partition, lane) in lanes {
        let Some(bounds) = bounds.get(*partition as usize) else { continue };
        let lag = bounds.end.0.saturating_sub(lane.acked.next.0);
        metrics::gauge!(LAG, "dataflow" => source.settings.dataflow, "partition" => partition.to_string())
            .set(lag as f64);
    }
}

/// Partitions of which nothing is under way and whose stored marker is not the one that was last acknowledged: the store forgot,
/// or another worker wrote.
async fn moved_while_idle(source: &PartitionedSource, lanes: &BTreeMap<u32, Lane>) -> Vec<u32> {
    let mut moved = Vec::new();
    for (partition, lane) in lanes.iter().filter(|(_, lane)| lane.unacked() == 0) {
        let tag = source.tag(*partition);
        // A store that is out of reach is no news: the next write waits for it. What is slow now is looked at the next time.
        let Some(found) = source.runtime.timeout(LOOK_LIMIT, source.store.read(&tag, &[], &[])).await else {
            break;
        };
        if let Ok(snapshot) = found
            && snapshot.marker != Some(lane.acked)
        {
            tracing::warn!(%tag, expected = %lane.acked, "the stored marker moved while the partition was idle");
            moved.push(*partition);
        }
    }
    moved
}
