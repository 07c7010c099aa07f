//! The last lines of the log at warn and above, kept in memory for the operations page.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use abovefold_engine::Runtime;
use abovefold_schemas::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// The most lines that are kept.
pub const MOST_LINES: usize = 1_000;
/// The most bytes of a line; the rest is cut off.
const MOST_BYTES: usize = 2_048;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was said.
    pub time: Timestamp,
    /// Whether it is an error; else a warning.
    pub is_error: bool,
    /// The module that said it.
    pub target: String,
    /// Its message and its fields.
    pub text: String,
}

/// How many lines there ever were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// At warn.
    pub warnings: u64,
    /// At error.
    pub errors: u64,
}

/// The last lines.
#[derive(Debug)]
pub struct Recent(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    lines: VecDeque<Line>,
    counts: Counts,
}

/// Those of this process.
pub static RECENT: Recent = Recent::new();

impl Recent {
    const fn new() -> Self {
        Self(Mutex::new(Kept { lines: VecDeque::new(), counts: Counts { warnings: 0, errors: 0 } }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic while it is locked leaves a line too few.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Line) {
        let mut kept = self.kept();
        match line.is_error {
            true => kept.counts.errors += 1,
            false => kept.counts.warnings += 1,
        }
        if kept.lines.len() == MOST_LINES {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }

    /// At most so many lines, newest first, and how many there ever were.
    pub fn last(&self, most: usize) -> (Vec<Line>, Counts) {
        let kept = self.kept();
        (kept.lines.iter().rev().take(most).cloned().collect(), kept.counts)
    }

    /// How many lines there ever were.
    pub fn counts(&self) -> Counts {
        self.kept().counts
    }
}

/// Feeds [`RECENT`] with what is logged at warn and above.
pub struct Keep(Runtime);

impl Keep {
    /// By the clock of this machine.
    pub fn new() -> Self {
        Self(Runtime::real())
    }
}

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::WARN {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        let Text(mut text) = text;
        text.truncate(text.floor_char_boundary(MOST_BYTES));
        RECENT.push(Line {
            time: self.0.now(),
            is_error: level == Level::ERROR,
            target: event.metadata().target().to_owned(),
            text: without_passwords(&text),
        });
    }
}

/// A message and then its fields, as one line.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}").replace('\n', " ");
        match field.name() {
            "message" => self.0.insert_str(0, &value),
            name => write!(self.0, " {name}={value}").expect("writing to a string cannot fail"),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// The same text with the user and password of every URL masked. What we log ourselves is masked already; what a library says may not be.
fn without_passwords(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'<>`".contains(c)).unwrap_or(after.len());
        let (authority, behind) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, hosts)) => write!(masked, "***@{hosts}").expect("writing to a string cannot fail"),
            None => masked.push_str(authority),
        }
        rest = behind;
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn what_is_logged_at_warn_and_above_is_kept_within_bounds_and_without_passwords() {
        let subscriber = tracing_subscriber::registry().with(Keep::new());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("nobody needs this");
            for number in 0..MOST_LINES {
                tracing::warn!(number, "again");
            }
            tracing::error!(url = "redis://me:secret@host:6379/0", "no\nanswer {}", "x".repeat(9_000));
            tracing::warn!(error = %"from https://u:p@a/b and http://c/d@e", "failed");
        });
        let (lines, counts) = RECENT.last(usize::MAX);
        assert_eq!(lines.len(), MOST_LINES);
        assert!(counts.warnings > MOST_LINES as u64 && counts.errors >= 1);
        assert_eq!(lines[0].text, "failed error=from https://***@a/b and http://c/d@e");
        assert!(lines[1].is_error && lines[1].text.starts_with("no answer xxx"));
        assert!(lines[1].text.len() <= MOST_BYTES);
        assert_eq!(lines[2].text, "again number=999");
        assert_eq!(without_passwords("at redis://me:secret@host:6379/0"), "at redis://***@host:6379/0");
    }
}
