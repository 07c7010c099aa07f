//! Questions to the brokers: topics, bounds, offsets by time. Everything here blocks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use abovefold_schemas::{Offset, Timestamp};
use rdkafka::{
    TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    topic_partition_list::Offset as Place,
};

use super::{
    super::Bounds,
    ANSWER,
    client::{Connection, Context, passes},
};
use crate::error::{EngineError, Result};

/// The pause before a question that may soon be answered is put again.
const AGAIN: Duration = Duration::from_millis(100);

/// A client that asks and is asked nothing.
pub(super) struct Admin {
    connection: Arc<Connection>,
    consumer: Arc<BaseConsumer<Context>>,
    stop: Arc<AtomicBool>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Admin {
    pub(super) fn start(connection: Arc<Connection>) -> Result<Self> {
        let context = Context::new(&connection);
        let consumer = BaseConsumer::from_config_and_context(&connection.admin_config(), context)
            .map_err(|error| connection.refused(&error))?;
        let (consumer, stop) = (Arc::new(consumer), Arc::new(AtomicBool::new(false)));
        let (polled, stopped) = (Arc::clone(&consumer), Arc::clone(&stop));
        // librdkafka queues its log and its errors until somebody polls.
        let poll = move || {
            while !stopped.load(Ordering::Relaxed) {
                let _ = polled.poll(Duration::from_millis(500));
            }
        };
        std::thread::Builder::new()
            .name("kafka-admin".into())
            .spawn(poll)
            .map_err(|error| EngineError::outside("start a thread for Kafka", error))?;
        Ok(Self { connection, consumer, stop })
    }

    /// Runs something that blocks away from the runtime's threads.
    pub(super) async fn ask<T: Send + 'static>(
        admin: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let admin = Arc::clone(admin);
        match tokio::task::spawn_blocking(move || work(&admin)).await {
            Ok(result) => result,
            Err(error) => Err(EngineError::ours("ask Kafka", error)),
        }
    }

