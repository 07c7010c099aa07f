//! Sources that rest for a while because somebody wants them to.

use tokio::sync::watch;

/// Whether the sources that share this rest: they take nothing from the log, stay in their group and keep their partitions. Clones share it.
#[derive(Clone, Debug)]
pub struct Pause(watch::Sender<bool>);

impl Default for Pause {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Pause {
    /// Lets the sources rest, or go on.
    pub fn set(&self, rest: bool) {
        self.0.send_replace(rest);
    }

    /// Whether they rest.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is otherwise than `rest`. Cancel-safe.
    pub(crate) async fn other_than(&self, rest: bool) {
        // The channel cannot close: a sender of it is held here.
        self.0.subscribe().wait_for(|now| *now != rest).await.ok();
    }
}
