//! The log cut into windows, and readers' reads within them into batches.
//!
//! Training goes through the log in the order of time, as serving does. A *window* is a stretch of it; what one reader read in a window is a *run*.
//! A batch takes runs of one window, so that its readers read at about the same time, and each run starts from the hidden state that
//! the reader's run before it, in an earlier window, ended with. No reader's sequence is ever cut.

use std::collections::HashMap;

use abovefold_schemas::Timestamp;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tch::{Device, Tensor};

use super::TrainError;
use super::network::Parameters;
use super::prepare::{Data, positions};
use super::{adam, gru};
use crate::seed::{mix, shuffle};
use crate::session::Behaviour;
use crate::vectors::Wanted;
use crate::weights::numbers;
use crate::{HIDDEN, LAYERS, WIDTH};

/// What one reader read within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) reader: u32,
    /// The first of the reader's reads.
    pub(super) first: u32,
    pub(super) count: u32,
    /// Whether a later window has more of the reader.
    pub(super) more: bool,
}

/// Cuts the first so many reads of each of `readers` into windows of `size` reads, earliest first.
pub(super) fn windows(
    data: &Data<'_>,
    readers: impl Iterator<Item = (u32, usize)>,
    size: usize,
) -> Vec<Vec<Run>> {
    let mut reads: Vec<(i64, u32, u32)> = Vec::new();
    for (reader, count) in readers {
        reads.extend((0..count).map(|read| (data.reads(reader)[read].time.0, reader, read as u32)));
    }
    reads.sort_unstable();
    let mut windows: Vec<Vec<Run>> = Vec::new();
    for window in reads.chunks_mut(size.max(1)) {
        window.sort_unstable_by_key(|(_, reader, read)| (*reader, *read));
        let run = |reads: &[(i64, u32, u32)]| Run {
            reader: reads[0].1,
            first: reads[0].2,
            count: reads.len() as u32,
            more: true,
        };
        windows.push(window.chunk_by(|a, b| a.1 == b.1).map(run).collect());
    }
    let mut seen = std::collections::HashSet::new();
    for run in windows.iter_mut().rev().flatten() {
        run.more = !seen.insert(run.reader);
    }
    windows
}

/// The runs of a window in batches of like length, the longest first within a batch, the batches in an order that follows from the seed.
pub(super) fn batches(window: &[Run], size: usize, seed: u64) -> Vec<Vec<Run>> {
    let mut random = ChaCha8Rng::seed_from_u64(mix(seed));
    let mut runs = window.to_vec();
    shuffle(&mut random, &mut runs);
    runs.sort_by_key(|run| std::cmp::Reverse(run.count.next_power_of_two()));
    let mut batches: Vec<Vec<Run>> = runs.chunks(size.max(1)).map(<[Run]>::to_vec).collect();
    batches.iter_mut().for_each(|batch| batch.sort_by_key(|run| std::cmp::Reverse(run.count)));
    shuffle(&mut random, &mut batches);
    batches
}

/// Hidden states of readers between their runs, in 16 bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct HiddenStates {
    pub(super) of: HashMap<u32, Box<[f16]>>,
}

impl HiddenStates {
    /// The states that the batch's readers go on from: one `[readers, WIDTH]` a layer.
    fn take(&mut self, batch: &[Run], device: Device) -> Vec<Tensor> {
        let mut flat = vec![0.0f32; LAYERS * batch.len() * WIDTH];
        for (place, run) in batch.iter().enumerate() {
            let Some(hidden) = self.of.remove(&run.reader) else { continue };
            for layer in 0..LAYERS {
                let into = &mut flat[(layer * batch.len() + place) * WIDTH..][..WIDTH];
                hidden[layer * WIDTH..][..WIDTH].convert_to_f32_slice(into);
            }
        }
        let all = Tensor::from_slice(&flat).view([LAYERS as i64, batch.len() as i64, WIDTH as i64]);
        (0..LAYERS as i64).map(|layer| all.select(0, layer).to_device(device)).collect()
    }

