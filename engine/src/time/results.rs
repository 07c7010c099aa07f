//! The read side: results as upserts by key and window, over all partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use abovefold_schemas::{Timestamp, windows::KeptWindow};
use bytes::Bytes;
use tokio::sync::watch;

use super::{
    aggregate::Aggregate,
    mirror::{Mirror, aggregate, windows_of},
    watermark::GlobalWatermark,
    window::{Pane, TimeWindow, Windowing},
};
use crate::{
    error::Result,
    operator::Emitter,
    runtime::Runtime,
    state::{StateStore, Tag},
};

/// When results are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultsSettings {
    /// After how long without a move of its marker a partition is not waited for.
    pub idle_after: Duration,
    /// How often results are said before the watermark has come to their end; `None`: never.
    pub early: Option<Duration>,
}

impl Default for ResultsSettings {
    /// A partition is idle after 30 s, and nothing is said early.
    fn default() -> Self {
        Self { idle_after: Duration::from_secs(30), early: None }
    }
}

/// What is known of a key and window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowResult<A> {
    /// The key.
    pub key: Bytes,
    /// The bounds.
    pub window: TimeWindow,
    /// Early, on time, or late: an amendment of what was said on time.
    pub pane: Pane,
    /// Events in it.
    pub events: u64,
    /// Those of them that came after their partition's watermark had passed the end.
    pub late: u64,
    /// What was made of them.
    pub aggregate: A,
}

/// News for whoever keeps results by key and window.
#[derive(Clone, Debug, PartialEq)]
pub enum ResultChange<A> {
    /// Put this in the place of what is there under its key and window, if anything is.
    Upsert(WindowResult<A>),
    /// What was said of this key and window is void: a longer session has taken it in.
    Retract {
        /// The key.
        key: Bytes,
        /// The bounds.
        window: TimeWindow,
    },
}

/// Results of a family of windows: mirrors their values, adds up partial ones of several partitions, and says when each fires.
///
/// It remembers only what it said itself: after a restart it says everything that is kept once more. A result that was never said before is
/// late where events came after their own partition's watermark had passed its end.
#[derive(Debug)]
pub struct Results<A> {
    name: String,
    windowing: Windowing,
    settings: ResultsSettings,
    store: Arc<dyn StateStore>,
    runtime: Runtime,
    partitions: Vec<Mirror>,
    global: GlobalWatermark,
    watermark: Option<Timestamp>,
    /// What was said, by key and start.
    said: BTreeMap<Bytes, BTreeMap<i64, Said>>,
    /// Keys by the ends of windows that have not fired.
    waiting: BTreeMap<i64, BTreeSet<Bytes>>,
    /// Keys to be looked at by the next refresh.
    changed: BTreeSet<Bytes>,
    /// Keys that changed since results were last said early.
    changed_early: BTreeSet<Bytes>,
    said_early: Option<Timestamp>,
    aggregate: std::marker::PhantomData<A>,
}

#[derive(Debug)]
struct Said {
    fired: bool,
    content: KeptWindow,
}

impl<A: Aggregate> Results<A> {
    /// Of the windows of this name and windowing in a namespace of so many partitions.
    pub fn new(
        (name, windowing): (&str, Windowing),
        store: Arc<dyn StateStore>,
        (namespace, partitions): (&str, u32),
        settings: ResultsSettings,
        runtime: Runtime,
    ) -> Self {
        let mirror = |partition| Mirror::new(Tag { namespace: namespace.into(), partition });
        Self {
            name: name.into(),
            global: GlobalWatermark::new(partitions, windowing.domain, settings.idle_after),
            partitions: (0..partitions).map(mirror).collect(),
            windowing,
            settings,
            store,
            runtime,
            watermark: None,
            said: BTreeMap::new(),
            waiting: BTreeMap::new(),
            changed: BTreeSet::new(),
            changed_early: BTreeSet::new(),
            said_early: None,
            aggregate: std::marker::PhantomData,
        }
    }

