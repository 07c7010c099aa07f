//! The processing-time window: when an epoch is cut. It decides nothing about what is folded.

use std::{collections::BTreeMap, collections::VecDeque, time::Duration};

use abovefold_schemas::{Marker, Offset, Timestamp};

use crate::{
    error::Result,
    feed::{Epoch, Feed, Lease, Run},
    meter::Held,
    metrics::EPOCH_RECORDS,
    operator::{Emitter, Operator},
    runtime::Runtime,
};

/// Partitions whose windows close at different times.
const PHASES: u32 = 8;

/// When a tumbling window closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSettings {
    /// Its length; zero cuts as soon as the call before is done.
    pub length: Duration,
    /// It closes early at this many records.
    pub max_records: usize,
    /// The most records of an epoch where more have come while the one before was under way; less than `max_records` counts as that many.
    pub backlog_records: usize,
}

impl Default for WindowSettings {
    /// 5 s, or 256 records: with 12 KB a reader that is 3 MB an epoch, beyond which a Redis script gets slower than pipelining.
    fn default() -> Self {
        Self { length: Duration::from_secs(5), max_records: 256, backlog_records: 0 }
    }
}

impl WindowSettings {
    fn most(&self) -> usize {
        self.max_records.max(self.backlog_records)
    }
}

/// Cuts epochs: a tumbling window in processing time, one a partition, closed early when it is full or somebody waits.
///
/// A partition has one epoch under way; what arrives meanwhile joins the next.
#[derive(Debug)]
pub struct TumblingWindow<T> {
    settings: WindowSettings,
    runtime: Runtime,
    lanes: BTreeMap<u32, Lane<T>>,
}

#[derive(Debug)]
struct Lane<T> {
    lease: Lease,
    /// The target of the last epoch that was cut.
    marker: Marker,
    pending: VecDeque<T>,
    pending_records: usize,
    opened: Option<Timestamp>,
    /// Its first window is shorter by this, so that partitions that begin together do not all cut at once.
    ahead: Duration,
    under_way: Option<Offset>,
    wanted: Option<Offset>,
}

impl<T: Run> TumblingWindow<T> {
    /// A window over each partition that comes.
    pub fn new(settings: WindowSettings, runtime: Runtime) -> Self {
        Self { settings, runtime, lanes: BTreeMap::new() }
    }

    fn closes_at(&self, lane: &Lane<T>) -> Option<Timestamp> {
        if lane.under_way.is_some() {
            return None;
        }
        let length = self.settings.length.saturating_sub(lane.ahead);
        lane.opened.map(|opened| Timestamp(opened.0 + length.as_millis() as i64))
    }

    fn is_due(&self, lane: &Lane<T>, now: Timestamp) -> bool {
        lane.under_way.is_none()
            && !lane.pending.is_empty()
            && (lane.pending_records >= self.settings.max_records
                || lane.wanted.is_some()
                || self.closes_at(lane).is_some_and(|moment| moment <= now))
    }

    async fn cut_if_due(&mut self, partition: u32, out: &mut Emitter<Feed<Epoch<T>>>) -> Result<()> {
        let now = self.runtime.now();
        let most = self.settings.most();
        if !self.lanes.get(&partition).is_some_and(|lane| self.is_due(lane, now)) {
            return Ok(());
        }
        let Some(lane) = self.lanes.get_mut(&partition) else { return Ok(()) };
        let epoch = lane.cut(most, now);
        lane.under_way = Some(epoch.target.next);
        let lease = lane.lease;
        out.emit(Feed::Data { lease, data: epoch }).await
    }
}

