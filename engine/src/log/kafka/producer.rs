//! Appending: every record is acknowledged by all replicas before its position is told.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use abovefold_schemas::Offset;
use rdkafka::{
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};

use super::{
    super::{NewRecord, Position},
    admin::partition_number,
    client::{Connection, Context},
};
use crate::error::{EngineError, Result};

/// The pause while librdkafka's queue is full.
const FULL: Duration = Duration::from_millis(5);

/// An idempotent producer, which is made anew when librdkafka gives it up.
pub(super) struct Producer {
    connection: Arc<Connection>,
    current: RwLock<FutureProducer<Context>>,
}

impl Producer {
    pub(super) fn start(connection: Arc<Connection>) -> Result<Self> {
        let current = RwLock::new(make(&connection)?);
        Ok(Self { connection, current })
    }

    fn current(&self) -> Result<FutureProducer<Context>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((code, reason)) = current.client().fatal_error() else { return Ok(current) };
        tracing::error!(%code, reason, "the producer can't go on and is made anew");
        let mut place = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if place.client().fatal_error().is_some() {
            *place = make(&self.connection)?;
        }
        Ok(place.clone())
    }

    /// Appends records; a position is `None` where the broker knew the record as written but not its offset any more.
    pub(super) async fn append(
        &self,
        topic: &str,
        partitions: u32,
        records: &[NewRecord],
    ) -> Result<Vec<Option<Position>>> {
        let tried = format!("append to topic {topic}");
        let producer = self.current()?;
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            if let Some(partition) = record.partition.filter(|partition| *partition >= partitions) {
                let reason = format!("there is no partition {partition}, only {partitions}");
                return Err(EngineError::user(format!("{tried} at {}", self.connection), reason));
            }
            let delivery = loop {
                match send(&producer, topic, record) {
                    Ok(delivery) => break delivery,
                    Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                        tokio::time::sleep(FULL).await
                    }
                    Err(error) => return Err(self.connection.append_error(&tried, &error)),
                }
            };
            deliveries.push(delivery);
        }
        let mut positions = Vec::with_capacity(records.len());
        for delivery in deliveries {
            let delivered = match delivery.await {
                Ok(Ok(delivered)) => delivered,
                Ok(Err((error, _))) => return Err(self.connection.append_error(&tried, &error)),
                Err(_) => return Err(EngineError::ours(tried, "the producer is gone")),
            };
            let place = (u32::try_from(delivered.partition), u64::try_from(delivered.offset));
            positions.push(match place {
                (Ok(partition), Ok(offset)) => Some(Position { partition, offset: Offset(offset) }),
                _ => None,
            });
        }
        Ok(positions)
    }
}

fn make(connection: &Arc<Connection>) -> Result<FutureProducer<Context>> {
    FutureProducer::from_config_and_context(&connection.producer_config(), Context::new(connection))
        .map_err(|error| connection.refused(&error))
}

fn send(
    producer: &FutureProducer<Context>,
    topic: &str,
    record: &NewRecord,
) -> Result<DeliveryFuture, KafkaError> {
    let mut message = FutureRecord::<[u8], [u8]>::to(topic).payload(&record.value);
    if let Some(partition) = record.partition {
        message = message.partition(partition_number(partition));
    }
    if let Some(key) = &record.key {
        message = message.key(key);
    }
    if let Some(time) = record.time {
        message = message.timestamp(time.0);
    }
    if !record.headers.is_empty() {
        let empty = OwnedHeaders::new_with_capacity(record.headers.len());
        message = message.headers(record.headers.iter().fold(empty, |headers, (name, value)| {
            headers.insert(Header { key: name, value: Some(value.as_ref()) })
        }));
    }
    producer.send_result(message).map_err(|(error, _)| error)
}
