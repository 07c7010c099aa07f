//! Latent semantic analysis: what words have in common, by a truncated singular value decomposition of the weighted words of many texts.
//!
//! Found by a randomised range finder with power iterations (Halko, Martinsson and Tropp, 2011, algorithm 4.4): the matrix of texts is only
//! ever multiplied with, never held whole. The same texts give the same basis on one machine; it is stored with the model.

use tch::{Kind, Tensor};

use crate::WIDTH;
use crate::seed::mix;

/// Words that have a direction at most, those in most texts first.
const WORDS: usize = 8_192;
/// A word in fewer texts tells nothing of what words have in common.
const FEWEST: u32 = 3;
/// With fewer texts, the directions that are left out hold too much of them.
pub(super) const FEWEST_TEXTS: usize = 10 * WIDTH;
/// Directions that are looked for beside those that are kept.
const BESIDE: usize = 32;
/// Multiplications with the matrix and its transpose.
const ITERATIONS: usize = 3;
const SEED: u64 = 0x6c73_6100;

/// The words of a text: slots and weights.
pub(super) type Weighted = Vec<(u32, f32)>;

/// A direction for each word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Basis {
    /// The slots that have one, rising.
    pub(super) slots: Vec<u32>,
    /// Row-major, `[slots, WIDTH]`; the directions that explain most come first.
    pub(super) numbers: Vec<f32>,
}

impl Basis {
    /// Finds it in texts of length 1. `in_texts` says in how many of them each slot occurs.
    pub(super) fn fit(texts: &[Weighted], in_texts: &[u32]) -> Option<Self> {
        let mut slots: Vec<u32> = (0..in_texts.len() as u32)
            .filter(|slot| (FEWEST..=texts.len() as u32 / 2).contains(&in_texts[*slot as usize]))
            .collect();
        slots.sort_by_key(|slot| (std::cmp::Reverse(in_texts[*slot as usize]), *slot));
        slots.truncate(WORDS);
        slots.sort_unstable();
        let sought = (WIDTH + BESIDE).min(slots.len()).min(texts.len());
        if texts.len() < FEWEST_TEXTS || sought == 0 {
            return None;
        }
        let mut row_of = vec![u32::MAX; in_texts.len()];
        (0..).zip(&slots).for_each(|(row, slot)| row_of[*slot as usize] = row);
        let rows: Vec<Weighted> = texts
            .iter()
            .map(|text| {
                let with_row = text.iter().map(|(slot, weight)| (row_of[*slot as usize], *weight));
                with_row.filter(|(row, _)| *row != u32::MAX).collect()
            })
            .collect();
        let words = slots.len();
        let random = |place: usize| (mix(SEED ^ place as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let mut range: Vec<f32> = (0..words * sought).map(random).collect();
        let mut orthogonal = Tensor::new();
        for _ in 0..ITERATIONS {
            let once = times(&rows, &range, sought);
            let back = transposed_times(&rows, &once, words, sought);
            let back = Tensor::from_slice(&back).view([words as i64, sought as i64]);
            orthogonal = Tensor::linalg_qr(&back, "reduced").0;
            range = flat(&orthogonal);
        }
        let within = times(&rows, &range, sought);
        let within = Tensor::from_slice(&within).view([rows.len() as i64, sought as i64]);
        // Eigenvectors come by rising eigenvalue.
        let (_, turned) = within.transpose(0, 1).matmul(&within).linalg_eigh("L");
        let kept = sought.min(WIDTH) as i64;
        let directions = orthogonal.matmul(&turned.flip([1]).narrow(1, 0, kept));
        let padded = directions.constant_pad_nd([0, WIDTH as i64 - kept]);
        Some(Self { slots, numbers: flat(&padded) })
    }

    /// The sum of the directions of a text's words; nothing where none of them has one.
    pub(super) fn project(&self, text: &[(u32, f32)]) -> Option<Vec<f64>> {
        let mut sum = vec![0.0f64; WIDTH];
        let mut known = false;
        for (slot, weight) in text {
            let Ok(row) = self.slots.binary_search(slot) else { continue };
            known = true;
            for (sum, number) in sum.iter_mut().zip(&self.numbers[row * WIDTH..][..WIDTH]) {
                *sum += f64::from(*weight) * f64::from(*number);
            }
        }
        known.then_some(sum)
    }
}

fn flat(matrix: &Tensor) -> Vec<f32> {
    let flat = matrix.to_kind(Kind::Float).contiguous().view([-1]);
    // A tensor of floats on the processor is a vector of them.
    Vec::<f32>::try_from(&flat).unwrap_or_default()
}

/// `texts [t, w] x dense [w, width]`, row-major.
fn times(texts: &[Weighted], dense: &[f32], width: usize) -> Vec<f32> {
    let mut product = vec![0.0; texts.len() * width];
    for (text, into) in texts.iter().zip(product.chunks_exact_mut(width)) {
        for (row, weight) in text {
            add(into, *weight, &dense[*row as usize * width..][..width]);
        }
    }
    product
}

/// `transposed texts [w, t] x dense [t, width]`, row-major.
fn transposed_times(texts: &[Weighted], dense: &[f32], words: usize, width: usize) -> Vec<f32> {
    let mut product = vec![0.0; words * width];
    for (text, from) in texts.iter().zip(dense.chunks_exact(width)) {
        for (row, weight) in text {
            add(&mut product[*row as usize * width..][..width], *weight, from);
        }
    }
    product
}

fn add(into: &mut [f32], weight: f32, from: &[f32]) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into += weight * from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_directions_are_what_words_have_in_common() {
        // Subject 0 has words 0 to 9, subject 1 words 10 to 19; a text holds two words of one subject.
        let texts: Vec<Weighted> = (0..FEWEST_TEXTS)
            .map(|text| {
                let subject = (text % 2 * 10) as u32;
                let (one, other) = (text / 2 % 10, (text / 20 + 1 + text / 2) % 10);
                vec![(subject + one as u32, 0.7), (subject + other as u32, 0.7)]
            })
            .collect();
        let mut in_texts = vec![0; 64];
        texts.iter().flatten().for_each(|(slot, _)| in_texts[*slot as usize] += 1);
        let basis = Basis::fit(&texts, &in_texts).unwrap();
        assert_eq!((basis.slots.len(), basis.numbers.len()), (20, 20 * WIDTH));
        let first_two = |slot: u32| {
            let direction = basis.project(&[(slot, 1.0)]).unwrap();
            [direction[0], direction[1]]
        };
        let cosine = |a: [f64; 2], b: [f64; 2]| {
            let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        assert!(cosine(first_two(0), first_two(7)) > 0.99);
        assert!(cosine(first_two(0), first_two(12)).abs() < 0.1);
        assert_eq!(Basis::fit(&texts, &in_texts), Some(basis.clone()), "the same texts give the same basis");
        assert_eq!(basis.project(&[(40, 1.0)]), None);
        assert_eq!(Basis::fit(&texts[..100], &in_texts), None, "too few texts");
    }
}
