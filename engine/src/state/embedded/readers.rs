//! The threads that read.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use super::{Shared, lock};
use crate::error::{EngineError, Result};

const THREADS: usize = 4;

type Job = Box<dyn FnOnce(&Shared) + Send>;

/// A few threads that take reads in turn.
pub(super) struct Readers {
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads.
    pub fn start(shared: Arc<Shared>) -> Result<Self> {
        let (sender, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut readers = Self { jobs: Some(sender), threads: Vec::new() };
        for number in 0..THREADS {
            let (shared, receiver) = (Arc::clone(&shared), Arc::clone(&receiver));
            let work = move || {
                loop {
                    // One thread waits for the next job, the others for the lock.
                    let next = lock(&receiver).recv();
                    let Ok(job) = next else { return };
                    // Who asked is told by the dropped answer; the thread lives on for the others.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&shared)));
                }
            };
            let thread = std::thread::Builder::new().name(format!("state-read-{number}")).spawn(work);
            let failed = |error| EngineError::outside("start a thread for the state store", error);
            readers.threads.push(thread.map_err(failed)?);
        }
        Ok(readers)
    }

    /// Runs a read on one of the threads.
    pub async fn run<T: Send + 'static>(
        &self,
        tried: &'static str,
        read: impl FnOnce(&Shared) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |shared| {
            // A caller that gave up wants no answer.
            let _ = sender.send(read(shared).map_err(|error| shared.failed(tried, error)));
        });
        let jobs = self.jobs.as_ref().expect("the sender goes only when the readers are dropped");
        jobs.send(job).map_err(|_| EngineError::ours(tried, "the state store's readers are gone"))?;
        answer.await.map_err(|_| EngineError::ours(tried, "a reader of the state store panicked"))?
    }
}

impl Drop for Readers {
    /// Ends the threads, so that the file is free as soon as the store is dropped.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
