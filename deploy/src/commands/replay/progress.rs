//! How far a replay has come, by the markers in the store.

use std::time::Duration;

use abovefold_schemas::{Offset, Timestamp, records::NamespaceRecord};

use crate::session::Session;

/// How often the markers are looked at.
const EVERY: Duration = Duration::from_millis(100);

/// The way of a namespace's markers to some offsets.
#[derive(Debug)]
pub struct Progress<'a> {
    session: &'a Session,
    namespace: &'a NamespaceRecord,
    ends: &'a [Offset],
    total: u64,
    /// What was done before this run.
    before: u64,
    started: Timestamp,
}

impl<'a> Progress<'a> {
    /// From where the markers are now.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn new(
        session: &'a Session,
        namespace: &'a NamespaceRecord,
        ends: &'a [Offset],
    ) -> anyhow::Result<Self> {
        let firsts = &namespace.first_offsets;
        let total = ends.iter().zip(firsts).map(|(end, first)| end.0.saturating_sub(*first)).sum();
        let mut progress =
            Self { session, namespace, ends, total, before: 0, started: session.runtime.now() };
        progress.before = progress.done().await?;
        Ok(progress)
    }

    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.before >= self.total
    }

    /// Shows how far the markers have come, until they are at the end or the process is told to stop.
    ///
    /// # Errors
    /// When the state store refuses to answer.
    pub async fn watch(self) -> anyhow::Result<()> {
        let output = &self.session.output;
        let mut stop = self.session.stop.clone();
        loop {
            let done = self.done().await?;
            output.progress("replaying", done, self.total);
            if done >= self.total {
                let seconds = self.session.runtime.now().millis_since(self.started) as f64 / 1e3;
                let rate = (self.total - self.before) as f64 / seconds.max(1e-3);
                let resumed = match self.before {
                    0 => String::new(),
                    before => format!(", {before} of them before"),
                };
                output.line(format!(
                    "{} records replayed into {}{resumed} in {seconds:.1} s ({rate:.0}/s)",
                    self.total, self.namespace.name
                ));
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                () = self.session.runtime.sleep(EVERY) => {}
            }
        }
    }

    async fn done(&self) -> anyhow::Result<u64> {
        let markers = self.session.markers(&self.namespace.name).await?;
        let done = markers.into_iter().zip(self.ends).zip(&self.namespace.first_offsets);
        Ok(done
            .map(|((marker, end), first)| {
                marker.map_or(*first, |next| next.0).min(end.0).saturating_sub(*first)
            })
            .sum())
    }
}
