//! The dataflows of a worker, put together.

use std::sync::Arc;

use abovefold_engine::{
    Admit, Dataflow, EpochSink, PartitionedSource, Pause, Result, Runtime, SourceSettings, Troubles,
    TumblingWindow, WindowSettings,
    log::{Log, Membership},
    retry::persist,
    state::StateStore,
};
use abovefold_schemas::{Offset, records::NamespaceRecord};
use tokio::sync::{mpsc, watch};

pub use crate::described::graphs;
use crate::{
    decode::Decode,
    fold::{ArticleTable, Fold, FoldContext, FoldSettings, SessionModel},
    intake::{INTAKE_NAMESPACE, Intake, IntakeContext},
    key::KeyByReader,
    misplaced::Look,
    steps::{ApplySteps, Steps},
};

/// Names of the topics.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Topics {
    /// Readers' events.
    pub user_events: String,
    /// Article versions.
    pub articles: String,
    /// Slates that were served.
    pub impressions: String,
    /// What learners published.
    pub learned: String,
    /// Namespaces and the pointer to the live one.
    pub namespaces: String,
    /// Records that are no event.
    pub dead_letters: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            user_events: "user_events".into(),
            articles: "articles".into(),
            impressions: "impressions".into(),
            learned: "learned".into(),
            namespaces: "namespaces".into(),
            dead_letters: "dead_letters".into(),
        }
    }
}

/// What the dataflows of a worker share.
#[derive(Clone, Debug)]
pub struct WorkerContext {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The state store.
    pub store: Arc<dyn StateStore>,
    /// Names of the topics.
    pub topics: Topics,
    /// Partitions of the events.
    pub partitions: u32,
    /// When epochs are cut.
    pub window: WindowSettings,
    /// What is kept in memory.
    pub fold: FoldSettings,
    /// What is done to reads before they are folded; that of the namespace's record.
    pub steps: Steps,
    /// The consumer group's name; the namespace is appended.
    pub group: String,
    /// The static member id.
    pub member: Option<String>,
    /// Asked before a partition of a namespace gets its first marker; `None` lets every one begin.
    pub admit: Option<Admit>,
    /// Becomes true when the dataflows shall end.
    pub stop: watch::Receiver<bool>,
    /// While it is set, nothing is taken from the log.
    pub pause: Pause,
    /// Where partitions that stand still are reported.
    pub troubles: Troubles,
    /// Clock, tasks, chance.
    pub runtime: Runtime,
}

impl WorkerContext {
    fn source(
        &self,
        dataflow: &'static str,
        namespace: &str,
        first_offsets: Vec<Offset>,
        until: Option<Vec<Offset>>,
    ) -> (PartitionedSource, abovefold_engine::Feedback) {
        let (feedback, signals) = mpsc::unbounded_channel();
        let membership =
            Membership { group: format!("{}-{namespace}", self.group), member: self.member.clone() };
        let settings = SourceSettings {
            dataflow,
            topic: self.topics.user_events.clone(),
            membership,
            namespace: namespace.into(),
            first_offsets,
            until,
            // The intake lies outside all namespaces, and is never dropped.
            admit: self.admit.clone().filter(|_| namespace != INTAKE_NAMESPACE),
        };
        let source = PartitionedSource {
            settings,
            log: self.log.clone(),
            store: self.store.clone(),
            signals,
            stop: self.stop.clone(),
            pause: self.pause.clone(),
            troubles: self.troubles.clone(),
            runtime: self.runtime.clone(),
        };
        (source, feedback)
    }
}

/// The write path of a namespace: `user_events -> decode -> window -> steps (if any) -> key by reader -> embed -> sink`.
///
/// [`Dataflow::finish`] runs it and waits for its end. With `until`, it ends once every partition has come there.
pub fn write_path(
    context: &WorkerContext,
    namespace: &NamespaceRecord,
    model: Option<Arc<dyn SessionModel>>,
    until: Option<Vec<Offset>>,
) -> Dataflow {
    let runtime = &context.runtime;
    let first: Vec<Offset> = namespace.first_offsets.iter().copied().map(Offset).collect();
    let base = namespace.base_article_offsets.iter().copied().map(Offset).collect();
    let (source, feedback) = context.source("write", &namespace.name, first.clone(), until);
    let table = ArticleTable::new(context.log.clone(), &context.topics.articles, base);
    let fold = FoldContext {
        namespace: namespace.name.clone(),
        first_offsets: first,
        store: context.store.clone(),
        model,
        table,
        feedback: feedback.clone(),
        settings: context.fold,
        runtime: runtime.clone(),
    };
    let mut flow = Dataflow::new("write", runtime.clone());
    let mut epochs = flow
        .source_loop("user_events", |out| source.run(out))
        .then(&mut flow, Decode::default())
        .then(&mut flow, TumblingWindow::new(context.window, runtime.clone()));
    if !context.steps.is_empty() {
        epochs = epochs.then(&mut flow, ApplySteps::new(context.steps.clone()));
    }
    // A fold waits for the store and for the model: each partition for itself.
    let folds = move |_| Fold::new(fold.clone());
    let keyed = epochs.then(&mut flow, KeyByReader::new(context.partitions));
    keyed.then_each(&mut flow, Fold::NAME, folds).sink(
        &mut flow,
        EpochSink::new("write", &namespace.name, context.store.clone(), feedback, runtime.clone()),
    );
    flow
}

/// The intake: `user_events -> look -> window -> intake -> sink`, outside all namespaces.
///
/// # Errors
/// When the log does not answer.
pub async fn intake(context: &WorkerContext) -> Result<Dataflow> {
    let bounds = || context.log.bounds(&context.topics.user_events);
    let bounds = persist(&context.runtime, "log", bounds).await?;
    Ok(intake_from(context, bounds.iter().map(|bounds| bounds.begin).collect()))
}

/// [`intake`], for a log whose partitions begin at these offsets.
pub(crate) fn intake_from(context: &WorkerContext, begins: Vec<Offset>) -> Dataflow {
    let runtime = &context.runtime;
    let (source, feedback) = context.source("intake", INTAKE_NAMESPACE, begins, None);
    let intake = Intake::new(IntakeContext {
        log: context.log.clone(),
        store: context.store.clone(),
        topic: context.topics.user_events.clone(),
        dead_letters: context.topics.dead_letters.clone(),
        feedback: feedback.clone(),
        runtime: runtime.clone(),
    });
    let window = WindowSettings {
        max_records: 4_096,
        length: std::time::Duration::from_secs(1),
        ..WindowSettings::default()
    };
    let mut flow = Dataflow::new("intake", runtime.clone());
    flow.source_loop("user_events", |out| source.run(out))
        .then(&mut flow, Look::new(context.partitions))
        .then(&mut flow, TumblingWindow::new(window, runtime.clone()))
        .then(&mut flow, intake)
        .sink(
            &mut flow,
            EpochSink::new("intake", INTAKE_NAMESPACE, context.store.clone(), feedback, runtime.clone()),
        );
    flow
}
