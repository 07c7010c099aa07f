//! The source of the read path: requests that wait together go down as one batch.

use std::sync::Arc;

use abovefold_engine::{Emitter, EngineError, Result};
use tokio::sync::{Semaphore, mpsc};

use super::{
    batch::{Asked, Batch},
    load::Slot,
    metrics,
    shared::Shared,
};

/// The step's name.
pub(super) const NAME: &str = "requests";

/// Emits batches of at most so many requests, with at most so many batches on their way at once as the settings say.
///
/// A lone request goes down at once; under load, what comes while all batches are on their way waits here and becomes the next one.
pub(super) async fn batches(
    mut waiting: mpsc::Receiver<Asked>,
    shared: Arc<Shared>,
    mut out: Emitter<Batch<Asked>>,
) -> Result<()> {
    let permits = Arc::new(Semaphore::new(shared.settings.batches_in_flight.max(1)));
    while let Some(first) = waiting.recv().await {
        let permit = permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| EngineError::ours("batch requests", "the semaphore was closed"))?;
        let mut items = vec![first];
        while items.len() < shared.settings.batch
            && let Ok(next) = waiting.try_recv()
        {
            items.push(next);
        }
        let slot = Slot::new(items.len(), permit, shared.load.clone());
        let batch = Batch { items, model: shared.model.take(), slot };
        // Whoever went away while waiting, or waited too long, is not worked for.
        let Some(batch) = batch.still_wanted(shared.runtime.now(), NAME) else { continue };
        ::metrics::histogram!(metrics::BATCH_REQUESTS).record(batch.items.len() as f64);
        out.emit(batch).await?;
    }
    Ok(())
}
