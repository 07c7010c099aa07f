//! A training's state on disk, so that one that was killed goes on, and ends with the same numbers.
//!
//! One file, written beside and renamed: the weights, the best so far, Adam's moments, the hidden states carried between windows, and where in which
//! pass it is. Randomness needs no place in it: what is drawn for a batch follows from the seed and the batch's place. The file names
//! the data and the options that it belongs to; one of another training is not used.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::curve::Curve;
use super::windows::HiddenStates;
use crate::HIDDEN;
use crate::weights::Weights;

/// Where a network's training is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The network: `session` or `reranker`.
    pub(super) network: String,
    /// The pass that goes on, from 1.
    pub(super) epoch: usize,
    /// Windows, or batches of impressions, of that pass that are done.
    pub(super) done: usize,
    /// Steps of the optimiser, by plan and as it counts them.
    pub(super) step: usize,
    pub(super) adam_step: u64,
    /// Bits of the best value so far.
    pub(super) best: u64,
    pub(super) stale: usize,
    pub(super) loss: Option<f64>,
    /// Reads or impressions so far, and the seconds that they took.
    pub(super) seen: usize,
    pub(super) seconds: f64,
    /// What was measured before the first pass.
    pub(super) before: Vec<(String, f64)>,
    /// What the network before this one has for the card.
    pub(super) earlier: Vec<(String, f64)>,
    pub(super) curve: Curve,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) place: Place,
    /// What is best so far, of both networks.
    pub(super) best: Weights,
    /// The network that is trained.
    pub(super) now: Weights,
    pub(super) moments: Weights,
    pub(super) hidden: HiddenStates,
}

/// Writes and reads the file.
pub(super) struct Keeper {
    file: PathBuf,
    every: Duration,
    last: Instant,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    fingerprint: String,
    place: Place,
}

impl Keeper {
    pub(super) fn new(file: PathBuf, every: Duration, fingerprint: String) -> Self {
        Self { file, every, last: Instant::now(), fingerprint }
    }

    /// Whether enough time has passed to write again.
    pub(super) fn due(&self) -> bool {
        self.last.elapsed() >= self.every
    }

    fn failed(&self, what: &str, reason: impl std::fmt::Display) -> TrainError {
        TrainError::Checkpoint(format!(
            "checkpoint {} cannot be {what}: {reason}; remove it to train from the beginning",
            self.file.display()
        ))
    }

    /// What a training of the same data and options left behind.
    pub(super) fn read(&self) -> Result<Option<State>, TrainError> {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| self.failed("read", error))?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get("abovefold")).cloned();
        let header: Header =
            serde_json::from_str(&header.unwrap_or_default()).map_err(|error| self.failed("read", error))?;
        if header.fingerprint != self.fingerprint {
            tracing::warn!(
                file = %self.file.display(),
                "the checkpoint is of other data or options; training starts from the beginning"
            );
            return Ok(None);
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| self.failed("read", error))?;
        let mut state = State { place: header.place, ..State::default() };
        let mut hidden: (Vec<u32>, Vec<f16>) = Default::default();
        for (name, view) in tensors.tensors() {
            let numbers = || view.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
            match name.split_once('/') {
                Some(("hidden", "readers")) => hidden.0 = numbers().map(u32::from_le_bytes).collect(),
                Some(("hidden", _)) => {
                    let halves = view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]));
                    hidden.1 = halves.collect();
                }
                Some((part, name)) => {
                    let weights = match part {
                        "best" => &mut state.best,
                        "now" => &mut state.now,
                        _ => &mut state.moments,
                    };
                    weights.insert(name, view.shape(), numbers().map(f32::from_le_bytes).collect());
                }
                None => {}
            }
        }
        let states = hidden.1.chunks_exact(HIDDEN).map(Box::<[f16]>::from);
        state.hidden.of = hidden.0.into_iter().zip(states).collect::<HashMap<_, _>>();
        Ok(Some(state))
    }

    /// Writes the state; the file is whole at all times.
    pub(super) fn write(&mut self, state: &State) -> Result<(), TrainError> {
        let mut arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for (part, weights) in [("best", &state.best), ("now", &state.now), ("moments", &state.moments)] {
            for (name, array) in weights.iter() {
                let bytes = array.data.iter().flat_map(|number| number.to_le_bytes()).collect();
                arrays.push((format!("{part}/{name}"), Dtype::F32, array.shape.clone(), bytes));
            }
        }
        let mut readers: Vec<u32> = state.hidden.of.keys().copied().collect();
        readers.sort_unstable();
        let states = readers.iter().flat_map(|reader| state.hidden.of[reader].iter());
        let states: Vec<u8> = states.flat_map(|number| number.to_le_bytes()).collect();
        let names: Vec<u8> = readers.iter().flat_map(|reader| reader.to_le_bytes()).collect();
        arrays.push(("hidden/readers".to_owned(), Dtype::U32, vec![readers.len()], names));
        arrays.push(("hidden/states".to_owned(), Dtype::F16, vec![readers.len(), HIDDEN], states));

        let header = Header { fingerprint: self.fingerprint.clone(), place: state.place.clone() };
        let header = serde_json::to_string(&header).map_err(|error| self.failed("written", error))?;
        let mut views = Vec::with_capacity(arrays.len());
        for (name, kind, shape, bytes) in &arrays {
            let view = TensorView::new(*kind, shape.clone(), bytes)
                .map_err(|error| self.failed("written", error))?;
            views.push((name.clone(), view));
        }
        let metadata = HashMap::from([("abovefold".to_owned(), header)]);
        let bytes =
            safetensors::serialize(views, Some(metadata)).map_err(|error| self.failed("written", error))?;
        drop(arrays);
        let beside = self.file.with_extension("part");
        let write = || -> std::io::Result<()> {
            if let Some(folder) = self.file.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::create(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &self.file)
        };
        write().map_err(|error| self.failed("written", error))?;
        self.last = Instant::now();
        Ok(())
    }

    /// Removes the file: the training is at its end.
    pub(super) fn finish(&self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %self.file.display(), %error, "the checkpoint cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelFolder;

    #[test]
    fn what_is_read_is_what_was_written_and_another_trainings_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er.checkpoint");
        let keeper = |fingerprint: &str| Keeper::new(file.clone(), Duration::ZERO, fingerprint.to_owned());
        assert_eq!(keeper("a").read().unwrap(), None);
        let hidden = vec![f16::from_f32(0.25); HIDDEN].into_boxed_slice();
        let state = State {
            place: Place { epoch: 2, done: 7, best: 0.1f64.to_bits(), loss: Some(0.5), ..Place::default() },
            now: ModelFolder::untrained(1).weights,
            hidden: HiddenStates { of: HashMap::from([(9, hidden)]) },
            ..State::default()
        };
        keeper("a").write(&state).unwrap();
        assert_eq!(keeper("a").read().unwrap(), Some(state));
        assert_eq!(keeper("b").read().unwrap(), None);
        fs::write(&file, b"not a checkpoint").unwrap();
        let error = keeper("a").read().unwrap_err().to_string();
        assert!(error.contains("er.checkpoint") && error.contains("remove it"), "{error}");
        keeper("a").finish();
        keeper("a").finish();
        assert!(!file.exists());
    }
}
