//! `GET /admin/live`: how the program is, again and again, as server-sent events.
//!
//! One task samples, as often as the page that asks most often wants it (once a second where none is open, for the history). Every page reads the last
//! sample: a slow one skips some, and one that reads nothing at all holds one sample and is let go by the transport's bound of unread answers.

mod counters;
mod history;
mod look;
mod rates;
mod sample;
mod snapshot;
mod stream;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Notify, watch};

use self::{
    history::Curves,
    look::{Looked, look, look_at_the_rest},
    rates::Moments,
    sample::{count, sample},
};
pub(super) use self::{
    snapshot::{History, LogCounts, Snapshot},
    stream::{__path_live, live},
};
use super::App;
use crate::namespaces::{Follower, Namespaces};

/// The most pages at once.
const MOST_PAGES: usize = 16;
/// How often it is sampled where no page asks for more.
const USUAL_MS: u64 = 1_000;
/// How often the edges are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after the topic `namespaces` could not be read it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The last sample, as it is sent.
#[derive(Clone, Debug, Default)]
struct Sampled {
    at_ms: i64,
    json: Arc<str>,
}

/// The sampler's results, and who reads them.
#[derive(Debug)]
pub(super) struct Live {
    last: watch::Sender<Sampled>,
    curves: Mutex<Curves>,
    looked: Mutex<Looked>,
    namespaces: Mutex<Arc<Namespaces>>,
    pages: Mutex<Pages>,
    /// Somebody wants the next sample sooner.
    sooner: Notify,
}

/// How often each open page wants a snapshot, by a number of its own.
#[derive(Debug, Default)]
struct Pages {
    next: u64,
    every_ms: BTreeMap<u64, u64>,
}

/// Locks, whatever a thread that panicked did: everything here is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            last: watch::Sender::new(Sampled::default()),
            curves: Mutex::default(),
            looked: Mutex::default(),
            namespaces: Mutex::default(),
            pages: Mutex::default(),
            sooner: Notify::new(),
        })
    }

    /// Pages that are open.
    pub(super) fn pages(&self) -> usize {
        lock(&self.pages).every_ms.len()
    }

    /// What the topic `namespaces` says.
    pub(super) fn namespaces(&self) -> Arc<Namespaces> {
        lock(&self.namespaces).clone()
    }

    /// Notes that a page is open; `None` where there are too many.
    fn open(self: &Arc<Self>, every_ms: u64) -> Option<Page> {
        let mut pages = lock(&self.pages);
        if pages.every_ms.len() >= MOST_PAGES {
            return None;
        }
        pages.next += 1;
        let number = pages.next;
        pages.every_ms.insert(number, every_ms);
        self.sooner.notify_waiters();
        Some(Page { live: self.clone(), number })
    }

    /// Until the next sample.
    fn pause(&self) -> Duration {
        let wanted = lock(&self.pages).every_ms.values().copied().min();
        Duration::from_millis(wanted.unwrap_or(USUAL_MS).min(USUAL_MS))
    }
}

/// A page that is open, until it is dropped.
#[derive(Debug)]
struct Page {
    live: Arc<Live>,
    number: u64,
}

impl Drop for Page {
    fn drop(&mut self) {
        lock(&self.live.pages).every_ms.remove(&self.number);
    }
}

/// Starts to sample, until the interface is gone.
pub(super) fn start(app: &Arc<App>) {
    app.runtime.spawn(sample_on(Arc::downgrade(app)));
    app.runtime.spawn(look_on(Arc::downgrade(app)));
    app.runtime.spawn(follow_namespaces(Arc::downgrade(app)));
}

async fn sample_on(app: Weak<App>) {
    let (mut moments, mut seq) = (Moments::default(), 0);
    while let Some(app) = app.upgrade() {
        let (live, runtime, seen) = (app.admin.live.clone(), app.runtime.clone(), app.seen());
        let compared = moments.add(count(&app, &seen, runtime.now()));
        let looked = lock(&live.looked).clone();
        seq += 1;
        let snapshot = sample(&app, &seen, &compared, &looked, seq);
        lock(&live.curves).add(snapshot.at_ms, &snapshot.series);
        let json = serde_json::to_string(&snapshot).expect("numbers and texts are JSON").into();
        live.last.send_replace(Sampled { at_ms: snapshot.at_ms, json });
        drop((app, seen));
        let pause = runtime.sleep(live.pause());
        tokio::select! {
            biased;
            () = pause => {}
            () = live.sooner.notified() => {}
        }
    }
}

async fn look_on(app: Weak<App>) {
    while let Some(app) = app.upgrade() {
        let (live, runtime) = (app.admin.live.clone(), app.runtime.clone());
        let rest = lock(&live.looked).rest.clone();
        let looked = look(&app, rest).await;
        let bounds = looked.bounds.clone();
        *lock(&live.looked) = looked;
        if live.pages() > 0 {
            let rest = look_at_the_rest(&app, &bounds).await;
            lock(&live.looked).rest = Arc::new(rest);
        }
        drop(app);
        let pause = runtime.sleep(LOOK_EVERY);
        tokio::select! {
            biased;
            () = pause => {}
            // A page that has just been opened.
            () = live.sooner.notified() => {}
        }
    }
}

async fn follow_namespaces(app: Weak<App>) {
    let mut follower: Option<Follower> = None;
    while let Some((session, live)) =
        app.upgrade().map(|app| (app.admin.session.clone(), app.admin.live.clone()))
    {
        let step = async {
            match &mut follower {
                Some(follower) => follower.changed(&session.edges).await,
                none => Follower::start(&session.edges).await.map(|started| *none = Some(started)),
            }
        };
        match session.runtime.timeout(RETRY, step).await {
            Some(Err(error)) => {
                tracing::debug!("the operations page does not see the namespaces, trying again: {error:#}");
                session.runtime.sleep(RETRY).await;
            }
            // Nothing changed.
            None => {}
            Some(Ok(())) => {
                if let Some(follower) = &follower {
                    *lock(&live.namespaces) = Arc::new(follower.namespaces.clone());
                }
            }
        }
    }
}
