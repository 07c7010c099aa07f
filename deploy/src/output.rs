//! What a command says: lines and progress, on this terminal or over the admin interface.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex},
};

use indicatif::{ProgressBar, ProgressStyle};
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

/// Where a command speaks to.
#[derive(Clone, Debug)]
pub enum Output {
    /// Standard output; progress on standard error where that is a terminal.
    Terminal(Arc<Mutex<Option<ProgressBar>>>),
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
        if let Self::Terminal(bar) = self
            && let Some(bar) = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        {
            bar.finish_and_clear();
        }
    }

    /// Says anything.
    pub fn say(&self, said: Said) {
        match self {
            // Whoever asked may have gone away; the command goes on.
            Self::Channel(sender) => drop(sender.send(said)),
            Self::Terminal(bar) => match said {
                Said::Line(line) => {
                    self.end_progress();
                    // A closed pipe is no reason to fail.
                    writeln!(std::io::stdout(), "{line}").ok();
                }
                Said::Progress(what, done, total) if std::io::stderr().is_terminal() => {
                    let mut bar = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let bar = bar.get_or_insert_with(|| new_bar(total));
                    bar.set_message(what);
                    bar.set_length(total.max(done));
                    bar.set_position(done);
                }
                Said::Progress(..) | Said::Done | Said::Failed(_) => {}
            },
        }
    }
}

fn new_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent}% {pos}/{len} {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}
