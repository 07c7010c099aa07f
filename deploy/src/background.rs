//! Threads for what no reader waits for. They give way to those that answer requests.

use abovefold_engine::Runtime;
use abovefold_models::give_way;
use anyhow::Context;

/// A runtime of tokio of its own: folds, replays and the learner run in it, in a process that answers requests as well. They have as many
/// threads as the requests have, and get the processor when those wait.
#[derive(Debug)]
pub struct Background(Option<tokio::runtime::Runtime>);

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("background")
            .on_thread_start(give_way)
            .enable_all()
            .build()
            .context("start the threads of the write path")?;
        Ok(Self(Some(runtime)))
    }

    /// `runtime` with its tasks in these threads.
    pub fn of(&self, runtime: &Runtime) -> Runtime {
        match &self.0 {
            Some(background) => runtime.with_tasks_on(background.handle().clone()),
            None => runtime.clone(),
        }
    }
}

impl Drop for Background {
    /// Whoever started tasks has waited for them; nothing else is waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
