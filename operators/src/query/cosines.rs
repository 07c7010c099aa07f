//! Vectors of the read path.

use abovefold_models::{HIDDEN, WIDTH, session_embedding};

/// The session embedding within a reader's kept hidden state; `None` before the first read, or where it has no direction.
pub(super) fn session_of(hidden: &[u8]) -> Option<Vec<f32>> {
    if hidden.len() != HIDDEN * 4 {
        return None;
    }
    let numbers = hidden.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    let hidden: Vec<f32> = numbers.collect();
    let session = session_embedding(&hidden).to_vec();
    has_direction(&session).then_some(session)
}

/// Whether a vector can be searched with.
pub(super) fn has_direction(vector: &[f32]) -> bool {
    let length = length(vector);
    vector.len() == WIDTH && length.is_finite() && length > 1e-6
}

/// `share` of the one and the rest of the other, both brought to length 1 first.
pub(super) fn mixed(one: &[f32], share: f32, other: &[f32]) -> Vec<f32> {
    let (one_by, other_by) = (share / length(one), (1.0 - share) / length(other));
    one.iter().zip(other).map(|(one, other)| one * one_by + other * other_by).collect()
}

/// A cosine as a score of 0 to 1.
pub(super) fn score_of_cosine(cosine: f32) -> f32 {
    ((cosine + 1.0) / 2.0).clamp(0.0, 1.0)
}

/// The logistic function: a logit as a probability.
pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}
