//! The pointwise half of a GRU step, in arithmetic that gives a number the same bits in every lane.
//!
//! The library's own kernels take one code path for full vectors and another for what is left over, so that a number's
//! last bits could depend on its place. These functions are plain sums and products without branches: the compiler makes
//! vectors of them, and never changes a result by it.

use crate::WIDTH;

/// `e^x`, within three units in the last place.
///
/// `x = k ln 2 + r` with whole `k` and `|r| <= ln 2 / 2`; `e^r` by its Taylor series to the sixth power, whose next term
/// is below 1.3e-7 there; `2^k` by writing `k` into the exponent.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Added and taken off again, it rounds to a whole number, and leaves that number in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_145_75;
    const LN2_LOW: f32 = 1.428_606_8e-6;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let k = shifted - ROUNDER;
    let r = (x - k * LN2_HIGH) - k * LN2_LOW;
    let high = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0));
    let e_r = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * high)));
    e_r * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// The logistic function.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(2.0 * x))
}

/// Biases of one layer, as the gates use them.
pub(crate) struct GateBiases {
    /// Reset then update gate, both biases of each added up.
    pub(crate) reset_update: Vec<f32>,
    /// Candidate, from the input.
    pub(crate) candidate_input: Vec<f32>,
    /// Candidate, from the hidden state; the reset gate scales it.
    pub(crate) candidate_hidden: Vec<f32>,
}

/// `h' = (1 - z) n + z h` for one row, with `r`, `z` the gates and `n = tanh(input + r hidden)` (as `torch.nn.GRU` has it).
///
/// `reset_update` holds the sums of `r` then `z`, `input` and `hidden` the two sums of the candidate, all before their biases.
#[inline]
pub(crate) fn step_row(
    biases: &GateBiases,
    reset_update: &[f32],
    input: &[f32],
    hidden: &[f32],
    before: &[f32],
    after: &mut [f32],
) {
    // Exact lengths, so that the loop below needs no checks and becomes vectors.
    let (reset, update) = reset_update[..2 * WIDTH].split_at(WIDTH);
    let (reset_bias, update_bias) = biases.reset_update[..2 * WIDTH].split_at(WIDTH);
    let (input_bias, hidden_bias) = (&biases.candidate_input[..WIDTH], &biases.candidate_hidden[..WIDTH]);
    let (input, hidden, before, after) =
        (&input[..WIDTH], &hidden[..WIDTH], &before[..WIDTH], &mut after[..WIDTH]);
    for unit in 0..WIDTH {
        let r = sigmoid(reset[unit] + reset_bias[unit]);
        let z = sigmoid(update[unit] + update_bias[unit]);
        let n = tanh(input[unit] + input_bias[unit] + r * (hidden[unit] + hidden_bias[unit]));
        after[unit] = (1.0 - z) * n + z * before[unit];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_sigmoid_and_tanh_are_within_a_few_units_of_the_last_place() {
        for step in -20_000..=20_000 {
            let x = step as f32 * 0.004;
            let wide = f64::from(x);
            assert!((f64::from(exp(x)) / wide.exp() - 1.0).abs() < 4e-7, "exp({x})");
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-wide).exp())).abs() < 3e-7, "sigmoid({x})");
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 3e-7, "tanh({x})");
        }
        assert_eq!(tanh(1e30), 1.0);
        assert_eq!(tanh(-1e30), -1.0);
        assert!(sigmoid(-1e30) < 1e-30);
    }
}
