//! The intake: undecodable records to the dead letters, strays to their home. A small dataflow with a group and a marker of its own.
//!
//! It sends in order and moves its marker after the acknowledgements, so a crash repeats the last sends, a send that failed in part is made
//! again whole, and a late one may arrive in between. The readers of the dead letters tell a repeat by its origin. A home takes copies in turn
//! (see [`crate::fold::summary::counts`]): each names the stray before it from the same source to the same home, which the intake keeps beside
//! its marker, so that the same log gives the same copies whoever sends them.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{
    Emitter, EngineError, Epoch, Feed, Feedback, Lease, Operator, Result, Runtime, Signal,
    log::{Log, NewRecord, Record},
    retry::persist,
    state::{EpochWrite, Put, StateStore, Tag, Value},
};
use abovefold_schemas::{
    Kept, Marker, Offset,
    keys::chain_key,
    records::{AFTER_HEADER, DeadLetter, ORIGIN_HEADER},
    state::{IntakeChain, Origin},
};
use bytes::Bytes;

use crate::{
    metrics::{DEAD_LETTERS, STRAYS_PASSED_ON},
    misplaced::{LookedRun, Why},
};

/// The state namespace that holds the intake's markers. No fold lives there.
pub const INTAKE_NAMESPACE: &str = "intake";

/// What the intake stands on.
#[derive(Debug)]
pub struct IntakeContext {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Where its markers and chains are.
    pub store: Arc<dyn StateStore>,
    /// The topic of the events.
    pub topic: String,
    /// The topic of the dead letters.
    pub dead_letters: String,
    /// The way back to the source.
    pub feedback: Feedback,
    /// Clock.
    pub runtime: Runtime,
}

/// Passes on what does not belong where it is, then hands on an epoch that moves the marker and the chain.
#[derive(Debug)]
pub struct Intake {
    context: IntakeContext,
    lanes: BTreeMap<u32, Lane>,
}

/// A partition under a lease.
#[derive(Debug)]
struct Lane {
    lease: Lease,
    /// The last stray to each home, once it is loaded.
    chain: Option<BTreeMap<u32, u64>>,
}

/// What one epoch sends.
#[derive(Debug, Default)]
struct Outgoing {
    dead: Vec<NewRecord>,
    strays: Vec<NewRecord>,
    /// The offset after the last stray.
    changed: Option<Offset>,
}

impl Intake {
    /// An intake that has no partition yet.
    pub fn new(context: IntakeContext) -> Self {
        Self { context, lanes: BTreeMap::new() }
    }

    /// What has to be sent for one run, in order. The chain goes on with each stray.
    fn gather(&self, run: &LookedRun, chain: &mut BTreeMap<u32, u64>, outgoing: &mut Outgoing) {
        for misplaced in &run.misplaced {
            let (partition, record) = (run.read.partition, &misplaced.record);
            match &misplaced.why {
                Why::Dead(reason) => outgoing.dead.push(self.dead_letter(partition, record, reason)),
                Why::Stray { user_id, home } => {
                    let before = chain.insert(*home, record.offset.0);
                    outgoing.strays.push(stray(record, partition, *home, user_id, before));
                    outgoing.changed = Some(record.offset.next());
                }
            }
        }
    }

    fn dead_letter(&self, partition: u32, record: &Record, reason: &str) -> NewRecord {
        let letter = DeadLetter {
            topic: self.context.topic.clone(),
            partition,
            offset: record.offset.0,
            time: record.time.0,
            key: record.key.as_ref().map(|key| key.to_vec()),
            value: record.value.to_vec(),
            reason: reason.into(),
        };
        NewRecord::keyed(letter.id(), letter.to_kept())
    }