    /// Keeps those that a later window goes on from. `ended` has one `[readers, WIDTH]` a layer.
    fn put(&mut self, batch: &[Run], ended: &[Tensor]) {
        let ended: Vec<Vec<f32>> = ended.iter().map(numbers).collect();
        for (place, run) in batch.iter().enumerate().filter(|(_, run)| run.more) {
            let mut hidden = vec![f16::ZERO; HIDDEN].into_boxed_slice();
            for (layer, ended) in ended.iter().enumerate() {
                hidden[layer * WIDTH..][..WIDTH].convert_from_f32_slice(&ended[place * WIDTH..][..WIDTH]);
            }
            self.of.insert(run.reader, hidden);
        }
    }
}

/// A stretch of a batch's reads that gradients flow back over, packed as `gru` wants it.
pub(super) struct Chunk {
    /// Rows of each step.
    pub(super) counts: Vec<i64>,
    /// Reader and number of the read of each row.
    pub(super) rows: Vec<(u32, u32)>,
    inputs: Vec<Wanted>,
    behaviours: Vec<f32>,
}

/// Cuts a batch, whose longest run comes first, every `length` reads.
pub(super) fn chunks(data: &Data<'_>, batch: &[Run], length: usize) -> Vec<Chunk> {
    let longest = batch.first().map_or(0, |run| run.count as usize);
    let places: Vec<Vec<u32>> = batch
        .iter()
        .map(|run| positions(data.reads(run.reader), run.first as usize, run.count as usize))
        .collect();
    let mut chunks = Vec::new();
    for start in (0..longest).step_by(length.max(1)) {
        let mut chunk =
            Chunk { counts: Vec::new(), rows: Vec::new(), inputs: Vec::new(), behaviours: Vec::new() };
        for step in start..longest.min(start + length) {
            let going = batch.iter().take_while(|run| run.count as usize > step).count();
            chunk.counts.push(going as i64);
            for (run, places) in batch[..going].iter().zip(&places) {
                let read = &data.reads(run.reader)[run.first as usize + step];
                let behaviour = Behaviour {
                    read_seconds: read.read_seconds,
                    scroll_percent: read.scroll_percent,
                    position: places[step],
                };
                chunk.rows.push((run.reader, run.first + step as u32));
                chunk.inputs.push(Wanted { article: read.article, as_of: read.time });
                chunk.behaviours.extend(behaviour.scaled(&data.scaling));
            }
        }
        chunks.push(chunk);
    }
    chunks
}

/// A chunk's way through the session model.
pub(super) struct Through {
    fused: Tensor,
    dropped: Option<Tensor>,
    lower: gru::Pass,
    upper: gru::Pass,
}

impl Through {
    /// Top layer's states, packed.
    pub(super) fn top(&self) -> &Tensor {
        &self.upper.states
    }

    /// Takes the gradient by the top layer's states back to every tensor of the network.
    pub(super) fn back(self, parameters: &Parameters, by_top: &Tensor) -> adam::Gradients {
        let mut gradients = adam::Gradients::new();
        let mut by_lower = gru::backward(parameters, self.upper, by_top, &mut gradients);
        if let Some(dropped) = self.dropped {
            by_lower *= dropped;
        }
        let by_input = gru::backward(parameters, self.lower, &by_lower, &mut gradients);
        (self.fused * by_input).sum(tch::Kind::Float).backward();
        gradients.extend(parameters.take_gradients());
        gradients
    }
}

