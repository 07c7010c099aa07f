//! `process`, `serve`, `run`: the write path, the read path, both.

use std::{sync::Arc, time::Duration};

use abovefold_engine::Watched;
use abovefold_operators::{
    articles::{ArticleIndex, Filter},
    query::{Impressions, Query, QueryContext},
};
use abovefold_schemas::records::NamespaceRecord;
use anyhow::Context;
use tokio::net::TcpListener;

use crate::{
    arms::{self, Arms},
    config::Config,
    edges::reached,
    forgotten::remove_forgotten,
    http::{self, Admin, App, Guard, Reading, Seen, Transport},
    models::{Loaded, Models},
    namespaces::{self, LIVE, Namespaces},
    owner,
    pointer::{Pointer, fits},
    session::{Model, Session},
    telemetry,
    worker::Worker,
};

/// How often a past that is shown is searched for readers who asked to be forgotten since.
const FORGET_EVERY: Duration = Duration::from_secs(5);
/// So many articles are brought into memory at a start.
const BROUGHT: usize = 10_000;

/// The write path alone.
pub async fn process(session: Session) -> anyhow::Result<()> {
    telemetry::start_metrics()?;
    let (namespace, Loaded { model, .. }) = prepare(&session, Part::Folds).await?;
    let _owner = own(&session).await?;
    namespaces::check_worker(&namespace, model.as_ref().map(Model::facts), &session.config.steps())?;
    session.output.line(format!("processing namespace {} of {}", namespace.name, session.config.log_url()));
    Worker::start(&session, &namespace, model.map(|model| model.inference)).await?.finish().await
}

/// The read path and the site alone.
pub async fn serve(session: Session) -> anyhow::Result<()> {
    // A port in use shows before a namespace is made.
    let door = bind(&session).await?;
    let (namespace, loaded) = prepare(&session, Part::Ranks).await?;
    let arms = arms::start(&session, &namespace, loaded.model.as_ref()).await?;
    listen_on(&session, door, &namespace, loaded, arms, Vec::new()).await
}

/// Write path and read path in one process. A namespace that stands at a past moment is shown as it is, and nothing is folded.
pub async fn run(session: Session) -> anyhow::Result<()> {
    // A port in use shows before a namespace is made.
    let door = bind(&session).await?;
    let (namespace, loaded) = prepare(&session, Part::Both).await?;
    if namespace.until.is_some() {
        let _owner = own(&session).await?;
        return listen_on(&session, door, &namespace, loaded, Arms::new(), Vec::new()).await;
    }
    let model = loaded.model.as_ref();
    namespaces::check_worker(&namespace, model.map(Model::facts), &session.config.steps())?;
    let _owner = own(&session).await?;
    // Arms that cannot be served show before anything is folded.
    let arms = arms::start(&session, &namespace, model).await?;
    let worker = Worker::start(&session, &namespace, model.map(|model| model.inference.clone())).await?;
    let watched = worker.watched.clone();
    let reading = listen_on(&session, door, &namespace, loaded, arms, watched);
    tokio::try_join!(reading, worker.finish_beside_readers())?;
    Ok(())
}

/// What a process does with its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Steps readers' state.
    Folds,
    /// Ranks candidates.
    Ranks,
    /// Both.
    Both,
}

/// The namespace and the model of this process. Who folds does not begin without its model; who only ranks can do without.
pub async fn prepare(session: &Session, part: Part) -> anyhow::Result<(NamespaceRecord, Loaded)> {
    // A wrong address shows now; an article edge that goes away later has its fallbacks.
    reached(session.edges.articles.check().await)?;
    let loaded = match Loaded::start(&session.config, part != Part::Folds).await {
        // The first namespace would be made without the model.
        Err(error)
            if part == Part::Ranks
                && is_there(&session.config)
                && Namespaces::read(&session.edges).await?.live.is_some() =>
        {
            Loaded::without(&session.config, format!("{error:#}"))
        }
        loaded => loaded?,
    };
    if loaded.model.is_none() && loaded.trouble.is_none() {
        tracing::warn!(
            "there is no model: reads are folded without an embedding, and trending articles are served; see `abovefold train`"
        );
    }
    let facts = loaded.model.as_ref().map(Model::facts);
    let steps = session.config.steps();
    let namespace =
        namespaces::resolve(&session.edges, &session.runtime, &session.config.namespace, facts, &steps)
            .await?;
    Ok((namespace, loaded))
}

/// Whether the model's folder is one: a wrong path is told at the start.
fn is_there(config: &Config) -> bool {
    config.model_folder().is_some_and(|folder| folder.is_symlink() || folder.join("model.json").is_file())
}

/// Answers for the embedded home, where there is one.
pub async fn own(session: &Session) -> anyhow::Result<Option<owner::OwnerGuard>> {
    if session.config.is_embedded() { owner::announce(session).await.map(Some) } else { Ok(None) }
}

/// A port that was taken, and who may come in.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    guard: Guard,
}

/// Takes the port, where the configuration's keys allow that.
pub async fn bind(session: &Session) -> anyhow::Result<Door> {
    let http = &session.config.http;
    let guard = Guard::new(http, session.runtime.clone())?.with_home(&session.config.home);
    let address = &http.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}: choose another one by --listen, or stop what uses it")
    })?;
    // Nothing is accepted before this is known.
    guard.check_address(listener.local_addr()?, http.open)?;
    Ok(Door { listener, guard })
}

