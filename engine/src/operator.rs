//! The operator: one step of a dataflow.

use std::{future::Future, sync::Arc};

use abovefold_schemas::Timestamp;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    error::{EngineError, Result},
    meter::{EdgeMeter, Held},
    runtime::Runtime,
};

/// One step of a dataflow, the same on the write path and on the read path.
///
/// It has a name, takes one message and may emit any number. Everything else is a hook with a default. What goes in and what comes out are
/// types, so that wiring steps wrongly does not compile. A step runs as a task of its own: it may keep state without locks, and while it works
/// its input waits in a bounded channel.
///
/// A new operator, whole:
///
/// ```
/// use abovefold_engine::{Dataflow, Emitter, Operator, Result, Runtime};
/// use futures::{StreamExt, stream};
///
/// /// Counts words, and says the total at the end.
/// #[derive(Default)]
/// struct CountWords {
///     words: usize,
/// }
///
/// impl Operator for CountWords {
///     type In = String;
///     type Out = usize;
///
///     fn name(&self) -> &'static str {
///         "count words"
///     }
///
///     async fn handle(&mut self, line: String, _out: &mut Emitter<usize>) -> Result<()> {
///         self.words += line.split_whitespace().count();
///         Ok(())
///     }
///
///     async fn flush(&mut self, out: &mut Emitter<usize>) -> Result<()> {
///         out.emit(self.words).await
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut flow = Dataflow::new("words", Runtime::real());
/// let lines = stream::iter(["a rose is", "a rose"]).map(|line| Ok(line.to_string()));
/// let totals = flow.source("lines", lines).then(&mut flow, CountWords::default());
/// let counted = totals.collect(&mut flow);
/// flow.finish().await?;
/// assert_eq!(counted.await.unwrap(), [5]);
/// # Ok::<(), abovefold_engine::EngineError>(()) }).unwrap();
/// ```
pub trait Operator: Send + 'static {
    /// What it takes.
    type In: Send + 'static;
    /// What it emits; `()` for a sink.
    type Out: Send + 'static;

    /// Its name in graphs, logs and metrics.
    fn name(&self) -> &'static str;

    /// Takes one message. Messages come in order; an error stops the dataflow.
    fn handle(
        &mut self,
        input: Self::In,
        out: &mut Emitter<Self::Out>,
    ) -> impl Future<Output = Result<()>> + Send;

    /// How many rows a message holds, for the metrics: a message is one unless told otherwise.
    fn rows(&self, _input: &Self::In) -> usize {
        1
    }

    /// What was taken in and waits to be handed on, for the metrics; asked after every message.
    fn held(&self) -> Held {
        Held::default()
    }

    /// Called once, before the first message.
    fn start(&mut self, _runtime: &Runtime) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// When [`Operator::alarm`] wants to be called; asked after every message.
    fn deadline(&self) -> Option<Timestamp> {
        None
    }

    /// Called once the deadline has passed.
    fn alarm(&mut self, _out: &mut Emitter<Self::Out>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Event time has come to `watermark` in a partition: nothing earlier is expected there.
    fn watermark(
        &mut self,
        _partition: u32,
        _watermark: Timestamp,
        _out: &mut Emitter<Self::Out>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Called once, after the last message: emits what is still held.
    fn flush(&mut self, _out: &mut Emitter<Self::Out>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// What this operator would need to go on elsewhere, beside what the state store holds.
    fn snapshot(&self) -> Option<Bytes> {
        None
    }

    /// Takes back what [`Operator::snapshot`] gave.
    ///
    /// # Errors
    /// When the bytes are none of its own.
    fn restore(&mut self, _snapshot: Bytes) -> Result<()> {
        Ok(())
    }
}

/// The reason that [`Emitter::emit`] gives: not a cause, but what a step sees of another one's failure.
pub(crate) const NEXT_HAS_STOPPED: &str = "it has stopped";

/// Where an operator puts what it makes.
#[derive(Debug)]
pub struct Emitter<T> {
    sender: mpsc::Sender<T>,
    meter: Option<(Arc<EdgeMeter>, Runtime)>,
}

impl<T> Clone for Emitter<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), meter: self.meter.clone() }
    }
}

impl<T> Emitter<T> {
    /// An emitter into a channel.
    pub fn new(sender: mpsc::Sender<T>) -> Self {
        Self { sender, meter: None }
    }

    /// An emitter into a channel whose counters are looked at.
    pub(crate) fn metered(sender: mpsc::Sender<T>, meter: Arc<EdgeMeter>, runtime: Runtime) -> Self {
        Self { sender, meter: Some((meter, runtime)) }
    }

    /// Hands a message on; waits while the next step is busy and its channel is full.
    ///
    /// # Errors
    /// When the next step has stopped.
    pub async fn emit(&mut self, message: T) -> Result<()> {
        let waits = self.meter.as_ref().filter(|_| self.sender.capacity() == 0);
        if let Some((meter, runtime)) = waits {
            meter.waits(runtime.now());
        }
        let sent = self.sender.send(message).await;
        if let Some((meter, runtime)) = waits {
            meter.waited(runtime.now());
        }
        if let Some((meter, _)) = &self.meter {
            meter.sent();
        }
        sent.map_err(|_| EngineError::ours("hand a message to the next operator", NEXT_HAS_STOPPED))
    }
}
