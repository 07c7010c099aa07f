//! A dataflow: operators as tasks, joined by bounded channels.

use std::{fmt, future::Future, sync::Arc};

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use tokio::sync::{mpsc, oneshot};

use crate::graph::{Graph, Node};
use crate::meter::{EdgeMeter, NodeMeter, Watched};
use crate::{
    error::{EngineError, Result},
    operator::{Emitter, NEXT_HAS_STOPPED, Operator},
    runtime::{Runtime, Task, TaskError},
};

/// Messages that wait between two operators before the first of them waits too.
pub const CHANNEL_CAPACITY: usize = 16;

/// A dataflow: described while it is built, then running.
///
/// Building starts nothing: what was built can be looked at ([`Dataflow::graph`]) and dropped without a trace. [`Dataflow::start`] runs each step
/// as a task; [`Dataflow::finish`] does so, too, and waits for the end. The dataflow ends when its sources end (each operator then flushes, in
/// order), or at the first error, which stops all of it. Dropped while it runs, it stops where it is, as a crash would.
pub struct Dataflow {
    graph: Graph,
    /// The counters of what each node emits, and of what it holds.
    meters: Vec<Meters>,
    runtime: Runtime,
    /// Steps that were not started yet.
    steps: Vec<BoxFuture<'static, Result<()>>>,
    tasks: Vec<Task<()>>,
    failures: (mpsc::UnboundedSender<EngineError>, mpsc::UnboundedReceiver<EngineError>),
}

/// The counters of what goes into a step, and of what it holds.
pub(crate) type Meters = (Arc<EdgeMeter>, Arc<NodeMeter>);

/// The output of a step, to which the next one is joined.
#[derive(Debug)]
pub struct Stage<T> {
    node: usize,
    meter: Arc<EdgeMeter>,
    receiver: mpsc::Receiver<T>,
}

impl fmt::Debug for Dataflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataflow")
            .field("graph", &self.graph)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Dataflow {
    /// An empty dataflow.
    pub fn new(name: &str, runtime: Runtime) -> Self {
        let graph = Graph { name: name.into(), ..Graph::default() };
        let (meters, steps, tasks) = (Vec::new(), Vec::new(), Vec::new());
        Self { graph, meters, runtime, steps, tasks, failures: mpsc::unbounded_channel() }
    }

    /// What it is made of.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What it is made of, with the counters of its steps, which go on counting.
    pub fn watched(&self) -> Watched {
        let graph = self.graph.clone();
        let edges = graph.edges.iter().map(|(from, _)| self.meters[*from].0.clone()).collect();
        let nodes = self.meters.iter().map(|(_, node)| node.clone()).collect();
        Watched { graph, edges, nodes }
    }

    /// Adds a source: a stream, whose end ends the dataflow and whose error stops it.
    pub fn source<T: Send + 'static>(
        &mut self,
        name: &'static str,
        stream: impl Stream<Item = Result<T>> + Send + 'static,
    ) -> Stage<T> {
        let (mut out, stage) = self.stage(Node::source::<T>(name), None);
        self.step(async move {
            let mut stream = std::pin::pin!(stream);
            while let Some(message) = stream.next().await {
                out.emit(message?).await?;
            }
            Ok(())
        });
        stage
    }

    /// Adds a source that owns its loop.
    pub fn source_loop<T, F>(&mut self, name: &'static str, run: impl FnOnce(Emitter<T>) -> F) -> Stage<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (out, stage) = self.stage(Node::source::<T>(name), None);
        self.step(run(out));
        stage
    }

    /// Starts the steps as tasks, those that run already excepted. Must be called inside a tokio runtime.
    pub fn start(&mut self) {
        for step in std::mem::take(&mut self.steps) {
            let report = self.report();
            self.tasks.push(self.runtime.spawn(async move {
                let outcome = step.await;
                report.send(outcome);
            }));
        }
    }

    /// Starts what does not run yet, and waits until every task has ended.
    ///
    /// # Errors
    /// The first error of any step; all steps are stopped then.
    pub async fn finish(mut self) -> Result<()> {
        self.start();
        // Only the tasks hold a sender from now on: the channel ends when the last of them does.
        self.failures.0 = mpsc::unbounded_channel().0;
        let first = self.failures.1.recv().await;
        if first.is_some() {
            self.abort();
        }
        let mut panicked = false;
        for task in &mut self.tasks {
            panicked |= task.await == Err(TaskError::Panicked);
        }
        self.tasks.clear();
        if panicked {
            return Err(panic_of(&self.graph.name));
        }
        let Some(first) = first else { return Ok(()) };
        if first.reason != NEXT_HAS_STOPPED {
            return Err(first);
        }
        // A step may hear that the next one has stopped before that one has said why.
        let cause = std::iter::from_fn(|| self.failures.1.try_recv().ok())
            .find(|error| error.reason != NEXT_HAS_STOPPED);
        Err(cause.unwrap_or(first))
    }

    fn abort(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    /// The clock and tasks of its steps.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where a task that belongs to a step says how it ended.
    pub(crate) fn report(&self) -> Report {
        Report { failures: self.failures.0.clone(), dataflow: self.graph.name.clone() }
    }

    /// The stage after another one, with the counters of what goes in and of what is held.
    pub(crate) fn next_stage<T, U>(
        &mut self,
        node: Node,
        before: &Stage<T>,
    ) -> (Emitter<U>, Stage<U>, Meters) {
        let (out, stage) = self.stage(node, Some(before.node));
        let meters = (before.meter.clone(), self.meters[stage.node].1.clone());
        (out, stage, meters)
    }

    fn stage<T>(&mut self, node: Node, from: Option<usize>) -> (Emitter<T>, Stage<T>) {
        let place = self.graph.nodes.len();
        self.graph.nodes.push(node);
        self.graph.edges.extend(from.map(|from| (from, place)));
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        let meter = Arc::new(EdgeMeter::new(CHANNEL_CAPACITY));
        self.meters.push((meter.clone(), Arc::default()));
        let emitter = Emitter::metered(sender, meter.clone(), self.runtime.clone());
        (emitter, Stage { node: place, meter, receiver })
    }

    pub(crate) fn step(&mut self, run: impl Future<Output = Result<()>> + Send + 'static) {
        self.steps.push(run.boxed());
    }
}

