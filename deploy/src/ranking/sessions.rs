//! The GRU beside the stream: readers' steps wait until one of their impressions is looked at, and are then taken in waves over readers.

use std::{collections::VecDeque, sync::Arc};

use abovefold_models::{Behaviour, HIDDEN, Inference, InferenceError, StepBatch, WIDTH, session_embedding};
use abovefold_operators::fold::{cache::FixedMap, reader::Step};
use abovefold_schemas::ReaderId;

/// Readers of one wave: a full wave is some tiles of the GRU.
const WAVE: usize = 4_096;

/// The hidden states of readers, as far as they were asked for.
#[derive(Debug, Default)]
pub struct Sessions {
    readers: FixedMap<ReaderId, Session>,
}

#[derive(Debug)]
struct Session {
    hidden: Vec<f32>,
    sum: Vec<f32>,
    /// Steps taken so far.
    taken: u64,
    waiting: VecDeque<(Option<Arc<[f32]>>, Behaviour)>,
}

/// What a reader's reads amount to at an impression.
#[derive(Clone, Debug, Default)]
pub struct SessionAt {
    /// The session embedding, `[WIDTH]`; empty before the first read.
    pub embedding: Vec<f32>,
    /// The sum of the vectors read, `[WIDTH]`; empty before the first read.
    pub sum: Vec<f32>,
}

impl Sessions {
    /// Notes a read's step; it is taken when it is needed.
    pub fn note(&mut self, reader: &ReaderId, vector: Option<Arc<[f32]>>, step: &Step) {
        let session = match self.readers.get_mut(reader) {
            Some(session) => session,
            None => self.readers.entry(reader.clone()).or_insert_with(|| Session {
                hidden: vec![0.0; HIDDEN],
                sum: vec![0.0; WIDTH],
                taken: 0,
                waiting: VecDeque::new(),
            }),
        };
        let behaviour = Behaviour {
            read_seconds: step.read_time,
            scroll_percent: step.scroll_pct,
            position: step.position,
        };
        session.waiting.push_back((vector, behaviour));
    }

    /// Steps of a reader so far, taken or waiting.
    pub fn steps(&self, reader: &ReaderId) -> u64 {
        self.readers.get(reader).map_or(0, |session| session.taken + session.waiting.len() as u64)
    }

    /// A reader is not asked for again.
    pub fn forget(&mut self, reader: &ReaderId) {
        self.readers.remove(reader);
    }

    /// What each reader's first so many reads amount to; a reader's later entries must not ask for fewer.
    ///
    /// # Errors
    /// When inference fails.
    pub fn at(
        &mut self,
        asked: &[(ReaderId, u64)],
        inference: Option<&Inference>,
    ) -> Result<Vec<SessionAt>, InferenceError> {
        let mut found = vec![SessionAt::default(); asked.len()];
        let mut line: FixedMap<&ReaderId, VecDeque<usize>> = FixedMap::default();
        for (place, (reader, _)) in asked.iter().enumerate() {
            line.entry(reader).or_default().push_back(place);
        }
        let mut order: Vec<&ReaderId> = line.keys().copied().collect();
        order.sort();
        while !order.is_empty() {
            // Whoever has come far enough is answered, and leaves when nothing more is asked of it.
            order.retain(|reader| {
                let places = line.get_mut(reader).expect("every reader in the line was put there");
                while let Some(place) = places.front().copied() {
                    let Some(session) = self.readers.get(*reader) else {
                        places.pop_front();
                        continue;
                    };
                    if session.taken < asked[place].1 {
                        return true;
                    }
                    if session.taken > 0 {
                        let embedding = match inference {
                            Some(_) => session_embedding(&session.hidden).to_vec(),
                            None => Vec::new(),
                        };
                        found[place] = SessionAt { embedding, sum: session.sum.clone() };
                    }
                    places.pop_front();
                }
                false
            });
            for wave in order.chunks(WAVE) {
                self.step(wave, inference)?;
            }
        }
        Ok(found)
    }

    /// One step of each reader.
    fn step(&mut self, readers: &[&ReaderId], inference: Option<&Inference>) -> Result<(), InferenceError> {
        let nothing: [f32; WIDTH] = [0.0; WIDTH];
        let mut batch = StepBatch::with_capacity(readers.len());
        for reader in readers {
            let Some(session) = self.readers.get_mut(*reader) else { continue };
            let Some((vector, behaviour)) = session.waiting.pop_front() else { continue };
            let vector = vector.as_deref().unwrap_or(&nothing);
            session.taken += 1;
            session.sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            batch.push(&session.hidden, vector, behaviour);
        }
        let Some(inference) = inference else { return Ok(()) };
        let result = inference.step_blocking(batch)?;
        for (row, reader) in readers.iter().enumerate() {
            if let Some(session) = self.readers.get_mut(*reader) {
                session.hidden.copy_from_slice(result.row(row));
            }
        }
        Ok(())
    }
}
