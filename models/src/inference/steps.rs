//! The thread of the session model: fills tiles across batches, and answers.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::priority::give_way;
use super::thread::{Reply, Worker, guarded};
use super::{StepBatch, StepResult};
use crate::session::SessionModel;
use crate::{HIDDEN, WIDTH, metrics};

/// A batch to step, and who waits for it.
pub(super) struct StepJob {
    pub(super) batch: StepBatch,
    pub(super) reply: Reply<StepResult>,
}

/// A batch on its way through the tiles.
struct Stepping {
    batch: StepBatch,
    /// Rows that have been handed to a tile.
    taken: usize,
    after: Vec<f32>,
    reply: Reply<StepResult>,
}

/// What the thread owns.
pub(super) struct Steps {
    session: SessionModel,
    waiting: VecDeque<Stepping>,
}

impl Steps {
    /// Around a session model that is laid out.
    pub(super) fn new(session: SessionModel) -> Self {
        Self { session, waiting: VecDeque::new() }
    }

    fn take(&mut self, StepJob { batch, reply }: StepJob) {
        if batch.is_empty() {
            let _ = reply.send(Ok(StepResult::default()));
            return;
        }
        let after = vec![0.0; batch.hidden.len()];
        self.waiting.push_back(Stepping { batch, taken: 0, after, reply });
    }

    /// Fills one tile from the batches in front, runs it, and answers those that are done.
    fn run_tile(&mut self) {
        let mut room = self.session.tile();
        let mut tile = StepBatch::with_capacity(room);
        let mut parts = Vec::new();
        for (index, job) in self.waiting.iter().enumerate() {
            let rows = room.min(job.batch.len() - job.taken);
            if rows == 0 {
                break;
            }
            let (from, until) = (job.taken, job.taken + rows);
            tile.hidden.extend_from_slice(&job.batch.hidden[from * HIDDEN..until * HIDDEN]);
            tile.vectors.extend_from_slice(&job.batch.vectors[from * WIDTH..until * WIDTH]);
            tile.behaviours.extend_from_slice(&job.batch.behaviours[from..until]);
            parts.push((index, rows));
            room -= rows;
        }
        let began = Instant::now();
        let mut after = vec![0.0; tile.hidden.len()];
        let session = &mut self.session;
        let stepped =
            guarded(|| session.step_tile(&tile.hidden, &tile.vectors, &tile.behaviours, &mut after));
        if let Err(error) = stepped {
            for (_, job) in parts.iter().zip(self.waiting.drain(..parts.len())) {
                let _ = job.reply.send(Err(error.clone()));
            }
            return;
        }
        metrics::stepped(tile.len(), began.elapsed());
        let mut done = 0;
        for (index, rows) in parts {
            let job = &mut self.waiting[index];
            job.after[job.taken * HIDDEN..][..rows * HIDDEN]
                .copy_from_slice(&after[done * HIDDEN..][..rows * HIDDEN]);
            job.taken += rows;
            done += rows;
        }
        while let Some(job) = self.waiting.pop_front() {
            if job.taken < job.batch.len() {
                self.waiting.push_front(job);
                break;
            }
            let _ = job.reply.send(Ok(StepResult { hidden: job.after }));
        }
    }
}

impl Worker for Steps {
    type Job = StepJob;

    fn run(mut self, jobs: &Receiver<StepJob>) {
        give_way();
        loop {
            if self.waiting.is_empty() {
                match jobs.recv() {
                    Ok(job) => self.take(job),
                    Err(_) => return,
                }
            }
            while let Ok(job) = jobs.try_recv() {
                self.take(job);
            }
            if !self.waiting.is_empty() {
                self.run_tile();
            }
        }
    }
}
