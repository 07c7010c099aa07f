//! A task that was started.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{sync::oneshot, task::JoinHandle};

use super::simulation::World;

/// A task that runs, and the future of its result. It goes on when this is dropped.
#[derive(Debug)]
pub struct Task<T> {
    kind: Kind<T>,
}

#[derive(Debug)]
enum Kind<T> {
    Real(JoinHandle<T>),
    Simulated { world: Arc<World>, id: u64, result: oneshot::Receiver<T> },
}

/// Why a task has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It panicked.
    #[error("a task panicked")]
    Panicked,
    /// It was ended before its end.
    #[error("a task was ended before its end")]
    Aborted,
}

impl<T> Task<T> {
    pub(super) fn real(handle: JoinHandle<T>) -> Self {
        Self { kind: Kind::Real(handle) }
    }

    pub(super) fn simulated(world: Arc<World>, id: u64, result: oneshot::Receiver<T>) -> Self {
        Self { kind: Kind::Simulated { world, id, result } }
    }

    /// Ends the task where it waits.
    pub fn abort(&self) {
        match &self.kind {
            Kind::Real(handle) => handle.abort(),
            Kind::Simulated { world, id, .. } => world.abort(*id),
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().kind {
            Kind::Real(handle) => Pin::new(handle).poll(context).map(|result| {
                result.map_err(
                    |error| {
                        if error.is_panic() { TaskError::Panicked } else { TaskError::Aborted }
                    },
                )
            }),
            // A panic of a simulated task ends the simulation.
            Kind::Simulated { result, .. } => {
                Pin::new(result).poll(context).map(|result| result.map_err(|_| TaskError::Aborted))
            }
        }
    }
}
