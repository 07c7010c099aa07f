//! The names of the engine's metrics: `abovefold_<part>_<what>_<unit>[_total]`, from this one place.

/// Messages that wait before an operator (gauge, label `operator`).
pub const QUEUE_FILL: &str = "abovefold_engine_queue_fill_messages";
/// Records that were read from the log (counter, label `dataflow`).
pub const RECORDS_READ: &str = "abovefold_engine_records_read_total";
/// Epochs that were written (counter, label `dataflow`).
pub const EPOCHS_WRITTEN: &str = "abovefold_engine_epochs_written_total";
/// Records in an epoch when it was cut (histogram).
pub const EPOCH_RECORDS: &str = "abovefold_engine_epoch_records";
/// Seconds that writing an epoch took (histogram).
pub const EPOCH_WRITE_SECONDS: &str = "abovefold_engine_epoch_write_seconds";
/// Bytes of values that epochs wrote (counter).
pub const EPOCH_BYTES: &str = "abovefold_engine_epoch_bytes_total";
/// Partitions that were started again from their marker after a conflict (counter).
pub const PARTITION_RESETS: &str = "abovefold_engine_partition_resets_total";
/// Calls of an edge that failed and were repeated (counter, label `edge`).
pub const EDGE_RETRIES: &str = "abovefold_engine_edge_retries_total";
/// Records between the marker and the end of the log (gauge, labels `dataflow` and `partition`).
pub const LAG: &str = "abovefold_engine_lag_records";
/// Partitions that stand still until somebody mends what stops them (gauge, label `dataflow`).
pub const STOPPED_PARTITIONS: &str = "abovefold_engine_stopped_partitions";
/// Events that were too late for any window (counter, label `windows`).
pub const EVENTS_LATE: &str = "abovefold_time_late_events_total";
/// Windows that may still change (gauge, labels `windows` and `partition`).
pub const OPEN_WINDOWS: &str = "abovefold_time_open_windows";
