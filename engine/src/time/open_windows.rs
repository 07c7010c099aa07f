//! The fold of events into windows, for one partition, without any I/O.

use std::collections::{BTreeMap, BTreeSet};

use abovefold_schemas::{
    Kept, Offset, Timestamp,
    keys::{progress_key, window_key, window_of_key},
    windows::{KeptProgress, KeptWindow},
};
use bytes::Bytes;

use super::{
    aggregate::Aggregate,
    held::{At, Dirty, Held, Id, pop_until},
    watermark::Progress,
    window::{MOST_MILLIS, TimeDomain, TimeWindow, Windowing, Windows, bounded, millis},
};
use crate::{
    error::{EngineError, Result},
    state::{Put, Value},
};

/// An event as windows see it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedEvent<T> {
    /// Its offset.
    pub offset: Offset,
    /// The log's time of its record.
    pub log_time: Timestamp,
    /// When it says that it happened; its record's time where it says nothing.
    pub event_time: Option<Timestamp>,
    /// By what it is gathered.
    pub key: Bytes,
    /// What it adds.
    pub item: T,
    /// What the side output is given should it be late: the record's bytes, which are shared.
    pub payload: Bytes,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fell into a window.
    Folded,
    /// Every window that is its own was past its end and the allowed lateness.
    Late {
        /// The watermark that says so.
        watermark: Timestamp,
    },
}

/// The windows of one partition: a pure fold of its log, whatever the order of event times and the cuts into epochs.
///
/// What settled is no longer held here, only when it is to be removed.
#[derive(Clone, Debug)]
pub struct OpenWindows<A> {
    name: String,
    windowing: Windowing,
    progress: Progress,
    windows: BTreeMap<Id, Held<A>>,
    /// Open windows by their end.
    closing: BTreeSet<At>,
    /// Closed windows that may still be amended, by their end.
    settling: BTreeSet<At>,
    /// Settled windows by the log's time when they did, and whether the store has them.
    settled: BTreeMap<At, bool>,
    /// What the store does not have yet.
    dirty: BTreeMap<Id, Dirty>,
    /// The offset after the last event that was folded since [`OpenWindows::take_changes`].
    folded: Option<Offset>,
}

