//! Windows of time: tumbling, sliding and session windows over events, as state that is folded like any other.
//!
//! (The processing-time window that decides when an *epoch* is cut is another thing: [`crate::window`].)
//!
//! ```text
//!  log --> ... --> [WindowFold] --> EpochSink --> store: one value a key and window, one for the partition's progress
//!                       |                            |
//!                       v                            v
//!                late events (a topic)           [Results] --> upserts by (key, window): early, on time, late
//! ```
//!
//! # Time
//!
//! *Event time* is what the event claims, and never later than the log's own time of its record: a client's clock that runs ahead does not drag
//! anything along. *Processing time* is the log's time of the record, never a clock: a replay sees the same. A record without a time of its
//! own has its record's.
//!
//! # The watermark
//!
//! A partition's watermark is the latest event time that was folded there, less the bounded out-of-orderness; it never goes back. It is folded
//! state: the same after a restart, on another worker, and in a replay. A window is *closed* once the watermark is at its end. It still takes
//! events for the allowed lateness; then it is *settled*, kept for its retention (by the log's time), and removed.
//!
//! An event is late when all windows that are its own (for a session: the one that it would open alone) are past their end and the allowed
//! lateness, by the watermark of its own partition before it. Nothing else decides: not the other partitions, not who holds which, not what
//! else is open. (Elsewhere an event that is late by itself is still taken in when a session that happens to be open reaches over it;
//! here the allowed lateness says so.) Late events fold to a count, and go to a [`LateOutput`].
//!
//! # Results
//!
//! An open window is a value in the store, which every epoch that touches it writes; it is its own early result, and holds no marker
//! back. What is stored is a pure function of the log up to the marker, whatever the epochs were. [`Results`] mirrors the values of all
//! partitions, adds up what they have of the same key and window, and says when a result fires: once the *global* watermark, the least
//! of the partitions that are not idle, is at the window's end. Idle is a partition whose marker has not moved for a while by the reader's
//! clock. This decides when something is said, and never what is folded.
//!
//! - [`window`]: kinds of windows, and which an event falls into
//! - [`watermark`]: the folded progress of a partition, and the global watermark
//! - [`aggregate`]: what is kept of the events of a window
//! - [`open_windows`]: the fold, without any I/O
//! - [`operator`]: the fold as an operator
//! - [`late`]: where late events go
//! - [`results`]: the read side

pub mod aggregate;
mod held;
pub mod late;
mod mirror;
pub mod open_windows;
pub mod operator;
pub mod results;
pub mod watermark;
pub mod window;

pub use aggregate::{Aggregate, Count, Measured};
pub use late::{LateEvent, LateOutput, LateTopic};
pub use open_windows::{OpenWindows, TimedEvent, Verdict};
pub use operator::{WindowFold, WindowFoldSettings};
pub use results::{ResultChange, Results, ResultsSettings, WindowResult};
pub use watermark::{GlobalWatermark, Progress};
pub use window::{Pane, TimeDomain, TimeWindow, Windowing, Windows};
