//! A dataflow: operators as tasks, joined by bounded channels.

use std::{fmt::Write, future::Future};

use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::{EngineError, Result},
    operator::{Emitter, Operator},
    runtime::{Runtime, Task, TaskError},
};

/// Messages that wait between two operators before the first of them waits too.
pub const CHANNEL_CAPACITY: usize = 16;

/// The operators of a dataflow and what joins them, for people and for the operations page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The dataflow's name.
    pub name: String,
    /// Its steps, sources first.
    pub nodes: Vec<String>,
    /// From which node to which, by their place in `nodes`.
    pub edges: Vec<(usize, usize)>,
}

impl Graph {
    /// The graph in lines such as `source -> decode -> window`.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}:", self.name);
        for (place, node) in self.nodes.iter().enumerate() {
            let arrow = if self.edges.iter().any(|(_, to)| *to == place) { " -> " } else { " " };
            write!(text, "{arrow}{node}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// A dataflow under construction, then running: tasks start as they are added.
///
/// It ends when its sources end (each operator then flushes, in order), or at the first error, which stops all of it.
#[derive(Debug)]
pub struct Dataflow {
    graph: Graph,
    runtime: Runtime,
    tasks: Vec<Task<()>>,
    failures: (mpsc::UnboundedSender<EngineError>, mpsc::UnboundedReceiver<EngineError>),
}

/// The output of a step, to which the next one is joined.
#[derive(Debug)]
pub struct Stage<T> {
    node: usize,
    receiver: mpsc::Receiver<T>,
}

impl Dataflow {
    /// An empty dataflow.
    pub fn new(name: &str, runtime: Runtime) -> Self {
        let graph = Graph { name: name.into(), ..Graph::default() };
        Self { graph, runtime, tasks: Vec::new(), failures: mpsc::unbounded_channel() }
    }

    /// What it is made of.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Adds a source: a stream, whose end ends the dataflow and whose error stops it.
    pub fn source<T: Send + 'static>(
        &mut self,
        name: &'static str,
        stream: impl Stream<Item = Result<T>> + Send + 'static,
    ) -> Stage<T> {
        let (sender, stage) = self.stage(name, None);
        self.task(async move {
            let mut stream = std::pin::pin!(stream);
            let mut out = Emitter::new(sender);
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
        let (sender, stage) = self.stage(name, None);
        let run = run(Emitter::new(sender));
        self.task(run);
        stage
    }

    /// Waits until every task has ended.
    ///
    /// # Errors
    /// The first error of any step; all steps are stopped then.
    pub async fn finish(self) -> Result<()> {
        let (sender, mut failures) = self.failures;
        drop(sender);
        let first = failures.recv().await;
        if first.is_some() {
            for task in &self.tasks {
                task.abort();
            }
        }
        for task in self.tasks {
            match task.await {
                Err(TaskError::Panicked) => {
                    return Err(EngineError::ours(
                        format!("run dataflow {}", self.graph.name),
                        "an operator panicked",
                    ));
                }
                _ => {}
            }
        }
        first.map_or(Ok(()), Err)
    }

    fn stage<T>(&mut self, name: &'static str, from: Option<usize>) -> (mpsc::Sender<T>, Stage<T>) {
        let node = self.graph.nodes.len();
        self.graph.nodes.push(name.into());
        self.graph.edges.extend(from.map(|from| (from, node)));
        let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
        (sender, Stage { node, receiver })
    }

    fn task(&mut self, run: impl Future<Output = Result<()>> + Send + 'static) {
        let failures = self.failures.0.clone();
        self.tasks.push(self.runtime.spawn(async move {
            if let Err(error) = run.await {
                // Nobody listens any more only where another step failed first.
                failures.send(error).ok();
            }
        }));
    }
}

impl<T: Send + 'static> Stage<T> {
    /// Joins an operator that takes what this step emits.
    pub fn then<O: Operator<In = T>>(self, flow: &mut Dataflow, operator: O) -> Stage<O::Out> {
        let (sender, stage) = flow.stage(operator.name(), Some(self.node));
        let runtime = flow.runtime.clone();
        flow.task(run_operator(operator, self.receiver, Emitter::new(sender), runtime));
        stage
    }

    /// Joins a last operator, which emits nothing.
    pub fn sink<O: Operator<In = T, Out = ()>>(self, flow: &mut Dataflow, operator: O) {
        let mut stage = self.then(flow, operator);
        flow.task(async move {
            while stage.receiver.recv().await.is_some() {}
            Ok(())
        });
    }

    /// Gathers everything that this step emits, until the dataflow ends.
    pub fn collect(mut self, flow: &mut Dataflow) -> oneshot::Receiver<Vec<T>> {
        let (sender, receiver) = oneshot::channel();
        flow.task(async move {
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

    /// The messages as a stream.
    pub fn into_stream(mut self) -> impl Stream<Item = T> + Send {
        futures::stream::poll_fn(move |context| self.receiver.poll_recv(context))
    }
}

async fn run_operator<O: Operator>(
    mut operator: O,
    mut input: mpsc::Receiver<O::In>,
    mut out: Emitter<O::Out>,
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
                    metrics::gauge!(crate::metrics::QUEUE_FILL, "operator" => name).set(input.len() as f64);
                    operator.handle(message, &mut out).await?;
                }
                None => return operator.flush(&mut out).await,
            },
        }
    }
}
