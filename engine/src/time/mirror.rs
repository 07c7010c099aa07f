//! What a reader of results holds of the partitions.

use std::collections::{BTreeMap, BTreeSet};

use abovefold_schemas::{
    Kept, Marker, Offset,
    keys::{progress_key, window_of_key},
    windows::{KeptProgress, KeptWindow},
};
use bytes::Bytes;

use super::{
    aggregate::Aggregate,
    watermark::Progress,
    window::{Windowing, Windows},
};
use crate::{
    error::{EngineError, Result},
    state::{StateStore, Tag, Value},
};

/// The windows of one partition, as the store has them.
#[derive(Debug)]
pub(super) struct Mirror {
    tag: Tag,
    /// The marker as of which this is.
    pub marker: Option<Offset>,
    /// How far the partition has come; `None` before its first event.
    pub progress: Option<Progress>,
    windows: BTreeMap<(Bytes, i64), KeptWindow>,
}

impl Mirror {
    /// Of a partition of which nothing is known yet.
    pub fn new(tag: Tag) -> Self {
        Self { tag, marker: None, progress: None, windows: BTreeMap::new() }
    }

    /// Asks the store what changed of the windows of a name, and notes their keys in `changed`.
    pub async fn refresh(
        &mut self,
        store: &dyn StateStore,
        name: &str,
        changed: &mut BTreeSet<Bytes>,
    ) -> Result<()> {
        let next = |marker: Option<Marker>| marker.map(|marker| marker.next);
        let since = self.marker.unwrap_or_default();
        let mut changes = store.changed_since(&self.tag, since).await?;
        if next(changes.marker).unwrap_or_default() < since {
            // The store lost its tail: what it has now is read anew.
            changes = store.changed_since(&self.tag, Offset(0)).await?;
            changed.extend(std::mem::take(&mut self.windows).into_keys().map(|(key, _)| key));
            self.progress = None;
        }
        for (key, value) in changes.values {
            if let Some((key, start)) = window_of_key(name, &key) {
                match value {
                    Some(value) => self.windows.insert((key.clone(), start), read(&self.tag, &value)?),
                    None => self.windows.remove(&(key.clone(), start)),
                };
                changed.insert(key);
            } else if key == progress_key(name) {
                let kept = value.map(|value| read::<KeptProgress>(&self.tag, &value)).transpose()?;
                self.progress = kept.map(|kept| Progress::of_message(&kept));
            }
        }
        self.marker = next(changes.marker);
        Ok(())
    }
}

/// The windows of a key by their start, those of all partitions put together. Sessions that touch are one, wherever they lie.
pub(super) fn windows_of<A: Aggregate>(
    mirrors: &[Mirror],
    windowing: &Windowing,
    key: &Bytes,
) -> Result<BTreeMap<i64, KeptWindow>> {
    let range = (key.clone(), i64::MIN)..=(key.clone(), i64::MAX);
    let mut partial: Vec<(i64, &KeptWindow)> = mirrors
        .iter()
        .flat_map(|mirror| mirror.windows.range(range.clone()))
        .map(|((_, start), window)| (*start, window))
        .collect();
    // A stable sort: of the same start, the lower partition comes first.
    partial.sort_by_key(|(start, _)| *start);
    let are_sessions = matches!(windowing.windows, Windows::Session { .. });
    let mut whole: BTreeMap<i64, KeptWindow> = BTreeMap::new();
    for (start, window) in partial {
        let same = whole
            .last_entry()
            .filter(|last| *last.key() == start || (are_sessions && start < last.get().end));
        match same {
            Some(mut last) => add_up::<A>(last.get_mut(), window)?,
            None => {
                // When and with which pane a partition wrote it is its own matter.
                whole.insert(start, KeptWindow { pane: 0, settled: None, ..window.clone() });
            }
        }
    }
    Ok(whole)
}

fn add_up<A: Aggregate>(sum: &mut KeptWindow, part: &KeptWindow) -> Result<()> {
    let mut merged: A = aggregate(sum)?;
    merged.merge(&aggregate(part)?);
    sum.aggregate = merged.to_bytes();
    sum.end = sum.end.max(part.end);
    sum.events += part.events;
    sum.late += part.late;
    Ok(())
}

/// What a window kept of its events.
pub(super) fn aggregate<A: Aggregate>(window: &KeptWindow) -> Result<A> {
    A::from_bytes(&window.aggregate)
        .ok_or_else(|| EngineError::user("read the aggregate of a window", UNREADABLE))
}

fn read<T: Kept>(tag: &Tag, value: &Value) -> Result<T> {
    T::from_kept(&value.bytes)
        .map_err(|error| EngineError::user(format!("read {tag}"), format!("{error}; {UNREADABLE}")))
}

const UNREADABLE: &str =
    "its bytes are none of this program's; read it with the program that wrote it, or rebuild the namespace";
