//! `demo`: generate, train, index, run, simulate readers; all in one process, over embedded edges in the home.

use std::{path::Path, sync::Arc, time::Duration};

use abovefold_engine::{
    Pause, Runtime, Troubles,
    log::{NewRecord, Position},
};
use abovefold_operators::query::{Query, Request, Slate};
use abovefold_schemas::{ArticleId, Event, ReaderId, Timestamp};
use anyhow::{Context, bail};
use tokio::sync::watch;

use super::{generate, index, serve, simulate, stop_signal, train};
use crate::{
    arms,
    background::Background,
    cli::Timestamps,
    config::Config,
    edges::Edges,
    namespaces,
    newspaper::Spec,
    output::Output,
    session::{Model, Session},
    telemetry,
    worker::Worker,
};

/// Of a hundred visits to the demo's newspaper, how many are about one section: a ranker that never saw any rightly cares little for five reads in a row.
const MOODS: u32 = 40;
/// How long training may take.
const TRAINING: Duration = Duration::from_secs(75);
/// Reads a second that simulated readers go on with.
const LIVE_RATE: f64 = 1.0;
/// Reads of one section between the two slates of `--exit`.
const READS: usize = 5;

/// Runs the demonstration. What it made at its first start is used again at the next.
pub async fn run(mut config: Config, exit: bool, seed: u64, output: Output) -> anyhow::Result<()> {
    for url in [&mut config.log, &mut config.state, &mut config.articles] {
        url.clear();
    }
    let (data, model_folder) = (config.home.join("data"), config.home.join("model"));
    let home = config.home.clone();
    std::fs::create_dir_all(&home).with_context(|| format!("make the home {}", home.display()))?;
    if !data.join("events.parquet").is_file() {
        output.line("generating a newspaper and its readers");
        generate::until_now(&data, Spec { moods: MOODS, ..Spec::default() }, &output).await?;
    }
    if !model_folder.join("model.json").is_file() {
        output.line(format!("training both networks, up to {} s", TRAINING.as_secs()));
        let options = train::Options { max_time: Some(TRAINING), seed: 1, ..train::Options::default() };
        train::run(&config, &data, &model_folder, &options, &output).await?;
    }
    // The home's own, or what was promoted since.
    config.model.clear();
    if exit {
        // Nothing shall be sent but what is shown.
        config.http.listen = "127.0.0.1:0".into();
    }
    let ended = stop_signal()?;
    let (stop, stopped) = watch::channel(false);
    let (runtime, background) = (Runtime::real(), Background::start()?);
    let session = Session {
        edges: Edges::open(&config).await?,
        config,
        background: background.of(&runtime),
        runtime,
        output,
        folder: std::env::current_dir().context("find the current folder")?,
        stop: stopped,
        pause: Pause::default(),
        troubles: Troubles::none(),
        learned: Arc::default(),
    };
    forward_stop(&session.runtime, ended, stop.clone());
    telemetry::start_metrics()?;
    let (namespace, loaded) = serve::prepare(&session, serve::Part::Both).await?;
    let model = loaded.model.clone();
    namespaces::check_worker(&namespace, model.as_ref().map(Model::facts), &session.config.steps())?;
    let _owner = serve::own(&session).await?;
    let door = serve::bind(&session).await?;
    let arms = arms::start(&session, &namespace, model.as_ref()).await?;
    let worker =
        Worker::start(&session, &namespace, model.as_ref().map(|model| model.inference.clone())).await?;
    let watched = worker.watched.clone();
    let shown = async {
        fill(&session, &data).await?;
        if exit {
            let query = serve::query(&session, &namespace, model.clone());
            show(&session, &query, seed).await?;
            drop(query);
        } else {
            let reading = serve::listen_on(&session, door, &namespace, loaded, arms, watched);
            tokio::try_join!(reading, live(&session, &data))?;
        }
        stop.send_replace(true);
        anyhow::Ok(())
    };
    tokio::try_join!(shown, worker.finish())?;
    Ok(())
}

fn forward_stop(runtime: &Runtime, mut ended: watch::Receiver<bool>, stop: watch::Sender<bool>) {
    runtime.spawn(async move {
        if ended.wait_for(|ended| *ended).await.is_ok() {
            stop.send_replace(true);
        }
    });
}

/// Writes articles and the readers' history into the log, once, and waits until all of it is folded.
async fn fill(session: &Session, data: &Path) -> anyhow::Result<()> {
    let log = &session.edges.log;
    if log.bounds(&session.edges.topics.articles).await?.iter().all(|bounds| bounds.end.0 == 0) {
        index::run(session, data, false).await?;
    }
    index::indexed(session).await?;
    if log.bounds(&session.edges.topics.user_events).await?.iter().all(|bounds| bounds.end.0 == 0) {
        simulate::run(session, data, 0.0, None, Timestamps::Original).await?;
    }
    folded(session).await
}

