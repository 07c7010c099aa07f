//! Partitions that stand still until somebody mends what stops them, for health and the operations page.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::metrics::STOPPED_PARTITIONS;

/// The partitions of a process that were stopped, each with its reason in one line. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    stopped: Arc<Mutex<BTreeMap<(&'static str, u32), String>>>,
}

impl Troubles {
    /// No partition is stopped.
    pub fn none() -> Self {
        Self::default()
    }

    /// A partition of a dataflow was stopped.
    pub fn stopped(&self, dataflow: &'static str, partition: u32, reason: String) {
        self.change(dataflow, |stopped| {
            stopped.insert((dataflow, partition), reason);
        });
    }

    /// A partition goes on, or is no longer ours.
    pub fn gone(&self, dataflow: &'static str, partition: u32) {
        self.change(dataflow, |stopped| {
            stopped.remove(&(dataflow, partition));
        });
    }

    /// Dataflow, partition and reason of each that is stopped.
    pub fn list(&self) -> Vec<(&'static str, u32, String)> {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped
            .iter()
            .map(|((dataflow, partition), reason)| (*dataflow, *partition, reason.clone()))
            .collect()
    }

    fn change(
        &self,
        dataflow: &'static str,
        change: impl FnOnce(&mut BTreeMap<(&'static str, u32), String>),
    ) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut stopped);
        let count = stopped.keys().filter(|(name, _)| *name == dataflow).count();
        metrics::gauge!(STOPPED_PARTITIONS, "dataflow" => dataflow).set(count as f64);
    }
}