    /// Sends, and tries again for as long as the topic is out of reach: nothing is dropped.
    async fn send(&self, topic: &str, records: &[NewRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        persist(&self.context.runtime, "log", || self.context.log.append(topic, records.to_vec())).await?;
        Ok(())
    }

    /// The chain of a partition as it is stored; `None` where the store has another marker than the epoch expects.
    async fn load(&self, partition: u32, expected: Marker) -> Result<Option<BTreeMap<u32, u64>>> {
        let tag = Tag { namespace: INTAKE_NAMESPACE.into(), partition };
        let keys = [chain_key()];
        let read = || self.context.store.read(&tag, &keys, &[]);
        let snapshot = persist(&self.context.runtime, "state", read).await?;
        if snapshot.marker != Some(expected) {
            return Ok(None);
        }
        let Some(value) = snapshot.values.into_iter().flatten().next() else {
            return Ok(Some(BTreeMap::new()));
        };
        let chain = IntakeChain::from_kept(&value.bytes).map_err(|error| {
            EngineError::user(format!("read the intake's state of {tag}"), error.to_string())
        })?;
        Ok(Some(chain.last.into_iter().map(|last| (last.partition, last.offset)).collect()))
    }

    /// Sends what an epoch holds; nothing where the lease is void.
    async fn pass_on(&mut self, lease: Lease, epoch: &Epoch<LookedRun>) -> Result<Option<EpochWrite>> {
        let held = self.lanes.get_mut(&lease.partition).filter(|lane| lane.lease == lease);
        let Some(lane) = held else { return Ok(None) };
        let mut chain = match lane.chain.take() {
            Some(chain) => chain,
            None => match self.load(lease.partition, epoch.expected).await? {
                Some(chain) => chain,
                None => {
                    let reason = "the intake's marker is another one than expected".to_owned();
                    // The source may have stopped already, and then nothing more is passed on.
                    self.context.feedback.send(Signal::Reset { lease, reason }).ok();
                    return Ok(None);
                }
            },
        };
        let mut outgoing = Outgoing::default();
        for run in &epoch.runs {
            self.gather(run, &mut chain, &mut outgoing);
        }
        metrics::counter!(DEAD_LETTERS).increment(outgoing.dead.len() as u64);
        metrics::counter!(STRAYS_PASSED_ON).increment(outgoing.strays.len() as u64);
        self.send(&self.context.dead_letters, &outgoing.dead).await?;
        self.send(&self.context.topic, &outgoing.strays).await?;
        let puts = outgoing.changed.map(|version| put_of(&chain, version)).into_iter().collect();
        if let Some(lane) = self.lanes.get_mut(&lease.partition) {
            lane.chain = Some(chain);
        }
        let Epoch { expected, target, .. } = *epoch;
        Ok(Some(EpochWrite { expected, target, puts, invalidated: Vec::new() }))
    }
}

fn put_of(chain: &BTreeMap<u32, u64>, version: Offset) -> Put {
    let last = chain.iter().map(|(home, offset)| Origin { partition: *home, offset: *offset }).collect();
    let bytes = IntakeChain { last }.to_kept().into();
    Put { key: chain_key(), value: Some(Value { version, bytes }), mirrored: false }
}

fn stray(record: &Record, partition: u32, home: u32, user_id: &str, before: Option<u64>) -> NewRecord {
    let mut headers = record.headers.clone();
    let after = before.map_or_else(|| "first".to_owned(), |offset| offset.to_string());
    headers.push((ORIGIN_HEADER.into(), Bytes::from(format!("{partition}:{}", record.offset))));
    headers.push((AFTER_HEADER.into(), Bytes::from(after)));
    NewRecord {
        partition: Some(home),
        key: Some(Bytes::copy_from_slice(user_id.as_bytes())),
        value: record.value.clone(),
        headers,
        time: Some(record.time),
    }
}

impl Operator for Intake {
    type In = Feed<Epoch<LookedRun>>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        "intake"
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(Epoch::records)
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        match input {
            Feed::Data { lease, data: epoch } => match self.pass_on(lease, &epoch).await {
                Ok(Some(data)) => out.emit(Feed::Data { lease, data }).await,
                Ok(None) => Ok(()),
                Err(error) => {
                    self.lanes.remove(&lease.partition);
                    self.context.feedback.send(Signal::Failed { lease, error }).ok();
                    Ok(())
                }
            },
            Feed::Begin { lease, marker } => {
                self.lanes.insert(lease.partition, Lane { lease, chain: None });
                out.emit(Feed::Begin { lease, marker }).await
            }
            Feed::End { lease } => {
                self.lanes.remove(&lease.partition);
                out.emit(Feed::End { lease }).await
            }
            Feed::Acked { .. } | Feed::Hurry { .. } => Ok(()),
        }
    }
}