impl<A: Aggregate> OpenWindows<A> {
    /// Without any event yet. The name tells these windows from others under the same tag.
    ///
    /// # Errors
    /// When the windowing makes no windows, or the name is not made of `a-z`, `0-9`, `-` and `_`.
    pub fn new(name: &str, windowing: Windowing) -> Result<Self> {
        windowing.check()?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(EngineError::user(
                format!("name windows {name:?}"),
                "a name is made of a-z, 0-9, - and _",
            ));
        }
        Ok(Self {
            name: name.into(),
            windowing,
            progress: Progress::default(),
            windows: BTreeMap::new(),
            closing: BTreeSet::new(),
            settling: BTreeSet::new(),
            settled: BTreeMap::new(),
            dirty: BTreeMap::new(),
            folded: None,
        })
    }

    /// As the values of a partition say, of which those of others are passed over. They come in any order.
    ///
    /// # Errors
    /// Those of [`OpenWindows::new`]; when a value cannot be read; when the values are those of another windowing.
    pub fn load(
        name: &str,
        windowing: Windowing,
        values: impl IntoIterator<Item = (Bytes, Value)>,
    ) -> Result<Self> {
        let mut loaded = Self::new(name, windowing)?;
        let mut kept_windows = Vec::new();
        for (key, value) in values {
            let unreadable = |reason| {
                let tried = format!("read the windows {name}, value {:?}", String::from_utf8_lossy(&key));
                EngineError::user(
                    tried,
                    format!("{reason}; rebuild the namespace by a replay into a new one"),
                )
            };
            if key == progress_key(name) {
                let kept =
                    KeptProgress::from_kept(&value.bytes).map_err(|error| unreadable(error.to_string()))?;
                if kept.windowing != windowing.to_string() {
                    return Err(EngineError::user(
                        format!("go on with the windows {name} as {windowing}"),
                        format!(
                            "what is stored was folded as {}; fold other windows into a new namespace",
                            kept.windowing
                        ),
                    ));
                }
                loaded.progress = Progress::of_message(&kept);
            } else if let Some(id) = window_of_key(name, &key) {
                let kept =
                    KeptWindow::from_kept(&value.bytes).map_err(|error| unreadable(error.to_string()))?;
                let aggregate = A::from_bytes(&kept.aggregate)
                    .ok_or_else(|| unreadable("its aggregate cannot be read".into()))?;
                kept_windows.push((id, value.version, kept, aggregate));
            }
        }
        let watermark = loaded.watermark();
        for ((key, start), version, kept, aggregate) in kept_windows {
            let KeptWindow { end, events, late, settled, .. } = kept;
            if let Some(at) = settled {
                loaded.settled.insert((at, key, start), true);
                continue;
            }
            let index = if end > watermark { &mut loaded.closing } else { &mut loaded.settling };
            index.insert((end, key.clone(), start));
            let held = Held { end, events, late, aggregate, version, stored: true };
            loaded.windows.insert((key, start), held);
        }
        Ok(loaded)
    }

    /// How far the partition has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// How many windows may still change.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether no window may still change.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Folds the next event of the log.
    pub fn fold(&mut self, event: &TimedEvent<A::Item>) -> Verdict {
        let log_time = bounded(event.log_time);
        let time = match self.windowing.domain {
            TimeDomain::Event => event.event_time.map_or(log_time, |claimed| bounded(claimed).min(log_time)),
            TimeDomain::Processing => log_time,
        };
        let watermark = self.watermark();
        let settled_end = watermark.saturating_sub(millis(self.windowing.allowed_lateness));
        let mut windows = self.windowing.windows_of(Timestamp(time));
        windows.retain(|window| window.end.0 > settled_end);
        let after = event.offset.next();
        for window in &windows {
            match self.windowing.windows {
                Windows::Session { .. } => self.add_to_session(*window, event, watermark, after),
                _ => self.add_to_window(*window, event, watermark, after),
            }
        }
        self.progress.see(time, log_time);
        self.folded = Some(after);
        self.advance(after);
        if windows.is_empty() {
            self.progress.late += 1;
            return Verdict::Late { watermark: Timestamp(watermark) };
        }
        Verdict::Folded
    }

    /// What has to be written so that the store has the fold of everything so far. Values carry the offset after the record that changed
    /// them last. All are mirrored, so that [`Results`](super::Results) hear of them.
    pub fn take_changes(&mut self) -> Vec<Put> {
        let Some(folded) = self.folded.take() else { return Vec::new() };
        let watermark = self.watermark();
        let mut puts = Vec::with_capacity(self.dirty.len() + 1);
        for ((key, start), dirty) in std::mem::take(&mut self.dirty) {
            let name = window_key(&self.name, &key, start);
            let value = match dirty {
                Dirty::Removed => None,
                Dirty::Settled(at, value) => {
                    self.settled.insert((at, key, start), true);
                    Some(value)
                }
                Dirty::Held => {
                    let held =
                        self.windows.get_mut(&(key, start)).expect("what is dirty and held is a window");
                    held.stored = true;
                    Some(held.to_value(watermark, None))
                }
            };
            puts.push(Put { key: name, value, mirrored: true });
        }
        if let Some(kept) = self.progress.to_message(&self.windowing) {
            let value = Value { version: folded, bytes: kept.to_kept().into() };
            puts.push(Put { key: progress_key(&self.name), value: Some(value), mirrored: true });
        }
        puts
    }

    /// Before the first event nothing has passed.
    fn watermark(&self) -> i64 {
        self.progress.watermark(&self.windowing).map_or(-2 * MOST_MILLIS, |watermark| watermark.0)
    }

    fn add_to_window(
        &mut self,
        window: TimeWindow,
        event: &TimedEvent<A::Item>,
        watermark: i64,
        after: Offset,
    ) {
        let id = (event.key.clone(), window.start.0);
        let held = self.windows.entry(id.clone()).or_insert_with(|| Held::new(window.end.0));
        held.add(&event.item, held.end <= watermark, after);
        // What is past its end already, and new, is closed by the look at the watermark that follows.
        self.index(&id, window.end.0, watermark);
        self.dirty.insert(id, Dirty::Held);
    }

    /// Adds to the session that it belongs to; makes one of all that it joins.
    fn add_to_session(
        &mut self,
        own: TimeWindow,
        event: &TimedEvent<A::Item>,
        watermark: i64,
        after: Offset,
    ) {
        let key = &event.key;
        // The open sessions of a key do not touch, so that their ends are in the order of their starts.
        let joined: Vec<Id> = self
            .windows
            .range((key.clone(), i64::MIN)..(key.clone(), own.end.0))
            .rev()
            .take_while(|(_, held)| held.end > own.start.0)
            .map(|(id, _)| id.clone())
            .collect();
        let mut session = Held::new(own.end.0);
        let (mut start, mut amended) = (own.start.0, joined.is_empty() && own.end.0 <= watermark);
        for id in joined.into_iter().rev() {
            let held = self.windows.remove(&id).expect("the session was just found");
            self.unindex(&id, held.end);
            amended |= held.end <= watermark;
            start = start.min(id.1);
            session.join(&held);
            if id.1 == start {
                session.stored = held.stored;
            } else if held.stored {
                self.dirty.insert(id, Dirty::Removed);
            } else {
                self.dirty.remove(&id);
            }
        }
        // A session that now begins earlier has another name.
        session.add(&event.item, amended, after);
        let id = (key.clone(), start);
        self.index(&id, session.end, watermark);
        self.windows.insert(id.clone(), session);
        self.dirty.insert(id, Dirty::Held);
    }

    fn index(&mut self, id: &Id, end: i64, watermark: i64) {
        let index = if end > watermark { &mut self.closing } else { &mut self.settling };
        index.insert((end, id.0.clone(), id.1));
    }

    fn unindex(&mut self, id: &Id, end: i64) {
        let at = (end, id.0.clone(), id.1);
        self.closing.remove(&at);
        self.settling.remove(&at);
    }

    /// Closes, settles and removes what the times so far let.
    fn advance(&mut self, after: Offset) {
        let (watermark, log_time) = (self.watermark(), self.progress.log_time().0);
        while let Some((end, key, start)) = pop_until(&mut self.closing, watermark) {
            let id = (key.clone(), start);
            self.windows.get_mut(&id).expect("what closes is a window").version = after;
            self.dirty.insert(id, Dirty::Held);
            self.settling.insert((end, key, start));
        }
        let settled_end = watermark.saturating_sub(millis(self.windowing.allowed_lateness));
        while let Some((_, key, start)) = pop_until(&mut self.settling, settled_end) {
            let id = (key.clone(), start);
            let mut held = self.windows.remove(&id).expect("what settles is a window");
            held.version = after;
            self.dirty.insert(id, Dirty::Settled(log_time, held.to_value(watermark, Some(log_time))));
            self.settled.insert((log_time, key, start), held.stored);
        }
        let removed = log_time.saturating_sub(millis(self.windowing.retention));
        while let Some(first) = self.settled.first_entry().filter(|first| first.key().0 <= removed) {
            let ((_, key, start), stored) = first.remove_entry();
            if stored {
                self.dirty.insert((key, start), Dirty::Removed);
            } else {
                self.dirty.remove(&(key, start));
            }
        }
    }
}
