//! Seeded chance, the same on every machine and in every version of the random number crates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
///
/// Only raw 64-bit words are taken from the generator; how they become choices is written down here, because
/// the distributions of `rand` may change from version to version.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// A stream of its own for each purpose, so that a change in one part leaves the others as they were.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// A number in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of 0 to `count` - 1; 0 when `count` is 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// True with a probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// About normal, mean 0 and deviation 1: the sum of twelve uniform numbers.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// One of `choices`, which are not empty.
    pub(super) fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// An index, with a probability in proportion to its weight.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        // Rounding may leave a crumb: the last one that can be chosen gets it.
        weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
    }

    /// Puts things into a random order.
    pub(super) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

/// A number in [-1.5, 1.5] that is always the same for the same pair: a reader's private taste for a story.
pub(super) fn taste(seed: u64, reader: u64, story: u64) -> f64 {
    let mut state =
        seed ^ reader.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ story.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    // The finaliser of SplitMix64 (Steele, Lea, Flood 2014), three times over, for a bell of three uniform
    // numbers.
    let mut sum = 0.0;
    for _ in 0..3 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        sum += (word >> 11) as f64 / (1_u64 << 53) as f64;
    }
    sum - 1.5
}
