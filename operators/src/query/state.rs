//! The first step: the reader's state, and the candidates that are cached under it.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_schemas::{Kept, keys::reader_key, state::ReaderState};
use bytes::Bytes;
use futures::future::join_all;

use super::{
    batch::{Asked, Batch, Known},
    cosines::session_of,
    metrics::Stopwatch,
    request::StateSeen,
    shared::Shared,
};

/// Reads the state of all readers of a batch: one read for each partition involved, all at once.
///
/// Where the store does not answer, the reader is served as one without state.
#[derive(Debug)]
pub struct ReadState {
    shared: Arc<Shared>,
}

/// What is known of one reader.
#[derive(Clone, Debug, Default)]
struct Found {
    seen: StateSeen,
    state: ReaderState,
    cached: Option<Bytes>,
}

impl ReadState {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads one partition. `places` are the requests of readers who are at home there.
    async fn read(&self, partition: u32, places: Vec<usize>, keys: Vec<Bytes>) -> Vec<(usize, Found)> {
        let tag = self.shared.tag(partition);
        let read = self.shared.store.read(&tag, &keys, &keys);
        let Ok(snapshot) = self.shared.state_edge.call(read).await else {
            let nothing = Found { seen: StateSeen { partition, ..StateSeen::default() }, ..Found::default() };
            return places.into_iter().map(|place| (place, nothing.clone())).collect();
        };
        let marker = snapshot.marker.map(|marker| marker.next);
        let values = snapshot.values.into_iter().zip(snapshot.derived);
        let found = values.map(|(value, cached)| {
            let mut seen = StateSeen { partition, marker, ..StateSeen::default() };
            let Some(value) = value else { return Found { seen, ..Found::default() } };
            match ReaderState::from_kept(&value.bytes) {
                Ok(state) => {
                    (seen.version, seen.reads) = (Some(value.version), state.total_reads);
                    Found { seen, state, cached }
                }
                Err(error) => {
                    tracing::warn!(%tag, %error, "a reader is served as one without state");
                    Found { seen, ..Found::default() }
                }
            }
        });
        places.into_iter().zip(found).collect()
    }
}

impl Operator for ReadState {
    type In = Batch<Asked>;
    type Out = Batch<Known>;

    fn name(&self) -> &'static str {
        "state"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, batch: Batch<Asked>, out: &mut Emitter<Batch<Known>>) -> Result<()> {
        let watch = Stopwatch::start();
        let mut partitions: BTreeMap<u32, (Vec<usize>, Vec<Bytes>)> = BTreeMap::new();
        for (place, asked) in batch.items.iter().enumerate() {
            let reader = &asked.request.reader;
            let (places, keys) = partitions.entry(self.shared.home(reader).partition).or_default();
            places.push(place);
            keys.push(reader_key(reader));
        }
        let reads =
            partitions.into_iter().map(|(partition, (places, keys))| self.read(partition, places, keys));
        let mut found = vec![Found::default(); batch.items.len()];
        for (place, of_reader) in join_all(reads).await.into_iter().flatten() {
            found[place] = of_reader;
        }
        let oldest = self.shared.published_from();
        let batch = batch.zip(found, |asked, Found { seen, state, cached }| {
            let session = session_of(&state.hidden);
            Known { asked, seen, state, session, cached, oldest }
        });
        watch.record_stage(self.name());
        out.emit(batch).await
    }
}
