//! The schedule: moments at even distances, whatever becomes of what falls due at them.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Tells of each moment as it comes, from a thread of its own: the runtime's timers would be up to a millisecond late, and a runtime that
/// is busy more than that.
///
/// The schedule ends after `seconds`, or when the receiver is dropped.
pub fn every(rate: f64, seconds: f64) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, moments) = mpsc::unbounded_channel();
    let count = (rate * seconds) as u64;
    std::thread::spawn(move || {
        let begun = Instant::now();
        for number in 0..count {
            let due = begun + Duration::from_secs_f64(number as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
        }
    });
    moments
}