/// Waits until every event that the log has now is folded.
async fn folded(session: &Session) -> anyhow::Result<()> {
    let namespace = session.namespace().await?;
    let ends = session.edges.log.bounds(&session.edges.topics.user_events).await?;
    let total: u64 = ends.iter().map(|bounds| bounds.end.0).sum();
    let mut stop = session.stop.clone();
    loop {
        let mut done = 0;
        for (marker, bounds) in session.markers(&namespace.name).await?.into_iter().zip(&ends) {
            done += marker.unwrap_or_default().min(bounds.end).0;
        }
        if done >= total {
            session.output.line(format!("{total} events folded into namespace {}", namespace.name));
            return Ok(());
        }
        session.output.progress("folding the readers' history", done, total);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => bail!("the demonstration was stopped"),
            () = session.runtime.sleep(Duration::from_millis(200)) => {}
        }
    }
}

/// Readers go on reading, at the present time, until the process ends.
async fn live(session: &Session, data: &Path) -> anyhow::Result<()> {
    let mut quiet = session.clone();
    let (nobody, _) = tokio::sync::mpsc::unbounded_channel();
    quiet.output = Output::Channel(nobody);
    while !*session.stop.borrow() {
        simulate::run(&quiet, data, LIVE_RATE, None, Timestamps::Now).await?;
    }
    Ok(())
}

/// One reader's ten headlines, before and after five reads of one section.
async fn show(session: &Session, query: &Query, seed: u64) -> anyhow::Result<()> {
    query.refresh().await;
    let reader = choose_reader(query, seed)?;
    let before = recommend(query, &reader, None).await?;
    let section = choose_section(session, &before, seed).await?;
    say(session, &format!("reader {reader} before"), &before);
    let mut after = None;
    for article in section_reads(session, &before, &section).await? {
        let mut event = Event::read(reader.clone(), article.0);
        event.read_time = Some(90.0);
        event.scroll_pct = Some(100.0);
        event.device_type = 3;
        session.output.line(format!("  reads \"{}\" [{section}]", article.1));
        let record = NewRecord::keyed(reader.as_str().to_owned(), event.to_json());
        after = session.edges.log.append(&session.edges.topics.user_events, vec![record]).await?.pop();
    }
    let token = after.map(|position: Position| query.token(position));
    let slate = recommend(query, &reader, token).await?;
    say(session, &format!("reader {reader} after {READS} reads of {section}"), &slate);
    let count =
        |slate: &Slate| slate.picks.iter().filter(|pick| pick.article.version.category == section).count();
    session.output.line(format!("{section}: {} of the ten before, {} after", count(&before), count(&slate)));
    if !slate.fresh {
        bail!(
            "the slate after the reads does not follow them yet: the write path took longer than the request waited"
        );
    }
    Ok(())
}

async fn recommend(query: &Query, reader: &ReaderId, after: Option<String>) -> anyhow::Result<Slate> {
    let request = Request { after, ..Request::new(reader.clone()) };
    query.recommend(request).await.map_err(|error| anyhow::anyhow!("recommend to {reader}: {error}"))
}

/// A reader of those seen last.
fn choose_reader(query: &Query, seed: u64) -> anyhow::Result<ReaderId> {
    let active = query.active_readers(100);
    let known: Vec<_> = active.iter().filter(|reader| reader.reads >= 5).collect();
    let place = (seed as usize).wrapping_mul(31) % known.len().max(1);
    let chosen = known.get(place).context("choose a reader: none has read five articles")?;
    ReaderId::new(chosen.user_id.clone()).context("choose a reader")
}

/// A section that is not much on the slate yet, so that a change can be seen.
async fn choose_section(session: &Session, slate: &Slate, seed: u64) -> anyhow::Result<String> {
    let newest = session.edges.articles.newest(400, &Default::default()).await?;
    let mut sections: Vec<String> = newest.iter().map(|article| article.version.category.clone()).collect();
    sections.sort();
    sections.dedup();
    let count = |section: &String| {
        slate.picks.iter().filter(|pick| pick.article.version.category == *section).count()
    };
    sections.retain(|section| count(section) <= 2);
    let place = (seed as usize).wrapping_mul(7) % sections.len().max(1);
    sections.into_iter().nth(place).context("choose a section: every one is on the slate already")
}

/// The newest articles of a section that are not on the slate.
async fn section_reads(
    session: &Session,
    slate: &Slate,
    section: &str,
) -> anyhow::Result<Vec<(ArticleId, String)>> {
    let filter = abovefold_operators::articles::Filter {
        categories: vec![section.to_owned()],
        exclude: slate.picks.iter().map(|pick| pick.article.id).collect(),
        ..Default::default()
    };
    let newest = session.edges.articles.newest(READS, &filter).await?;
    if newest.len() < READS {
        bail!("read {READS} articles of {section}: there are only {}", newest.len());
    }
    Ok(newest.into_iter().map(|article| (article.id, article.version.title.clone())).collect())
}

fn say(session: &Session, who: &str, slate: &Slate) {
    session.output.line(format!("\n{who} (served by {}):", slate.served_by));
    for (place, pick) in (1..).zip(&slate.picks) {
        let article = &pick.article.version;
        let age = Timestamp(article.published).to_rfc3339();
        session.output.line(format!("{place:>3}. {} [{}, {}]", article.title, article.category, &age[..10]));
    }
}
