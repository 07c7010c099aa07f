//! A data folder, streamed once in the order of time: what training grows the ranker from, and what evaluation measures.
//!
//! Strictly causal: what is known of an impression at `T` is the reads with a time of at most `T`, and the lists shown before it. The folds, the
//! learner and the networks are those that serve; nothing is computed in another way here.
//!
//! - [`stream`]: reads and impressions in one order
//! - [`vectors`]: article vectors as of a moment
//! - [`sessions`]: the GRU beside the stream, in waves over readers
//! - [`pass`]: one pass, giving each impression with its columns
//! - [`grow`]: the ranker's trees
//! - [`daily`]: trees grown anew at each midnight
//! - [`oracle`]: the true probabilities of a generated newspaper
//! - [`rows`]: the rows of the table, and retrieval

pub mod daily;
pub mod grow;
pub mod oracle;
pub mod pass;
pub mod rows;
pub mod sessions;
pub mod stream;
pub mod vectors;
