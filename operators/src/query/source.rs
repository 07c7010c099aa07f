//! The source of the read path: requests that wait together go down as one batch.

use std::sync::Arc;

use abovefold_engine::{Emitter, EngineError, Result};
use tokio::sync::{Semaphore, mpsc};

use super::{
    batch::{Asked, Batch},
    metrics,
    shared::Shared,
};

/// Emits batches of at most `most` requests, with at most `in_flight` batches on their way at once.
///
/// A lone request goes down at once; under load, what comes while all batches are on their way waits here and becomes the next one.
pub(super) async fn batches(
    shared: Arc<Shared>,
    mut waiting: mpsc::Receiver<Asked>,
    (most, in_flight): (usize, usize),
    mut out: Emitter<Batch<Asked>>,
) -> Result<()> {
    let permits = Arc::new(Semaphore::new(in_flight.max(1)));
    while let Some(first) = waiting.recv().await {
        let permit = permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| EngineError::ours("batch requests", "the semaphore was closed"))?;
        let mut items = vec![first];
        while items.len() < most
            && let Ok(next) = waiting.try_recv()
        {
            items.push(next);
        }
        // Whoever went away while waiting is not worked for.
        items.retain(|asked| !asked.reply.is_closed());
        if items.is_empty() {
            continue;
        }
        ::metrics::histogram!(metrics::BATCH_REQUESTS).record(items.len() as f64);
        out.emit(Batch { items, model: shared.model.take(), permit }).await?;
    }
    Ok(())
}
