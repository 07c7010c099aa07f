//! Adagrad that forgets, one rate a vector.
//!
//! For a vector `v` with gradient `r`: `G += mean(r^2)`, then `v -= 0.175 r / sqrt(G + 0.05)`. `G` starts
//! at 0.01; that of an article's vectors fades by 0.9999 a touch, so that an old article can still learn.

use super::LEARNED_WIDTH;

const RATE: f32 = 0.175;
const FLOOR: f32 = 0.05;
/// Where a vector's sum of squares starts.
pub(super) const START: f32 = 0.01;
/// What an article's sum of squares fades by at a touch.
pub(super) const FADE: f32 = 0.9999;
/// No step of one vector is longer than this, whatever its gradient.
pub(super) const LONGEST_STEP: f32 = 0.5;

/// `a . b`, in sixteen lanes that are added up in one order.
#[inline]
pub(super) fn dot(a: &[f32; LEARNED_WIDTH], b: &[f32; LEARNED_WIDTH]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let mut width = 8;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sum += scale * v`.
#[inline]
pub(super) fn add_scaled(sum: &mut [f32; LEARNED_WIDTH], scale: f32, v: &[f32; LEARNED_WIDTH]) {
    for (sum, v) in sum.iter_mut().zip(v) {
        *sum += scale * v;
    }
}

/// One step of `v` along `scale * direction`.
#[inline]
pub(super) fn step(
    v: &mut [f32; LEARNED_WIDTH],
    squares: &mut f32,
    fade: f32,
    scale: f32,
    direction: &[f32; LEARNED_WIDTH],
) {
    let mut gradient = [0.0_f32; LEARNED_WIDTH];
    for lane in 0..LEARNED_WIDTH {
        gradient[lane] = scale * direction[lane];
    }
    let mean = dot(&gradient, &gradient) / LEARNED_WIDTH as f32;
    *squares = *squares * fade + mean;
    let length = (mean * LEARNED_WIDTH as f32).sqrt();
    let rate = RATE / (*squares + FLOOR).sqrt();
    let rate = if rate * length > LONGEST_STEP { LONGEST_STEP / length } else { rate };
    for lane in 0..LEARNED_WIDTH {
        v[lane] -= rate * gradient[lane];
    }
}

/// One step of an article's bias: `B -= 0.15 g / sqrt(gB + 1)`, `gB` the squares so far, fading by 0.999.
#[inline]
pub(super) fn step_bias(bias: &mut f32, squares: &mut f32, gradient: f32) {
    *squares += gradient * gradient;
    *bias -= 0.15 * gradient / (*squares + 1.0).sqrt();
    *squares *= 0.999;
}
