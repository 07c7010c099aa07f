//! Building a dataflow starts nothing, so that it can be looked at; once started it ends as a whole: in order, at the first cause of a failure, or when
//! it is dropped.

#![allow(clippy::unwrap_used)] // Tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use abovefold_engine::{Dataflow, Emitter, EngineError, NodeKind, Operator, Result, Runtime};
use futures::stream;

/// Says when it is dropped.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Hands on, and fails at a number.
struct FailAt(u32);

impl Operator for FailAt {
    type In = u32;
    type Out = u32;

    fn name(&self) -> &'static str {
        "fail at"
    }

    async fn handle(&mut self, number: u32, out: &mut Emitter<u32>) -> Result<()> {
        if number == self.0 {
            return Err(EngineError::user("take a number", "this one is refused"));
        }
        out.emit(number).await
    }
}

/// Panics at a number.
struct PanicAt(u32);

impl Operator for PanicAt {
    type In = u32;
    type Out = ();

    fn name(&self) -> &'static str {
        "panic at"
    }

    async fn handle(&mut self, number: u32, _out: &mut Emitter<()>) -> Result<()> {
        assert_ne!(number, self.0, "this number is none");
        Ok(())
    }
}

#[tokio::test]
async fn a_dataflow_that_is_only_built_runs_nothing() {
    let (ran, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut flow = Dataflow::new("numbers", Runtime::real());
    let (runs, held) = (ran.clone(), Held(dropped.clone()));
    flow.source_loop("source", |mut out: Emitter<u32>| async move {
        let _held = held;
        runs.store(true, Ordering::SeqCst);
        out.emit(1).await
    })
    .then(&mut flow, FailAt(9))
    .sink(&mut flow, PanicAt(9));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let graph = flow.graph();
    assert_eq!(graph.to_text(), "numbers: source -> fail at -> panic at");
    assert_eq!(
        graph.nodes.iter().map(|node| node.kind).collect::<Vec<_>>(),
        [NodeKind::Source, NodeKind::Operator, NodeKind::Sink]
    );
    assert_eq!((graph.nodes[1].takes.as_deref(), graph.nodes[2].emits.as_deref()), (Some("u32"), None));
    drop(flow);
    assert!(!ran.load(Ordering::SeqCst), "nothing was started");
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "and nothing is left");
}

#[tokio::test]
async fn a_dataflow_that_is_dropped_while_it_runs_leaves_no_task_behind() {
    let (dropped, polled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut flow = Dataflow::new("numbers", Runtime::real());
    let (held, polls) = (Held(dropped.clone()), polled.clone());
    let stage = flow.source_loop("source", |mut out: Emitter<u32>| async move {
        let _held = held;
        loop {
            polls.fetch_add(1, Ordering::SeqCst);
            out.emit(1).await?;
        }
    });
    stage.sink(&mut flow, PanicAt(9));
    flow.start();
    flow.start();
    while polled.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    drop(flow);
    // An aborted task is dropped at its next turn.
    let gone = async {
        while dropped.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the source is gone");
    // So it is where somebody stops waiting for the end.
    let mut flow = Dataflow::new("numbers", Runtime::real());
    let held = Held(dropped.clone());
    flow.source_loop("source", |_out: Emitter<u32>| async move {
        let _held = held;
        std::future::pending().await
    })
    .sink(&mut flow, PanicAt(9));
    assert!(tokio::time::timeout(Duration::from_millis(1), flow.finish()).await.is_err());
    let gone = async {
        while dropped.load(Ordering::SeqCst) == 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the source is gone");
}

/// Fails at once, and is slow to go: a step is dropped after its input, and says why it failed after that.
struct FailSlowly {
    going: Arc<AtomicBool>,
    heard: Arc<AtomicBool>,
}

impl Operator for FailSlowly {
    type In = u32;
    type Out = ();

    fn name(&self) -> &'static str {
        "fail slowly"
    }

    async fn handle(&mut self, _number: u32, _out: &mut Emitter<()>) -> Result<()> {
        Err(EngineError::user("take a number", "this one is refused"))
    }
}

impl Drop for FailSlowly {
    fn drop(&mut self) {
        let begun = Instant::now();
        self.going.store(true, Ordering::SeqCst);
        while !self.heard.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cause_of_a_failure_is_said_and_not_what_others_saw_of_it() {
    let (going, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (goes, hears) = (going.clone(), heard.clone());
    let (tell, told) = tokio::sync::oneshot::channel();
    // Told from outside the tasks' threads, one of which is held up.
    std::thread::spawn(move || {
        while !goes.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        tell.send(())
    });
    let mut flow = Dataflow::new("numbers", Runtime::real());
    let source = flow.source_loop("source", |mut out: Emitter<u32>| async move {
        out.emit(1).await?;
        told.await.expect("the thread tells, then ends");
        // What the source says comes first, and is not the cause.
        let stopped = out.emit(2).await;
        tokio::spawn(async move { hears.store(true, Ordering::SeqCst) });
        stopped
    });
    source.sink(&mut flow, FailSlowly { going, heard });
    let error = flow.finish().await.unwrap_err();
    assert_eq!(error.to_string(), "take a number: this one is refused");
}

#[tokio::test]
async fn a_panic_of_an_operator_is_an_error_of_the_dataflow() {
    let mut flow = Dataflow::new("numbers", Runtime::real());
    flow.source("source", stream::iter((0..1_000).map(Ok))).sink(&mut flow, PanicAt(40));
    let error = flow.finish().await.unwrap_err();
    assert_eq!(error.to_string(), "run dataflow numbers: an operator panicked");
    // Also where the source has nothing to say that would show it that the next step is gone.
    let mut flow = Dataflow::new("numbers", Runtime::real());
    let source = flow.source_loop("source", |mut out: Emitter<u32>| async move {
        out.emit(40).await?;
        std::future::pending().await
    });
    source.sink(&mut flow, PanicAt(40));
    let ended = tokio::time::timeout(Duration::from_secs(10), flow.finish()).await.expect("it ends");
    assert!(ended.is_err());
}
