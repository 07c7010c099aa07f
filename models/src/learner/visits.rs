//! The visits that readers are on: which pages they came by.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use abovefold_schemas::{ArticleId, ReaderId, Timestamp};

use super::VISIT_GAP_MS;

/// The latest pages of a visit that are remembered.
const REMEMBERED: usize = 64;

/// One reader's visit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visit {
    /// Its pages, oldest first; the latest 64.
    pub pages: Vec<ArticleId>,
    /// When the last of them was clicked (ms since 1970).
    pub last_click: i64,
    /// When the last of them was left (ms since 1970).
    pub last_exit: i64,
    /// Pages so far, also those that are no longer remembered.
    pub length: u32,
}

impl Visit {
    /// Whether a click at `click` belongs to this visit.
    pub fn goes_on(&self, click: i64) -> bool {
        !self.pages.is_empty() && click - self.last_click <= VISIT_GAP_MS
    }

    /// The pages of the visit as of a moment, latest first, at most `count`; none where the visit has ended by then.
    pub fn latest(&self, now: Timestamp, count: usize) -> Vec<ArticleId> {
        if !self.goes_on(now.0) {
            return Vec::new();
        }
        self.pages.iter().rev().take(count).copied().collect()
    }
}

/// The visits of all readers. Those that ended long ago are dropped now and then.
#[derive(Clone, Debug, Default)]
pub struct Visits {
    by_reader: HashMap<ReaderId, Visit, BuildHasherDefault<DefaultHasher>>,
    swept: i64,
}

impl Visits {
    /// A reader's visit, if it is on one or was lately.
    pub fn get(&self, reader: &ReaderId) -> Option<&Visit> {
        self.by_reader.get(reader)
    }

    /// Notes that a reader clicked an article at `click` and left it at `exit`. Gives the pages before it, latest first and none for
    /// a visit's first read; `None` where it repeats a read of its visit.
    pub fn note(
        &mut self,
        reader: &ReaderId,
        article: ArticleId,
        click: i64,
        exit: i64,
        count: usize,
    ) -> Option<Vec<ArticleId>> {
        self.sweep(exit);
        let visit = match self.by_reader.get_mut(reader) {
            Some(visit) => visit,
            None => self.by_reader.entry(reader.clone()).or_default(),
        };
        if !visit.goes_on(click) {
            *visit = Visit::default();
        }
        let repeated = visit.pages.contains(&article);
        let before = (!repeated).then(|| visit.pages.iter().rev().take(count).copied().collect());
        if visit.pages.last() != Some(&article) {
            visit.pages.retain(|page| *page != article);
            visit.pages.push(article);
            if visit.pages.len() > REMEMBERED {
                visit.pages.remove(0);
            }
        }
        visit.length = visit.length.saturating_add(1);
        visit.last_click = visit.last_click.max(click);
        visit.last_exit = visit.last_exit.max(exit);
        before
    }

    /// Drops a reader's visit.
    pub fn forget(&mut self, reader: &ReaderId) {
        self.by_reader.remove(reader);
    }

    /// Drops visits that ended, at most once in a quarter of an hour of the log.
    fn sweep(&mut self, now: i64) {
        if now - self.swept < VISIT_GAP_MS / 3 {
            return;
        }
        self.swept = now;
        self.by_reader.retain(|_, visit| now - visit.last_exit <= 2 * VISIT_GAP_MS);
    }
}
