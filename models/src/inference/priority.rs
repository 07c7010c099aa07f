//! Threads that fold give way to threads that answer.

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

/// Out of 99, where a thread has some 51 unless told otherwise: a nice value of 5, a third of the processor beside a thread that has not
/// given way.
const PRIORITY: u8 = 35;

/// Lets the calling thread, and those that it starts from now on, give way to the other threads of the machine: what it does is not waited for by
/// a reader. Where the system has no such thing it goes on as before.
pub fn give_way() {
    let Ok(priority) = ThreadPriorityValue::try_from(PRIORITY) else { return };
    if let Err(error) = set_current_thread_priority(ThreadPriority::Crossplatform(priority)) {
        tracing::debug!(?error, "this thread does not give way to others");
    }
}
