//! Key by reader: the rows of an epoch and whose they are. Rows that are not at home fold to nothing.

use abovefold_engine::{Emitter, EngineError, Epoch, Feed, Operator, Result};
use abovefold_schemas::{Marker, Offset, ReaderId, batch::event_schema};
use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch},
};

use crate::{
    decode::{DecodedRun, columns, home_of},
    fold::cache::FixedMap,
    metrics::EVENTS_STRAY,
};

/// An epoch's events, in the order of the log, and their readers.
#[derive(Clone, Debug)]
pub struct KeyedEpoch {
    /// The marker that the store must have.
    pub expected: Marker,
    /// The marker after it.
    pub target: Marker,
    /// The events that are at home.
    pub batch: RecordBatch,
    /// The readers in it, each once, in the order of their first event.
    pub readers: Vec<ReaderId>,
    /// For each row its reader's place in `readers`.
    pub reader_of_row: Vec<usize>,
    /// The records that are no event.
    pub dead: Vec<Offset>,
}

/// Groups by reader and keeps the order of the log.
#[derive(Debug)]
pub struct KeyByReader {
    partitions: u32,
}

impl KeyByReader {
    /// For a log of so many partitions.
    pub fn new(partitions: u32) -> Self {
        Self { partitions }
    }

    /// Keys one epoch of one partition.
    ///
    /// # Errors
    /// When Arrow refuses to join the batches, which have one schema.
    pub fn key(&self, partition: u32, epoch: &Epoch<DecodedRun>) -> Result<KeyedEpoch> {
        let arrow_failed = |error| EngineError::ours("join the batches of an epoch", error);
        let at_home = epoch
            .runs
            .iter()
            .map(|run| {
                let rows = columns(run);
                let home: Vec<bool> = (0..rows.len())
                    .map(|row| home_of(rows.user_id(row), self.partitions) == partition)
                    .collect();
                let strays = home.iter().filter(|home| !**home).count();
                if strays == 0 {
                    return Ok(run.batch.clone());
                }
                metrics::counter!(EVENTS_STRAY).increment(strays as u64);
                filter_record_batch(&run.batch, &BooleanArray::from(home))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(arrow_failed)?;
        let batch = concat_batches(&event_schema(), &at_home).map_err(arrow_failed)?;
        let (readers, reader_of_row) = group(&batch)?;
        let dead = epoch.runs.iter().flat_map(|run| run.dead.iter().copied()).collect();
        Ok(KeyedEpoch { expected: epoch.expected, target: epoch.target, batch, readers, reader_of_row, dead })
    }
}

fn group(batch: &RecordBatch) -> Result<(Vec<ReaderId>, Vec<usize>)> {
    let rows = abovefold_schemas::batch::EventColumns::of(batch);
    let mut places = FixedMap::default();
    let mut readers = Vec::new();
    let mut reader_of_row = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        let user_id = rows.user_id(row);
        let place = match places.get(user_id) {
            Some(place) => *place,
            None => {
                let reader =
                    ReaderId::new(user_id).map_err(|error| EngineError::ours("key an event", error))?;
                readers.push(reader);
                places.insert(user_id, readers.len() - 1);
                readers.len() - 1
            }
        };
        reader_of_row.push(place);
    }
    Ok((readers, reader_of_row))
}

impl Operator for KeyByReader {
    type In = Feed<Epoch<DecodedRun>>;
    type Out = Feed<KeyedEpoch>;

    fn name(&self) -> &'static str {
        "key by reader"
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(Epoch::records)
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        let keyed = input.try_map(|lease, epoch| self.key(lease.partition, &epoch))?;
        out.emit(keyed).await
    }
}