impl<T: Run> Lane<T> {
    /// Takes up to `most` records off the front.
    fn cut(&mut self, most: usize, now: Timestamp) -> Epoch<T> {
        let mut runs = Vec::new();
        let mut room = most;
        while let Some(mut run) = self.pending.pop_front() {
            if room == 0 && run.records() > 0 {
                self.pending.push_front(run);
                break;
            }
            if run.records() > room {
                let front = run.take_front(room);
                self.pending.push_front(run);
                run = front;
            }
            room -= run.records();
            runs.push(run);
        }
        let taken = most - room;
        self.pending_records -= taken;
        metrics::histogram!(EPOCH_RECORDS).record(taken as f64);
        let next = runs.last().expect("a window is cut only when it holds a run").next();
        // Where only offsets were passed, the last record stays what it was.
        let last = runs.iter().rev().find_map(Run::last).or(self.marker.last);
        let target = Marker { last, ..Marker::start(next) };
        let epoch = Epoch { expected: self.marker, target, runs };
        self.marker = target;
        self.ahead = Duration::ZERO;
        self.wanted = self.wanted.filter(|wanted| *wanted > target.next);
        // What is left has waited since some moment within the window that was cut; it joins the next one.
        self.opened = (!self.pending.is_empty()).then_some(now);
        epoch
    }
}

impl<T: Run> Operator for TumblingWindow<T> {
    type In = Feed<T>;
    type Out = Feed<Epoch<T>>;

    fn name(&self) -> &'static str {
        "window"
    }

    fn rows(&self, input: &Feed<T>) -> usize {
        input.rows(Run::records)
    }

    fn held(&self) -> Held {
        let open = self.lanes.values().filter(|lane| !lane.pending.is_empty());
        open.fold(Held::default(), |held, lane| Held {
            windows: held.windows + 1,
            rows: held.rows + lane.pending_records,
        })
    }

    async fn handle(&mut self, input: Feed<T>, out: &mut Emitter<Self::Out>) -> Result<()> {
        let partition = match input {
            Feed::Begin { lease, marker } => {
                let lane = Lane {
                    lease,
                    marker,
                    pending: VecDeque::new(),
                    pending_records: 0,
                    opened: None,
                    ahead: self.settings.length * (lease.partition % PHASES) / PHASES,
                    under_way: None,
                    wanted: None,
                };
                self.lanes.insert(lease.partition, lane);
                return out.emit(Feed::Begin { lease, marker }).await;
            }
            Feed::End { lease } => {
                self.lanes.remove(&lease.partition);
                return out.emit(Feed::End { lease }).await;
            }
            Feed::Data { lease, data } => {
                let now = self.runtime.now();
                if let Some(lane) = self.lanes.get_mut(&lease.partition).filter(|lane| lane.lease == lease) {
                    lane.pending_records += data.records();
                    lane.pending.push_back(data);
                    lane.opened.get_or_insert(now);
                }
                lease.partition
            }
            Feed::Acked { lease, marker } => {
                if let Some(lane) = self.lanes.get_mut(&lease.partition).filter(|lane| lane.lease == lease) {
                    lane.under_way = lane.under_way.filter(|target| *target > marker.next);
                }
                lease.partition
            }
            Feed::Hurry { partition, until } => {
                if let Some(lane) = self.lanes.get_mut(&partition).filter(|lane| lane.marker.next < until) {
                    lane.wanted = lane.wanted.max(Some(until));
                }
                partition
            }
        };
        self.cut_if_due(partition, out).await
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.lanes.values().filter_map(|lane| self.closes_at(lane)).min()
    }

    async fn alarm(&mut self, out: &mut Emitter<Self::Out>) -> Result<()> {
        let partitions: Vec<u32> = self.lanes.keys().copied().collect();
        for partition in partitions {
            self.cut_if_due(partition, out).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, out: &mut Emitter<Self::Out>) -> Result<()> {
        let now = self.runtime.now();
        let most = self.settings.most();
        for lane in self.lanes.values_mut() {
            while !lane.pending.is_empty() {
                let epoch = lane.cut(most, now);
                out.emit(Feed::Data { lease: lane.lease, data: epoch }).await?;
            }
        }
        Ok(())
    }
}
