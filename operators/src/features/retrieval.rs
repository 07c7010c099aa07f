//! What the learned search adds to a score.

/// Place of 45 minutes among the half-lives: of all of them, its first hundred hold the next read most often.
pub const POPULAR_HALF_LIFE: usize = 3;
/// What an article without a read of late counts as, in reads.
const FEW_READS: f64 = 0.05;

/// The prior of an article with so many decayed reads, for [`Table::best`](abovefold_models::learner::Table::best).
pub fn prior_of(reads: f64) -> f32 {
    (reads + FEW_READS).ln() as f32
}