/// What a step says of its end; of a panic, too, so that the others do not wait for ever for one that is gone.
#[derive(Clone)]
pub(crate) struct Report {
    failures: mpsc::UnboundedSender<EngineError>,
    dataflow: String,
}

impl Report {
    pub(crate) fn send(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            // Nobody listens any more only where the dataflow was dropped.
            self.failures.send(error).ok();
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.send(Err(panic_of(&self.dataflow)));
        }
    }
}

fn panic_of(dataflow: &str) -> EngineError {
    EngineError::ours(format!("run dataflow {dataflow}"), "an operator panicked")
}

impl Drop for Dataflow {
    fn drop(&mut self) {
        self.abort();
    }
}

impl<T: Send + 'static> Stage<T> {
    /// Joins an operator that takes what this step emits.
    pub fn then<O: Operator<In = T>>(self, flow: &mut Dataflow, operator: O) -> Stage<O::Out> {
        let node = Node::operator::<T, O::Out>(operator.name());
        self.join(flow, node, operator)
    }

    /// Joins a last operator, which emits nothing.
    pub fn sink<O: Operator<In = T, Out = ()>>(self, flow: &mut Dataflow, operator: O) {
        let node = Node::sink::<T>(operator.name());
        let mut stage = self.join(flow, node, operator);
        flow.step(async move {
            while stage.receiver.recv().await.is_some() {}
            Ok(())
        });
    }

    /// Gathers everything that this step emits, until the dataflow ends.
    pub fn collect(mut self, flow: &mut Dataflow) -> oneshot::Receiver<Vec<T>> {
        let (sender, receiver) = oneshot::channel();
        flow.step(async move {
            let mut all = Vec::new();
            while let Some(message) = self.receiver.recv().await {
                all.push(message);
            }
            // Nobody may want to know.
            sender.send(all).ok();
            Ok(())
        });
        receiver
    }

    /// The messages as a stream. It yields none before the dataflow is started.
    pub fn into_stream(mut self) -> impl Stream<Item = T> + Send {
        futures::stream::poll_fn(move |context| self.receiver.poll_recv(context))
    }

    /// Its messages, for the step that takes them.
    pub(crate) fn into_receiver(self) -> mpsc::Receiver<T> {
        self.receiver
    }

    fn join<O: Operator<In = T>>(self, flow: &mut Dataflow, node: Node, operator: O) -> Stage<O::Out> {
        let (out, stage, meters) = flow.next_stage(node, &self);
        flow.step(run_operator(operator, self.receiver, out, meters, flow.runtime.clone()));
        stage
    }
}

pub(crate) async fn run_operator<O: Operator>(
    mut operator: O,
    mut input: mpsc::Receiver<O::In>,
    mut out: Emitter<O::Out>,
    (edge, node): Meters,
    runtime: Runtime,
) -> Result<()> {
    let name = operator.name();
    operator.start(&runtime).await?;
    loop {
        let deadline = operator.deadline();
        let alarm = async {
            match deadline {
                Some(moment) => runtime.sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = alarm => operator.alarm(&mut out).await?,
            message = input.recv() => match message {
                Some(message) => {
                    edge.taken(operator.rows(&message));
                    metrics::gauge!(crate::metrics::QUEUE_FILL, "operator" => name).set(input.len() as f64);
                    operator.handle(message, &mut out).await?;
                }
                None => return operator.flush(&mut out).await,
            },
        }
        node.holds(operator.held());
    }
}
