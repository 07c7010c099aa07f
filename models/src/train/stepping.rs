//! Many readers' reads through the session model as inference runs it: in tiles, read by read.

use std::cmp::Reverse;

use tch::Device;

use super::prepare::Data;
use crate::card::Precision;
use crate::session::SessionModel;
use crate::weights::{Weights, numbers};
use crate::{HIDDEN, WIDTH, session_embedding};

const TILE: usize = 64;

/// Steps each of `readers` (index, number of its reads) from the start, and hands on its session embedding after every read:
/// `after(reader, reads so far, embedding)`. Between tiles, `stop` may end it; says whether it went to the end.
pub(super) fn step_through(
    data: &Data,
    weights: &Weights,
    half: bool,
    mut readers: Vec<(usize, usize)>,
    mut stop: impl FnMut(f64) -> bool,
    mut after: impl FnMut(usize, usize, &[f32]),
) -> bool {
    readers.sort_by_key(|(reader, reads)| (Reverse(*reads), *reader));
    let vectors = numbers(&data.vectors);
    let precision = if half { Precision::Bf16 } else { Precision::F32 };
    let mut model = SessionModel::new(weights, data.scaling, precision, TILE, Device::Cpu);
    let groups = readers.len().div_ceil(TILE);
    for (done, group) in readers.chunks(TILE).enumerate() {
        let mut hidden = vec![0.0f32; group.len() * HIDDEN];
        for read in 0..group[0].1 {
            if stop(done as f64 / groups as f64) {
                return false;
            }
            let going = group.iter().take_while(|(_, reads)| *reads > read).count();
            let steps = || group[..going].iter().map(|(reader, _)| data.readers[*reader][read]);
            let read_vectors: Vec<f32> =
                steps().flat_map(|step| vectors[step.article * WIDTH..][..WIDTH].iter().copied()).collect();
            let behaviours: Vec<_> = steps().map(|step| step.behaviour).collect();
            let mut next = vec![0.0f32; going * HIDDEN];
            model.step_tile(&hidden[..going * HIDDEN], &read_vectors, &behaviours, &mut next);
            hidden[..going * HIDDEN].copy_from_slice(&next);
            for ((reader, _), hidden) in group[..going].iter().zip(hidden.chunks_exact(HIDDEN)) {
                after(*reader, read + 1, session_embedding(hidden));
            }
        }
    }
    true
}