/// The read path of a namespace, as a handle.
pub fn query(session: &Session, namespace: &NamespaceRecord, model: Option<Model>) -> Query {
    Query::start(query_context(session, namespace, model))
}

/// The read path of a namespace that stands at a past moment and that only an operator looks at: nothing of it is logged as shown to a reader.
pub fn query_of_a_past(session: &Session, namespace: &NamespaceRecord, model: Option<Model>) -> Query {
    let context = query_context(session, namespace, model);
    Query::start(QueryContext { impressions: None, past: true, ..context })
}

fn query_context(session: &Session, namespace: &NamespaceRecord, model: Option<Model>) -> QueryContext {
    let serving = model.map_or_else(Default::default, |model| model.serving());
    QueryContext {
        runtime: session.runtime.clone(),
        namespace: namespace.name.clone(),
        partitions: session.edges.partitions,
        events_topic: session.edges.topics.user_events.clone(),
        store: session.edges.store.clone(),
        articles: session.edges.articles.clone(),
        ranker: serving.ranker,
        trees: serving.trees,
        learned: Some(session.learned()),
        impressions: Some(Impressions {
            log: session.edges.log.clone(),
            topic: session.edges.topics.impressions.clone(),
        }),
        past: namespace.until.is_some(),
        settings: session.config.query.clone(),
        experiment: arms::experiment(session, namespace),
    }
}

/// Removes from a namespace that stands at a past moment who asked to be forgotten since, now and from time to time.
pub async fn keep_forgetting(session: &Session, namespace: &NamespaceRecord) -> anyhow::Result<()> {
    let mut searched = remove_forgotten(session, namespace, None).await?.until;
    let (session, namespace) = (session.clone(), namespace.clone());
    session.runtime.clone().spawn(async move {
        loop {
            session.runtime.sleep(FORGET_EVERY).await;
            let found = async {
                // Once it is dropped, or is brought up to date, whoever folds it takes the wishes in.
                let known = Namespaces::read(&session.edges).await?;
                let now = known.records.get(&namespace.name);
                if now.is_none_or(|now| (now.created, &now.until) != (namespace.created, &namespace.until)) {
                    return Ok(None);
                }
                remove_forgotten(&session, &namespace, Some(&searched)).await.map(Some)
            };
            match found.await {
                Ok(Some(found)) => searched = found.until,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!("forgotten readers are not removed yet, trying again: {error:#}");
                }
            }
        }
    });
    Ok(())
}

/// Brings the articles published last into memory, in a few large calls: an article edge that is a server would else be asked for them by the
/// first requests, a hundred at a time and all at once.
async fn bring_articles(articles: Arc<dyn ArticleIndex>) {
    match articles.newest(BROUGHT, &Filter::default()).await {
        Ok(brought) => tracing::info!(articles = brought.len(), "the newest articles are in memory"),
        Err(error) => tracing::info!(%error, "articles come into memory as requests name them"),
    }
}

/// Serves until the process is told to stop.
pub async fn listen_on(
    session: &Session,
    door: Door,
    namespace: &NamespaceRecord,
    loaded: Loaded,
    arms: Arms,
    watched: Vec<Watched>,
) -> anyhow::Result<()> {
    let metrics = telemetry::start_metrics()?;
    namespaces::check_readable(namespace)?;
    if namespace.until.is_some() {
        keep_forgetting(session, namespace).await?;
    }
    let model = loaded.model.clone();
    let is_other = !fits(namespace, model.as_ref().map(Model::facts));
    let query = query(session, namespace, model.clone());
    query.refresh().await;
    session.runtime.spawn(bring_articles(session.edges.articles.clone()));
    let reading = Reading::new(Seen::new(namespace, query, model.as_ref()), arms);
    if is_other {
        reading.set_trouble(Some(format!(
            "the namespace {} was made with the session model {}, which is not the one that is loaded here",
            namespace.name, namespace.session_model
        )));
    }
    let models = Models::new(session.config.clone(), session.runtime.clone(), reading.clone(), loaded);
    session.runtime.spawn(models.clone().follow(session.stop.clone()));
    if session.config.namespace == LIVE {
        session.runtime.spawn(Pointer::new(session, reading.clone(), models.clone()).follow());
    }
    let rendered = metrics.clone();
    let app = App {
        runtime: session.runtime.clone(),
        reading,
        models,
        partitions: session.edges.partitions,
        events_topic: session.edges.topics.user_events.clone(),
        log: session.edges.log.clone(),
        store: session.edges.store.clone(),
        articles: session.edges.articles.clone(),
        troubles: session.troubles.clone(),
        metrics: Arc::new(move || rendered.render()),
        admin: Admin::new(session, watched),
        guard: Arc::new(door.guard),
        body_time: session.config.http.body_time(),
    };
    let app = Arc::new(app);
    http::start(&app);
    let listener = door.listener;
    session.output.line(format!("The Daily Chronicle is at http://{}/", listener.local_addr()?));
    let upkeep = session.runtime.clone();
    let upkeep = session.runtime.spawn(async move {
        loop {
            upkeep.sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    let mut stop = session.stop.clone();
    let shutdown = async move {
        // A closed channel is a stop as well.
        stop.wait_for(|stop| *stop).await.ok();
    };
    let bounds = Transport::new(&session.config.http);
    let served = http::serve(listener, http::router(app), bounds, shutdown).await;
    let served = served.context("serve HTTP");
    upkeep.abort();
    served
}
