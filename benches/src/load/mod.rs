//! The load generator: an open loop beside the real program, over HTTP.
//!
//! Requests have a fixed schedule, and a latency counts from the moment at which its request was due, whether or not those before it were
//! answered. So a stall shows in full, in every request that fell due in it (no coordinated omission).
//!
//! Generator and program share the machine; what the generator costs is part of what is measured.

#![allow(clippy::print_stderr, reason = "a run takes minutes, and says what it is at")]

pub mod bare;
pub mod client;
pub mod newspaper;
pub mod options;
pub mod overload;
pub mod pace;
pub mod program;
pub mod report;
pub mod steady;
pub mod tally;

pub use options::Options;