impl Chunk {
    /// Runs the chunk. `hidden` has one `[readers, WIDTH]` a layer; it is replaced by the states of the readers of the chunk at its end.
    pub(super) fn through(
        &self,
        data: &Data<'_>,
        parameters: &Parameters,
        hidden: &mut [Tensor],
        mask: impl FnOnce(&Tensor) -> Option<Tensor>,
        learning: bool,
    ) -> Result<Through, TrainError> {
        let device = parameters.device();
        let vectors =
            Tensor::from_slice(&data.vectors(&self.inputs)?).view([-1, WIDTH as i64]).to_device(device);
        let behaviours = Tensor::from_slice(&self.behaviours).view([-1, 3]).to_device(device);
        let fused = if learning {
            parameters.fusion(&behaviours)
        } else {
            tch::no_grad(|| parameters.fusion(&behaviours))
        };
        let input = tch::no_grad(|| vectors + fused.detach());
        let lower = gru::forward(parameters, 0, &input, &self.counts, &hidden[0], learning);
        let dropped = mask(&lower.states);
        let between = match &dropped {
            Some(dropped) => tch::no_grad(|| &lower.states * dropped),
            None => lower.states.shallow_clone(),
        };
        let upper = gru::forward(parameters, 1, &between, &self.counts, &hidden[1], learning);
        hidden[0] = lower.last.shallow_clone();
        hidden[1] = upper.last.shallow_clone();
        Ok(Through { fused, dropped, lower, upper })
    }
}

/// The states of a batch's readers while its chunks are run: only those who go on stay in the tensors.
pub(super) struct Carried {
    now: Vec<Tensor>,
    ended: Vec<Vec<Tensor>>,
}

impl Carried {
    pub(super) fn begin(hidden: &mut HiddenStates, batch: &[Run], device: Device) -> Self {
        Self { now: hidden.take(batch, device), ended: (0..LAYERS).map(|_| Vec::new()).collect() }
    }

    /// The states that `chunk` begins with.
    pub(super) fn entering(&mut self, chunk: &Chunk) -> &mut [Tensor] {
        let going = chunk.counts[0];
        for (now, ended) in self.now.iter_mut().zip(&mut self.ended) {
            let readers = now.size()[0];
            if readers > going {
                ended.push(now.narrow(0, going, readers - going));
                *now = now.narrow(0, 0, going);
            }
        }
        &mut self.now
    }

    pub(super) fn end(self, hidden: &mut HiddenStates, batch: &[Run]) {
        let whole = |(now, mut ended): (Tensor, Vec<Tensor>)| {
            ended.push(now);
            ended.reverse();
            Tensor::cat(&ended, 0)
        };
        let ended: Vec<Tensor> = self.now.into_iter().zip(self.ended).map(whole).collect();
        hidden.put(batch, &ended);
    }
}

/// Runs of one window that are stepped through together where nothing is learned.
const REPLAYED_AT_ONCE: usize = 256;
const REPLAYED_STEPS: usize = 32;
const REPLAYED_WINDOW: usize = 32_768;

/// Steps each of `readers` (index, number of its reads) from the start, and hands on its session embedding after every read:
/// `after(reader, reads so far, embedding)`. `stop` may end it between batches, told the share that is done; says whether it went to the end.
pub(super) fn step_through(
    data: &Data<'_>,
    parameters: &Parameters,
    readers: impl Iterator<Item = (u32, usize)>,
    stop: impl FnMut(f64) -> bool,
    after: impl FnMut(u32, usize, &[f32]) -> Result<(), TrainError>,
) -> Result<bool, TrainError> {
    let windows = windows(data, readers, REPLAYED_WINDOW);
    step_through_windows(data, parameters, &windows, REPLAYED_STEPS, stop, after)
}

