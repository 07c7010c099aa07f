//! The learner beside the folds: what reads teach about articles and readers, across all partitions.
//!
//! ```text
//! user_events -> learner -> learned -> the query workers' tables
//! ```
//!
//! It crosses readers and partitions, so it is no fold of one partition. It is a dataflow of its own group that reads all of them, steps
//! [`abovefold_models::learner`], and publishes versions to the topic `learned`: the rows that moved, and a checkpoint that names the positions
//! and the reads since the one before. So the topic is both: what the query workers follow, and the journal that a learner is built from again,
//! to the bit.
//!
//! - [`LearnerFlow`]: the dataflow, and who of many workers leads it
//! - [`Learned`]: what was learned, as a query worker holds it
//! - [`versions()`], [`roll_back`]: what was published, and an earlier version made current again
//!
//! **Bounded.** A step moves no vector further than 0.5, and a reader's reads beyond 60 an hour of the log teach nothing: so one reader moves a
//! vector by at most 30 an hour whatever it sends (an honest reader by some hundredths a step). Articles expire after 7 days without a read,
//! readers after 30 days without one; there are at most 200,000 and 1,000,000 of them. A reader who asks to be forgotten is taken out of the
//! table; the topic keeps what it held, as the log does.

mod chain;
mod flow;
mod leader;
mod learned;
mod reads;
mod rebuild;
mod settings;
#[cfg(test)]
mod tests;
mod versions;

pub use flow::LearnerFlow;
pub use learned::{Learned, LearnedAt};
pub use settings::LearnerSettings;
pub use versions::{VersionSeen, roll_back, versions};