    /// Asks until there is an answer, or an error that stays, or the time is over.
    fn persist<T>(&self, tried: &str, mut question: impl FnMut(Duration) -> KafkaResult<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            let left = ANSWER.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
            match question(left) {
                Ok(answer) => return Ok(answer),
                Err(error) if passes(&error) && begun.elapsed() + AGAIN < ANSWER => std::thread::sleep(AGAIN),
                Err(error) => return Err(self.connection.error(tried, &error)),
            }
        }
    }

    /// The number of partitions of a topic; `None` where there is no such topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<u32>> {
        self.persist(&format!("look up topic {topic}"), |left| {
            Ok(self.leaders(topic, left)?.map(|leaders| u32::try_from(leaders.len()).unwrap_or(u32::MAX)))
        })
    }

    /// Whether each partition of a topic has a leader; `None` where there is no such topic.
    fn leaders(&self, topic: &str, timeout: Duration) -> KafkaResult<Option<Vec<bool>>> {
        let metadata = self.consumer.fetch_metadata(Some(topic), timeout)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Ok(None);
            }
            Some(code) => return Err(KafkaError::MetadataFetch(code)),
        }
        let leaders: Vec<_> = found.partitions().iter().map(|partition| partition.leader() >= 0).collect();
        Ok((!leaders.is_empty()).then_some(leaders))
    }

    /// Creates a topic that keeps everything, or finds it; returns its number of partitions once all have leaders.
    pub(super) fn create_topic(&self, topic: &str, partitions: u32) -> Result<u32> {
        if let Some(partitions) = self.partitions(topic)? {
            return Ok(partitions);
        }
        let tried = format!("create topic {topic}");
        let wrong = |error: &KafkaError| self.connection.error(&tried, error);
        let client = AdminClient::from_config_and_context(
            &self.connection.admin_config(),
            Context::new(&self.connection),
        )
        .map_err(|error| self.connection.refused(&error))?;
        let bytes = self.connection.max_message_bytes();
        let count = if partitions == 0 { -1 } else { i32::try_from(partitions).unwrap_or(i32::MAX) };
        let replication = TopicReplication::Fixed(self.connection.settings.replication.unwrap_or(-1));
        let new = NewTopic::new(topic, count, replication)
            .set("message.timestamp.type", "LogAppendTime")
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1")
            .set("retention.bytes", "-1")
            .set("max.message.bytes", &bytes);
        let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
        let created = futures::executor::block_on(client.create_topics([&new], &options));
        for outcome in created.map_err(|error| wrong(&error))? {
            match outcome {
                // Somebody else was faster.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(wrong(&KafkaError::AdminOp(code))),
            }
        }
        self.persist(&tried, |left| match self.leaders(topic, left)? {
            Some(leaders) if leaders.iter().all(|led| *led) => {
                Ok(u32::try_from(leaders.len()).unwrap_or(u32::MAX))
            }
            _ => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
        })
    }

    /// First and next offset of each partition: two requests to each broker that leads some of them.
    pub(super) fn bounds(&self, topic: &str, partitions: u32) -> Result<Vec<Bounds>> {
        let tried = format!("find the bounds of topic {topic}");
        let begins = self.places(&tried, topic, partitions, Place::Beginning)?;
        let ends = self.places(&tried, topic, partitions, Place::End)?;
        let known =
            |place: Option<Offset>| place.ok_or_else(|| EngineError::outside(&tried, "an offset is missing"));
        let pairs = begins.into_iter().zip(ends);
        pairs.map(|(begin, end)| Ok(Bounds { begin: known(begin)?, end: known(end)? })).collect()
    }

    /// The bounds of one partition.
    pub(super) fn bounds_of(&self, topic: &str, partition: u32) -> Result<Bounds> {
        let tried = format!("find the bounds of topic {topic}, partition {partition}");
        let (begin, end) = self.persist(&tried, |left| {
            self.consumer.fetch_watermarks(topic, partition_number(partition), left)
        })?;
        Ok(Bounds { begin: offset(begin), end: offset(end) })
    }

    /// For each partition the first offset at or after a time; its end where there is none.
    pub(super) fn offsets_at(&self, topic: &str, partitions: u32, time: Timestamp) -> Result<Vec<Offset>> {
        let tried = format!("seek {time} in topic {topic}");
        // Before 1970 the numbers have other meanings.
        let places = self.places(&tried, topic, partitions, Place::Offset(time.0.max(0)))?;
        if places.iter().all(Option::is_some) {
            return Ok(places.into_iter().flatten().collect());
        }
        let bounds = self.bounds(topic, partitions)?;
        Ok(places.into_iter().zip(bounds).map(|(place, bounds)| place.unwrap_or(bounds.end)).collect())
    }

    /// Asks for one place in each partition: a time, or one of Kafka's names for an end (which it takes for times, too).
    fn places(&self, tried: &str, topic: &str, partitions: u32, place: Place) -> Result<Vec<Option<Offset>>> {
        if partitions == 0 {
            return Ok(Vec::new());
        }
        let answer = self.persist(tried, |left| {
            let mut wanted = TopicPartitionList::with_capacity(partitions as usize);
            for partition in 0..partitions {
                wanted.add_partition_offset(topic, partition_number(partition), place)?;
            }
            let found = self.consumer.offsets_for_times(wanted, left)?;
            for element in found.elements() {
                element.error()?;
            }
            Ok(found)
        })?;
        let mut places = vec![None; partitions as usize];
        for element in answer.elements() {
            let partition = usize::try_from(element.partition()).ok();
            if let (Some(slot), Place::Offset(at)) =
                (partition.and_then(|at| places.get_mut(at)), element.offset())
            {
                *slot = Some(offset(at));
            }
        }
        Ok(places)
    }
}

/// A partition as Kafka counts.
pub(super) fn partition_number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// An offset as Kafka counts; it has no negative ones where this is used.
fn offset(raw: i64) -> Offset {
    Offset(u64::try_from(raw).unwrap_or(0))
}
