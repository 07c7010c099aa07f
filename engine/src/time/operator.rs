//! The fold into windows as an operator.

use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use abovefold_schemas::Marker;
use bytes::Bytes;
use futures::TryStreamExt;

use super::{
    aggregate::Aggregate,
    late::{LateEvent, LateOutput},
    open_windows::{OpenWindows, TimedEvent, Verdict},
    window::Windowing,
};
use crate::{
    error::{EngineError, Result},
    feed::{Epoch, Feed, Feedback, Lease, Signal},
    metrics::{EVENTS_LATE, OPEN_WINDOWS},
    operator::{Emitter, Operator},
    retry::persist,
    runtime::Runtime,
    state::{EpochWrite, StateStore, Tag, Value},
};

/// What a [`WindowFold`] stands on.
#[derive(Debug)]
pub struct WindowFoldSettings {
    /// The name of the windows, which tells them from others in the same namespace; of `a-z`, `0-9`, `-` and `_`.
    pub name: &'static str,
    /// What they are.
    pub windowing: Windowing,
    /// Where their values lie.
    pub namespace: String,
    /// The store.
    pub store: Arc<dyn StateStore>,
    /// Where late events go; they are only counted without.
    pub late: Option<Arc<dyn LateOutput>>,
    /// The way back to the source.
    pub feedback: Feedback,
    /// Clock and tasks.
    pub runtime: Runtime,
}

/// Folds epochs of events into windows, and hands on what the store has to write.
///
/// `E` finds the events in what an epoch holds, in the order of the log; what it leaves out folds to nothing. It has to be pure.
/// A partition's windows are loaded when its lease begins, and dropped when it is void. Windows that do not parse, or late events that are refused for
/// good, stop their partition alone.
pub struct WindowFold<T, A: Aggregate, E> {
    settings: WindowFoldSettings,
    events_of: E,
    partitions: BTreeMap<u32, Holding<A>>,
    takes: PhantomData<fn(T)>,
}

/// A partition that is ours, and its windows as of the marker.
#[derive(Debug)]
struct Holding<A> {
    lease: Lease,
    marker: Marker,
    windows: OpenWindows<A>,
}

impl<T, A: Aggregate, E> fmt::Debug for WindowFold<T, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowFold")
            .field("settings", &self.settings)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

impl<T, A, E> WindowFold<T, A, E>
where
    T: Send + 'static,
    A: Aggregate,
    E: Fn(&T) -> Vec<TimedEvent<A::Item>> + Send + 'static,
{
    /// A fold into windows of what `events_of` finds.
    ///
    /// # Errors
    /// When the windowing makes no windows, or the name is none.
    pub fn new(settings: WindowFoldSettings, events_of: E) -> Result<Self> {
        OpenWindows::<A>::new(settings.name, settings.windowing)?;
        Ok(Self { settings, events_of, partitions: BTreeMap::new(), takes: PhantomData })
    }

    async fn begin(&mut self, lease: Lease, marker: Marker) {
        self.partitions.remove(&lease.partition);
        let loading = || self.load(lease.partition, marker);
        let signal = match persist(&self.settings.runtime, "state", loading).await {
            Ok(Ok(windows)) => {
                self.partitions.insert(lease.partition, Holding { lease, marker, windows });
                return;
            }
            Ok(Err(reason)) => Signal::Reset { lease, reason },
            Err(error) => Signal::Failed { lease, error },
        };
        self.tell(signal);
    }

    /// The source may have stopped already, and then nothing more is folded.
    fn tell(&self, signal: Signal) {
        self.settings.feedback.send(signal).ok();
    }

    /// The windows of a partition as of its marker, or why the marker is no longer that.
    async fn load(&self, partition: u32, marker: Marker) -> Result<Result<OpenWindows<A>, String>> {
        let WindowFoldSettings { name, windowing, namespace, store, .. } = &self.settings;
        let tag = Tag { namespace: namespace.clone(), partition };
        let before = store.read(&tag, &[], &[]).await?.marker;
        let values: Vec<(Bytes, Value)> = store.scan(&tag).try_collect().await?;
        // A scan is no consistent view: only a marker that stood still vouches for it.
        let after = store.read(&tag, &[], &[]).await?.marker;
        if before != Some(marker) || after != Some(marker) {
            return Ok(Err(format!("the marker of {tag} moved while its windows were loaded")));
        }
        OpenWindows::load(name, *windowing, values).map(Ok)
    }

    /// Folds an epoch; nothing where its lease is void. Whatever goes wrong for good stops the partition, and the source is told.
    async fn fold(&mut self, lease: Lease, epoch: Epoch<T>) -> Option<EpochWrite> {
        let mut held = self.partitions.remove(&lease.partition).filter(|held| held.lease == lease)?;
        match self.try_fold(&mut held, epoch).await {
            Ok(write) => {
                self.partitions.insert(lease.partition, held);
                Some(write)
            }
            Err(error) => {
                self.tell(Signal::Failed { lease, error });
                None
            }
        }
    }

    async fn try_fold(&self, held: &mut Holding<A>, epoch: Epoch<T>) -> Result<EpochWrite> {
        let (name, partition) = (self.settings.name, held.lease.partition);
        if held.marker != epoch.expected {
            let tried = format!("fold the windows {name} of partition {partition}");
            return Err(EngineError::ours(tried, "the epoch does not follow the one before"));
        }
        let mut late = Vec::new();
        for event in epoch.runs.iter().flat_map(|run| (self.events_of)(run)) {
            if let Verdict::Late { watermark } = held.windows.fold(&event) {
                let TimedEvent { offset, key, payload, .. } = event;
                late.push(LateEvent { partition, offset, key, watermark, payload });
            }
        }
        held.marker = epoch.target;
        let puts = held.windows.take_changes();
        metrics::gauge!(OPEN_WINDOWS, "windows" => name, "partition" => partition.to_string())
            .set(held.windows.len() as f64);
        metrics::counter!(EVENTS_LATE, "windows" => name).increment(late.len() as u64);
        if let Some(output) = self.settings.late.as_ref().filter(|_| !late.is_empty()) {
            output.send(late).await?;
        }
        let (expected, target) = (epoch.expected, epoch.target);
        Ok(EpochWrite { expected, target, puts, invalidated: Vec::new() })
    }
}

impl<T, A, E> Operator for WindowFold<T, A, E>
where
    T: Send + 'static,
    A: Aggregate,
    E: Fn(&T) -> Vec<TimedEvent<A::Item>> + Send + Sync + 'static,
{
    type In = Feed<Epoch<T>>;
    type Out = Feed<EpochWrite>;

    fn name(&self) -> &'static str {
        self.settings.name
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        match input {
            Feed::Data { lease, data } => match self.fold(lease, data).await {
                Some(write) => out.emit(Feed::Data { lease, data: write }).await,
                None => Ok(()),
            },
            Feed::Begin { lease, marker } => {
                self.begin(lease, marker).await;
                out.emit(Feed::Begin { lease, marker }).await
            }
            Feed::End { lease } => {
                self.partitions.remove(&lease.partition);
                out.emit(Feed::End { lease }).await
            }
            Feed::Acked { .. } | Feed::Hurry { .. } => Ok(()),
        }
    }
}