    /// The global watermark as of the last refresh.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.watermark
    }

    /// Events that were too late for any window, in all partitions.
    pub fn late_events(&self) -> u64 {
        self.partitions.iter().filter_map(|mirror| mirror.progress).map(|progress| progress.late).sum()
    }

    /// A loop for [`Dataflow::source_loop`](crate::Dataflow::source_loop): says what is new every so often, until it is stopped, and then once more.
    ///
    /// # Errors
    /// When a value cannot be read, or the next operator has stopped. A store that is out of reach is asked again.
    pub async fn run(
        mut self,
        every: Duration,
        mut stop: watch::Receiver<bool>,
        mut out: Emitter<ResultChange<A>>,
    ) -> Result<()> {
        loop {
            let stopped = *stop.borrow();
            match self.refresh().await {
                Ok(changes) => {
                    for change in changes {
                        out.emit(change).await?;
                    }
                }
                Err(error) if error.retry => {
                    tracing::warn!(%error, windows = self.name, "results stay as they were");
                }
                Err(error) => return Err(error),
            }
            if stopped {
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => {}
                () = self.runtime.sleep(every) => {}
            }
        }
    }

    /// Asks the store what changed, and says what is new, by key and start.
    ///
    /// # Errors
    /// When the store does not answer (what was not said is said by the next call), or a value cannot be read.
    pub async fn refresh(&mut self) -> Result<Vec<ResultChange<A>>> {
        self.refresh_at(self.runtime.now()).await
    }

    /// [`Results::refresh`] as if it were `now`.
    ///
    /// # Errors
    /// Those of [`Results::refresh`].
    pub async fn refresh_at(&mut self, now: Timestamp) -> Result<Vec<ResultChange<A>>> {
        for (partition, mirror) in (0..).zip(&mut self.partitions) {
            mirror.refresh(self.store.as_ref(), &self.name, &mut self.changed).await?;
            let watermark = mirror.progress.and_then(|progress| progress.watermark(&self.windowing));
            self.global.observe(partition, mirror.marker, watermark, now);
        }
        self.watermark = self.global.advance(now);
        if let Some(watermark) = self.watermark {
            let later = self.waiting.split_off(&watermark.0.saturating_add(1));
            self.changed.extend(std::mem::replace(&mut self.waiting, later).into_values().flatten());
        }
        let early = self.settings.early.is_some_and(|every| {
            self.said_early.is_none_or(|said| now.millis_since(said) >= every.as_millis() as i64)
        });
        let mut keys = std::mem::take(&mut self.changed);
        if early {
            self.said_early = Some(now);
            keys.append(&mut self.changed_early);
        } else if self.settings.early.is_some() {
            self.changed_early.extend(keys.iter().cloned());
        }
        let mut changes = Vec::new();
        for key in keys {
            self.look_at(&key, early, &mut changes)?;
        }
        Ok(changes)
    }

    /// Compares what is known of a key with what was said.
    fn look_at(&mut self, key: &Bytes, early: bool, changes: &mut Vec<ResultChange<A>>) -> Result<()> {
        let windows = windows_of::<A>(&self.partitions, &self.windowing, key)?;
        let said = self.said.entry(key.clone()).or_default();
        let gone = |start: i64, end: i64| {
            windows.iter().any(|(other, window)| {
                *other <= start && window.end >= end && (*other, window.end) != (start, end)
            })
        };
        said.retain(|start, before| {
            let end = before.content.end;
            if gone(*start, end) {
                let window = TimeWindow { start: Timestamp(*start), end: Timestamp(end) };
                changes.push(ResultChange::Retract { key: key.clone(), window });
                return false;
            }
            // What is no longer kept was removed after its retention, and stands as it was said.
            windows.contains_key(start)
        });
        for (start, content) in windows {
            let fires = self.watermark.is_some_and(|watermark| content.end <= watermark.0);
            if !fires {
                self.waiting.entry(content.end).or_default().insert(key.clone());
            }
            let before = said.get(&start);
            let is_new = before.is_none_or(|before| before.content != content);
            let fired_before = before.is_some_and(|before| before.fired);
            if !(if fires { is_new || !fired_before } else { is_new && early }) {
                continue;
            }
            let pane = match (fires, fired_before || content.late > 0) {
                (false, _) => Pane::Early,
                (true, true) => Pane::Late,
                (true, false) => Pane::OnTime,
            };
            changes.push(ResultChange::Upsert(WindowResult {
                key: key.clone(),
                window: TimeWindow { start: Timestamp(start), end: Timestamp(content.end) },
                pane,
                events: content.events,
                late: content.late,
                aggregate: aggregate(&content)?,
            }));
            said.insert(start, Said { fired: fires, content });
        }
        if said.is_empty() {
            self.said.remove(key);
        }
        Ok(())
    }
}
