//! The names of the operators' metrics, from this one place.

/// Events decoded (counter).
pub const EVENTS_DECODED: &str = "abovefold_decode_events_total";
/// Records that are no event (counter).
pub const EVENTS_DEAD: &str = "abovefold_decode_dead_records_total";
/// Reads that a configured filter left out (counter).
pub const READS_FILTERED: &str = "abovefold_steps_filtered_reads_total";
/// Events found in a partition that is not their reader's home (counter).
pub const EVENTS_STRAY: &str = "abovefold_key_stray_events_total";
/// Reads folded (counter).
pub const READS_FOLDED: &str = "abovefold_fold_reads_total";
/// GRU steps (counter).
pub const GRU_STEPS: &str = "abovefold_fold_gru_steps_total";
/// Seconds that folding an epoch took (histogram).
pub const FOLD_SECONDS: &str = "abovefold_fold_epoch_seconds";
/// Reads of articles without a vector as of the read (counter).
pub const ZERO_VECTORS: &str = "abovefold_fold_zero_vectors_total";
/// Readers in the write-back cache (gauge, label `partition`).
pub const CACHED_READERS: &str = "abovefold_fold_cached_readers";
/// Dead letters kept (counter).
pub const DEAD_LETTERS: &str = "abovefold_intake_dead_letters_total";
/// Strays passed on to their home (counter).
pub const STRAYS_PASSED_ON: &str = "abovefold_intake_strays_total";
/// Copies that came without those before them and wait to be sent again (counter).
pub const COPIES_OUT_OF_TURN: &str = "abovefold_fold_copies_out_of_turn_total";
/// Article versions indexed (counter).
pub const ARTICLES_INDEXED: &str = "abovefold_articles_indexed_total";
/// Reads that the learner took in (counter).
pub const LEARNED_READS: &str = "abovefold_learner_reads_total";
/// Reads that taught nothing: their reader had taught enough in that hour, or there were too many articles or readers (counter).
pub const LEARNER_REFUSED: &str = "abovefold_learner_refused_reads_total";
/// Versions that the learner published (counter).
pub const LEARNED_VERSIONS: &str = "abovefold_learner_versions_total";
/// Rows in them (counter).
pub const LEARNED_ROWS: &str = "abovefold_learner_rows_total";
/// 1 while this process is the one that learns (gauge).
pub const LEARNER_LEADS: &str = "abovefold_learner_leads";