fn step_through_windows(
    data: &Data<'_>,
    parameters: &Parameters,
    windows: &[Vec<Run>],
    steps: usize,
    mut stop: impl FnMut(f64) -> bool,
    mut after: impl FnMut(u32, usize, &[f32]) -> Result<(), TrainError>,
) -> Result<bool, TrainError> {
    let mut hidden = HiddenStates::default();
    let (mut done, all) = (0, windows.iter().map(Vec::len).sum::<usize>().max(1));
    for window in windows {
        for batch in batches(window, REPLAYED_AT_ONCE, 0) {
            if stop(done as f64 / all as f64) {
                return Ok(false);
            }
            let mut carried = Carried::begin(&mut hidden, &batch, parameters.device());
            for chunk in chunks(data, &batch, steps) {
                let through = chunk.through(data, parameters, carried.entering(&chunk), |_| None, false)?;
                let top = numbers(through.top());
                for ((reader, read), embedding) in chunk.rows.iter().zip(top.chunks_exact(WIDTH)) {
                    after(*reader, *read as usize + 1, embedding)?;
                }
            }
            carried.end(&mut hidden, &batch);
            done += batch.len();
        }
    }
    Ok(true)
}

/// The earliest moment at which one of a chunk's reads ended.
pub(super) fn earliest(chunk: &Chunk) -> Timestamp {
    chunk.inputs.iter().map(|wanted| wanted.as_of).min().unwrap_or(Timestamp(0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ModelFolder;
    use crate::train::{ReadSequence, TrainingOptions, TrainingRead, TrainingSet};
    use crate::vectors::HeldVectors;
    use crate::weights::SESSION;

    fn set() -> TrainingSet {
        let read = |reader: usize, read: usize| TrainingRead {
            article: ((reader * 3 + read * 5) % 6) as u32,
            read_seconds: Some(20.0),
            scroll_percent: None,
            time: Timestamp((reader + read * 7) as i64 * 60_000),
        };
        let readers = [9usize, 4, 7, 2]
            .iter()
            .enumerate()
            .map(|(reader, reads)| ReadSequence { reads: (0..*reads).map(|at| read(reader, at)).collect() })
            .collect();
        let vectors: Vec<f32> = (0..6 * WIDTH).map(|at| ((at * 31) as f32).sin() / 20.0).collect();
        TrainingSet {
            articles: (0..6).map(abovefold_schemas::ArticleId).collect(),
            vectors: HeldVectors::fixed(&vectors),
            readers,
            impressions: Vec::new(),
        }
    }

    #[test]
    fn a_state_carried_between_windows_is_the_state_of_the_whole_sequence() {
        let set = set();
        let data = Data::new(&set, &set.vectors, &TrainingOptions::default()).unwrap();
        let weights = ModelFolder::untrained(3).weights;
        let parameters = Parameters::new(&weights, SESSION, Device::Cpu, false);
        let run = |size: usize, steps: usize| {
            let readers = (0..4u32).map(|reader| (reader, data.reads(reader).len()));
            let cut = windows(&data, readers, size);
            let mut states: BTreeMap<(u32, usize), Vec<f32>> = BTreeMap::new();
            let keep = |reader: u32, reads: usize, state: &[f32]| {
                states.insert((reader, reads), state.to_vec());
                Ok(())
            };
            step_through_windows(&data, &parameters, &cut, steps, |_| false, keep).unwrap();
            states
        };
        let whole = run(1_000, 1_000);
        assert_eq!(whole.len(), 22);
        // Windows of three reads, and chunks of two.
        for (key, state) in run(3, 2) {
            let farthest = state.iter().zip(&whole[&key]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Between windows it is kept in 16 bits.
            assert!(farthest < 2e-3, "{key:?}: {farthest}");
        }
    }

    #[test]
    fn windows_hold_every_read_once_and_in_order() {
        let set = set();
        let data = Data::new(&set, &set.vectors, &TrainingOptions::default()).unwrap();
        let readers = (0..4u32).map(|reader| (reader, data.reads(reader).len()));
        let mut next = [0u32; 4];
        for window in windows(&data, readers, 5) {
            for run in window {
                assert_eq!(run.first, next[run.reader as usize]);
                next[run.reader as usize] += run.count;
                let all = data.reads(run.reader).len() as u32;
                assert_eq!(run.more, next[run.reader as usize] < all);
            }
        }
        assert_eq!(next, [9, 4, 7, 2]);
    }
}
