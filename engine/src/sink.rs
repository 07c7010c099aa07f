//! The sink: one atomic call an epoch.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc;

use crate::{
    error::{EngineError, Result},
    feed::{Feed, Feedback, Lease, Signal},
    metrics::{EPOCH_BYTES, EPOCH_WRITE_SECONDS, EPOCHS_WRITTEN},
    operator::{Emitter, Operator},
    retry::persist,
    runtime::{Runtime, Task},
    state::{EpochWrite, StateStore, Tag, WriteOutcome},
};

/// Writes each epoch in one atomic call, partitions beside each other and the epochs of one partition in order, and tells the source.
///
/// A store that is out of reach is tried again until it is back: the partition waits, and nothing is dropped. A store that
/// has another marker than expected voids the lease, and so does one that refuses for good.
#[derive(Debug)]
pub struct EpochSink {
    name: &'static str,
    namespace: String,
    store: Arc<dyn StateStore>,
    feedback: Feedback,
    runtime: Runtime,
    writers: BTreeMap<u32, Writer>,
}

#[derive(Debug)]
struct Writer {
    epochs: mpsc::Sender<(Lease, EpochWrite)>,
    task: Task<()>,
}

impl EpochSink {
    /// A sink into a namespace of a store. `dataflow` labels its metrics.
    pub fn new(
        dataflow: &'static str,
        namespace: &str,
        store: Arc<dyn StateStore>,
        feedback: Feedback,
        runtime: Runtime,
    ) -> Self {
        Self {
            name: dataflow,
            namespace: namespace.into(),
            store,
            feedback,
            runtime,
            writers: BTreeMap::new(),
        }
    }

    fn writer(&mut self, partition: u32) -> &mut Writer {
        self.writers.entry(partition).or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(2);
            let lane = Lane {
                dataflow: self.name,
                tag: Tag { namespace: self.namespace.clone(), partition },
                store: self.store.clone(),
                feedback: self.feedback.clone(),
                runtime: self.runtime.clone(),
            };
            Writer { epochs: sender, task: self.runtime.spawn(lane.run(receiver)) }
        })
    }
}

impl Operator for EpochSink {
    type In = Feed<EpochWrite>;
    type Out = ();

    fn name(&self) -> &'static str {
        "sink"
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(|epoch| epoch.target.next.0.saturating_sub(epoch.expected.next.0) as usize)
    }

    async fn handle(&mut self, input: Self::In, _out: &mut Emitter<()>) -> Result<()> {
        let Feed::Data { lease, data } = input else { return Ok(()) };
        let writer = self.writer(lease.partition);
        if writer.epochs.send((lease, data)).await.is_ok() {
            return Ok(());
        }
        self.writers.remove(&lease.partition);
        Err(EngineError::ours("write an epoch", "the writer of its partition stopped without a reason"))
    }

    async fn flush(&mut self, _out: &mut Emitter<()>) -> Result<()> {
        for (_, writer) in std::mem::take(&mut self.writers) {
            drop(writer.epochs);
            writer.task.await.map_err(|error| EngineError::ours("write the last epochs", error))?;
        }
        Ok(())
    }
}

/// The writes of one partition, in order.
struct Lane {
    dataflow: &'static str,
    tag: Tag,
    store: Arc<dyn StateStore>,
    feedback: Feedback,
    runtime: Runtime,
}

impl Lane {
    async fn run(self, mut epochs: mpsc::Receiver<(Lease, EpochWrite)>) {
        let mut void = None;
        while let Some((lease, epoch)) = epochs.recv().await {
            if void == Some(lease) {
                continue;
            }
            tracing::debug!(tag = %self.tag, target = epoch.target.next.0, "epoch write begins");
            let outcome = self.write(&epoch).await;
            tracing::debug!(tag = %self.tag, target = epoch.target.next.0, "epoch write ends");
            let signal = match outcome {
                Ok(WriteOutcome::Applied) => Signal::Acked { lease, marker: epoch.target },
                Ok(WriteOutcome::Conflict(found)) => {
                    let found = found.map_or("none".into(), |marker| marker.to_string());
                    let reason = format!("{} has marker {found}, expected {}", self.tag, epoch.expected);
                    Signal::Reset { lease, reason }
                }
                Err(error) => Signal::Failed { lease, error },
            };
            if !matches!(signal, Signal::Acked { .. }) {
                void = Some(lease);
            }
            // The source may have stopped already; what is written stays written.
            self.feedback.send(signal).ok();
        }
    }

    /// Writes an epoch, again and again while the store is out of reach. A write that was done although its answer was lost is found done.
    async fn write(&self, epoch: &EpochWrite) -> Result<WriteOutcome> {
        let started = self.runtime.now();
        let outcome = persist(&self.runtime, "state", || self.store.write_epoch(&self.tag, epoch)).await?;
        let bytes: usize = epoch.puts.iter().filter_map(|put| Some(put.value.as_ref()?.bytes.len())).sum();
        metrics::counter!(EPOCHS_WRITTEN, "dataflow" => self.dataflow).increment(1);
        metrics::counter!(EPOCH_BYTES, "dataflow" => self.dataflow).increment(bytes as u64);
        let seconds = self.runtime.now().millis_since(started) as f64 / 1e3;
        metrics::histogram!(EPOCH_WRITE_SECONDS, "dataflow" => self.dataflow).record(seconds);
        Ok(outcome)
    }
}
