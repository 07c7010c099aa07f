//! A step whose partitions are worked on beside each other: an operator and a task for each.
//!
//! What one partition waits for holds up no other, and several processors have something to do. The messages of one partition stay in their
//! order; those of several come out as they are done.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::{
    dataflow::{CHANNEL_CAPACITY, Dataflow, Meters, Report, Stage, run_operator},
    error::{EngineError, Result},
    feed::Feed,
    graph::Node,
    operator::{Emitter, NEXT_HAS_STOPPED, Operator},
    runtime::{Runtime, Task},
};

impl<T: Send + 'static> Stage<Feed<T>> {
    /// Joins an operator for each partition, made when the partition's first message comes. An error or a panic of one of them stops the
    /// dataflow.
    pub fn then_each<O: Operator<In = Feed<T>>>(
        self,
        flow: &mut Dataflow,
        name: &'static str,
        make: impl FnMut(u32) -> O + Send + 'static,
    ) -> Stage<O::Out> {
        let node = Node::operator::<Feed<T>, O::Out>(name);
        let (out, stage, meters) = flow.next_stage(node, &self);
        let (report, runtime) = (flow.report(), flow.runtime().clone());
        let lanes = Lanes { make, out, meters, report, runtime, running: BTreeMap::new() };
        flow.step(lanes.run(self.into_receiver()));
        stage
    }
}

/// The lanes of a step.
struct Lanes<O: Operator, F> {
    make: F,
    out: Emitter<O::Out>,
    meters: Meters,
    report: Report,
    runtime: Runtime,
    running: BTreeMap<u32, Lane<O::In>>,
}

struct Lane<T> {
    /// `None` once no more comes.
    input: Option<mpsc::Sender<T>>,
    task: Task<()>,
}

/// A lane stops where it is when its step does; one that has ended is not touched by that.
impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T, O, F> Lanes<O, F>
where
    T: Send + 'static,
    O: Operator<In = Feed<T>>,
    F: FnMut(u32) -> O,
{
    async fn run(mut self, mut input: mpsc::Receiver<Feed<T>>) -> Result<()> {
        while let Some(message) = input.recv().await {
            let partition = message.partition();
            if !self.running.contains_key(&partition) {
                let lane = self.lane(partition);
                self.running.insert(partition, lane);
            }
            let Some(lane) = self.running.get_mut(&partition) else { continue };
            let Some(input) = &lane.input else { continue };
            if input.send(message).await.is_err() {
                // It says itself why, before its end.
                (&mut lane.task).await.ok();
                return Err(EngineError::ours("hand a message to a lane", NEXT_HAS_STOPPED));
            }
        }
        self.running.values_mut().for_each(|lane| drop(lane.input.take()));
        for lane in self.running.values_mut() {
            // A panic is reported by the task itself.
            (&mut lane.task).await.ok();
        }
        Ok(())
    }

    fn lane(&mut self, partition: u32) -> Lane<O::In> {
        let (input, waiting) = mpsc::channel(CHANNEL_CAPACITY);
        let (out, meters, runtime) = (self.out.clone(), self.meters.clone(), self.runtime.clone());
        let running = run_operator((self.make)(partition), waiting, out, meters, runtime);
        let report = self.report.clone();
        let task = self.runtime.spawn(async move { report.send(running.await) });
        Lane { input: Some(input), task }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use abovefold_schemas::{Marker, Offset};
    use futures::{StreamExt, stream};
    use tokio::sync::Notify;

    use super::*;
    use crate::feed::Lease;

    fn data(partition: u32, data: u32) -> Result<Feed<u32>> {
        Ok(Feed::Data { lease: Lease { partition, generation: 1 }, data })
    }

    fn begin(partition: u32) -> Result<Feed<u32>> {
        Ok(Feed::Begin { lease: Lease { partition, generation: 1 }, marker: Marker::start(Offset(0)) })
    }

    /// Partition 0 waits until partition 1 has had its message.
    struct Waits {
        partition: u32,
        other_came: Arc<Notify>,
    }

    impl Operator for Waits {
        type In = Feed<u32>;
        type Out = (u32, u32);

        fn name(&self) -> &'static str {
            "waits"
        }

        async fn handle(&mut self, input: Feed<u32>, out: &mut Emitter<(u32, u32)>) -> Result<()> {
            let Feed::Data { data, .. } = input else { return Ok(()) };
            match (self.partition, data) {
                (0, 1) => self.other_came.notified().await,
                (1, _) => self.other_came.notify_one(),
                (_, 13) => return Err(EngineError::ours("handle 13", "it is none")),
                (_, 99) => panic!("99"),
                _ => {}
            }
            out.emit((self.partition, data)).await
        }

        async fn flush(&mut self, out: &mut Emitter<(u32, u32)>) -> Result<()> {
            out.emit((self.partition, 1_000)).await
        }
    }

    async fn run(feed: Vec<Result<Feed<u32>>>) -> Result<Vec<(u32, u32)>> {
        let other_came = Arc::new(Notify::new());
        let mut flow = Dataflow::new("test", Runtime::real());
        let make = move |partition| Waits { partition, other_came: other_came.clone() };
        let done = flow.source("feed", stream::iter(feed)).then_each(&mut flow, "waits", make);
        let done = done.collect(&mut flow);
        flow.finish().await?;
        Ok(done.await.unwrap())
    }

    #[tokio::test]
    async fn a_partition_that_waits_holds_up_no_other_and_keeps_its_order() {
        let feed = vec![begin(0), data(0, 1), data(0, 2), begin(1), data(1, 7), data(0, 3)];
        let done = run(feed).await.unwrap();
        let of = |partition: u32| -> Vec<u32> {
            done.iter().filter(|(of, _)| *of == partition).map(|(_, data)| *data).collect()
        };
        assert_eq!((of(0), of(1)), (vec![1, 2, 3, 1_000], vec![7, 1_000]), "each is flushed in the end");
    }

    #[tokio::test]
    async fn an_error_or_a_panic_of_one_stops_the_dataflow_and_is_said() {
        // The feed goes on for ever: only the failure ends it.
        let feed = |last: u32| stream::iter([data(2, 5), data(2, last)]).chain(stream::pending());
        for (last, said) in [(13, "it is none"), (99, "an operator panicked")] {
            let mut flow = Dataflow::new("test", Runtime::real());
            let make = |partition| Waits { partition, other_came: Arc::default() };
            let done = flow.source("feed", feed(last)).then_each(&mut flow, "waits", make);
            drop(done.collect(&mut flow));
            assert_eq!(flow.finish().await.unwrap_err().reason, said);
        }
    }
}
