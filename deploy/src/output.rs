//! What a command says: lines and progress, on this terminal or over the admin interface.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// One thing that a command says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// A line of its answer.
    Line(String),
    /// How far it has come: of what, how much, of how much (0: unknown).
    Progress(String, u64, u64),
    /// It is done.
    Done,
    /// It failed: one line.
    Failed(String),
}

/// How often a line says how far a command has come, where there is no terminal to show a bar.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// The progress that a terminal, or a file in its place, was shown last.
#[derive(Debug, Default)]
pub struct Shown {
    bar: Option<ProgressBar>,
    lines: Option<Lines>,
}

/// Progress in lines.
#[derive(Debug)]
struct Lines {
    /// When the first word of it came, and how much was done then.
    began: (Instant, u64),
    said: Instant,
}

impl Lines {
    /// The line that is due, if one is.
    fn next(lines: &mut Option<Self>, now: Instant, what: &str, done: u64, total: u64) -> Option<String> {
        let lines = lines.get_or_insert(Self { began: (now, done), said: now });
        if now.duration_since(lines.said) < LINE_EVERY {
            return None;
        }
        lines.said = now;
        if total == 0 {
            return Some(what.to_owned());
        }
        let (began, before) = lines.began;
        let rate = done.saturating_sub(before) as f64 / now.duration_since(began).as_secs_f64();
        let left = match total.saturating_sub(done) as f64 / rate {
            seconds if seconds.is_finite() => {
                format!("{} left", HumanDuration(Duration::from_secs_f64(seconds.min(1e9))))
            }
            _ => "stalled".to_owned(),
        };
        let percent = done as f64 * 100.0 / total as f64;
        Some(format!("{what}: {done} of {total} ({percent:.0} %), {rate:.0}/s, {left}"))
    }
}

/// Where a command speaks to.
#[derive(Clone, Debug)]
pub enum Output {
    /// Standard output; progress on standard error, as a bar where that is a terminal, else as a line every few seconds.
    Terminal(Arc<Mutex<Shown>>),
    /// Whoever asked over the admin interface.
    Channel(mpsc::UnboundedSender<Said>),
}

impl Output {
    /// This terminal.
    pub fn terminal() -> Self {
        Self::Terminal(Arc::default())
    }

    /// Says a line of the answer.
    pub fn line(&self, line: impl Into<String>) {
        self.say(Said::Line(line.into()));
    }

    /// Says how far `what` has come.
    pub fn progress(&self, what: &str, done: u64, total: u64) {
        self.say(Said::Progress(what.into(), done, total));
    }

    /// Ends a progress bar, if one is shown.
    pub fn end_progress(&self) {
        if let Self::Terminal(shown) = self {
            let shown = std::mem::take(&mut *lock(shown));
            if let Some(bar) = shown.bar {
                bar.finish_and_clear();
            }
        }
    }

    /// Says anything.
    pub fn say(&self, said: Said) {
        match self {
            // Whoever asked may have gone away; the command goes on.
            Self::Channel(sender) => drop(sender.send(said)),
            Self::Terminal(shown) => match said {
                Said::Line(line) => {
                    self.end_progress();
                    // A closed pipe is no reason to fail.
                    writeln!(std::io::stdout(), "{line}").ok();
                }
                Said::Progress(what, done, total) if std::io::stderr().is_terminal() => {
                    let mut shown = lock(shown);
                    let bar = shown.bar.get_or_insert_with(|| new_bar(done, total));
                    bar.set_message(what);
                    bar.set_length(total.max(done));
                    bar.set_position(done);
                }
                Said::Progress(what, done, total) => {
                    let line = Lines::next(&mut lock(shown).lines, Instant::now(), &what, done, total);
                    if let Some(line) = line {
                        // A closed pipe is no reason to fail.
                        writeln!(std::io::stderr(), "{line}").ok();
                    }
                }
                Said::Done | Said::Failed(_) => {}
            },
        }
    }
}

/// Locks, whatever a thread that panicked did: what is shown is no promise.
fn lock(shown: &Mutex<Shown>) -> std::sync::MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A bar that begins with what was done before, so that the time left is that of the rest.
fn new_bar(done: u64, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent}% {pos}/{len} {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total.max(done)).with_style(style).with_position(done);
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_a_line_comes_every_few_seconds_with_the_time_left() {
        let began = Instant::now();
        let mut lines = None;
        let mut at = |seconds: f64, done| {
            Lines::next(&mut lines, began + Duration::from_secs_f64(seconds), "replaying", done, 9_000)
        };
        assert_eq!(at(0.0, 1_000), None, "what was done before counts for nothing");
        assert_eq!(at(2.9, 3_000), None);
        assert_eq!(at(4.0, 5_000).unwrap(), "replaying: 5000 of 9000 (56 %), 1000/s, 4 seconds left");
        assert_eq!(at(5.0, 5_500), None);
        assert_eq!(at(8.0, 9_000).unwrap(), "replaying: 9000 of 9000 (100 %), 1000/s, 0 seconds left");
        let mut lines = None;
        let mut at = |seconds| {
            Lines::next(
                &mut lines,
                began + Duration::from_secs(seconds),
                "waiting for green: 7 records behind",
                0,
                0,
            )
        };
        assert_eq!((at(0), at(3)), (None, Some("waiting for green: 7 records behind".to_owned())));
        let mut lines = None;
        let mut at =
            |seconds| Lines::next(&mut lines, began + Duration::from_secs(seconds), "replaying", 0, 10);
        assert_eq!((at(0), at(3)), (None, Some("replaying: 0 of 10 (0 %), 0/s, stalled".to_owned())));
    }
}
