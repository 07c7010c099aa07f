//! Seeded randomness, the same on every machine and in every version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// A number in `[0, 1)`.
pub(crate) fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number in `[-bound, bound)`.
pub(crate) fn uniform(random: &mut ChaCha8Rng, bound: f32) -> f32 {
    (unit(random) * 2.0 - 1.0) as f32 * bound
}

/// A whole number in `0..limit`; `limit` must not be zero.
pub(crate) fn below(random: &mut ChaCha8Rng, limit: usize) -> usize {
    (unit(random) * limit as f64) as usize
}

/// Puts a list in a random order.
pub(crate) fn shuffle<T>(random: &mut ChaCha8Rng, list: &mut [T]) {
    for last in (1..list.len()).rev() {
        list.swap(last, below(random, last + 1));
    }
}

/// Mixes a number into one that looks random (the finaliser of SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
