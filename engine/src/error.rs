//! Errors that say whose fault it is and whether trying again helps.

/// Who has to do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator of the system: a wrong URL, a topic that does not exist, a namespace of another model.
    User,
    /// A server that is down, slow or out of memory.
    Outside,
    /// This program: a broken invariant.
    Ours,
}

/// An error of an edge or of an operator: what was tried, on what, whose fault it is, and whether to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{tried}: {reason}")]
pub struct EngineError {
    /// What was tried and on what, such as `append to topic user_events at kafka://127.0.0.1:9092`.
    pub tried: String,
    /// What went wrong and what to do about it.
    pub reason: String,
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether the same call may go through later.
    pub retry: bool,
}

impl EngineError {
    /// The operator of the system has to change something.
    pub fn user(tried: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { tried: tried.into(), reason: reason.into(), fault: Fault::User, retry: false }
    }

    /// A server did not do what was asked; the same call may go through later.
    pub fn outside(tried: impl Into<String>, reason: impl ToString) -> Self {
        Self { tried: tried.into(), reason: reason.to_string(), fault: Fault::Outside, retry: true }
    }

    /// A broken invariant of this program.
    pub fn ours(tried: impl Into<String>, reason: impl ToString) -> Self {
        Self { tried: tried.into(), reason: reason.to_string(), fault: Fault::Ours, retry: false }
    }
}

/// The result of everything in the engine that can fail.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;
