//! The thread that polls: it owns a consumer of librdkafka, does what its owner asks, and fills the buffer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use abovefold_schemas::Offset;
use rdkafka::{
    Message, TopicPartitionList,
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
    topic_partition_list::Offset as Place,
};
use tokio::sync::oneshot;

use super::{
    super::{Bounds, Membership, Position, Record},
    admin::partition_number,
    assignment::{Owned, PollerContext, Started},
    buffer::{Buffer, Fill},
    client::{Connection, check_bounds},
    record::record,
};
use crate::error::{EngineError, Result};

/// How long one poll waits for a record: the longest that a command waits for the thread.
const POLL: Duration = Duration::from_millis(10);
/// So many records are taken between two looks at the commands.
const BURST: usize = 1_000;
/// How long a full buffer stops all polling, before its partition alone is paused, whether its owner takes nothing for now or is slow. A pause costs
/// librdkafka what it has fetched ahead; polling must not rest for long, since it answers rebalances.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long the bounds of a partition are waited for, to say what is wrong with an offset.
const DIAGNOSIS: Duration = Duration::from_secs(3);

/// The group of readers that are in no group; librdkafka wants a name, and joins nothing.
const NO_GROUP: &str = "abovefold-reader";

/// What a poller begins with.
pub(super) enum Origin {
    /// Membership of a group, which assigns partitions.
    Group(Membership),
    /// These partitions, in no group, and the end of each.
    Positions(Vec<(Position, Offset)>),
}

/// What a poller is asked to do.
pub(super) enum Command {
    Start { partition: u32, from: Offset, end: Offset, generation: u64, done: oneshot::Sender<Result<()>> },
    Pause { partition: u32, paused: bool },
    Commit { partition: u32, next: Offset },
    Leave { done: oneshot::Sender<()> },
}

/// The owner's end of a polling thread, which ends (and leaves its group) when this is dropped.
pub(super) struct Poller {
    pub(super) connection: Arc<Connection>,
    pub(super) topic: String,
    pub(super) buffer: Arc<Buffer>,
    commands: mpsc::Sender<Command>,
}

impl Poller {
    pub(super) fn start(connection: Arc<Connection>, topic: &str, origin: Origin) -> Result<Self> {
        let buffer = Arc::new(Buffer::default());
        let (commands, waiting) = mpsc::channel();
        let config = match &origin {
            Origin::Group(Membership { group, member }) => {
                let mut config = connection.consumer_config(group);
                if let Some(member) = member {
                    config.set("group.instance.id", member);
                }
                config
            }
            Origin::Positions(_) => connection.consumer_config(NO_GROUP),
        };
        let context = PollerContext::new(&connection, &buffer);
        let consumer = BaseConsumer::from_config_and_context(&config, context)
            .map_err(|error| connection.refused(&error))?;
        let mut polling = Polling {
            connection: Arc::clone(&connection),
            topic: topic.to_owned(),
            buffer: Arc::clone(&buffer),
            consumer,
            waiting,
            full_since: None,
        };
        polling.begin(origin)?;
        std::thread::Builder::new()
            .name(format!("kafka-{topic}"))
            .spawn(move || polling.run())
            .map_err(|error| EngineError::outside("start a thread for Kafka", error))?;
        Ok(Self { connection, topic: topic.to_owned(), buffer, commands })
    }

    pub(super) fn tell(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| self.gone())
    }

    pub(super) fn gone(&self) -> EngineError {
        let tried = format!("read topic {} at {}", self.topic, self.connection);
        EngineError::ours(tried, "the polling thread is gone")
    }
}

/// What came of each start of a partition since the buffer was last given something.
type Burst = BTreeMap<(u32, u64), Vec<Record>>;

/// What the thread owns.
struct Polling {
    connection: Arc<Connection>,
    topic: String,
    buffer: Arc<Buffer>,
    consumer: BaseConsumer<PollerContext>,
    waiting: mpsc::Receiver<Command>,
    /// Since when a partition is full that is not paused in librdkafka.
    full_since: Option<Instant>,
}

/// Says that no more comes, also when the thread panics.
struct Closing(Arc<Buffer>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Polling {
    fn begin(&mut self, origin: Origin) -> Result<()> {
        let outcome = match origin {
            Origin::Group(_) => self.consumer.subscribe(&[&self.topic]),
            Origin::Positions(positions) => {
                let mut list = TopicPartitionList::new();
                let mut owned = self.consumer.context().owned();
                for (Position { partition, offset }, end) in positions {
                    let generation = self.buffer.restart(partition);
                    let started = Some(Started { generation, next: offset.0, end: Some(end.0) });
                    owned.insert(partition, Owned { started, ..Owned::default() });
                    // Only a number too great for Kafka is refused here.
                    let _ =
                        list.add_partition_offset(&self.topic, partition_number(partition), place(offset));
                }
                drop(owned);
                self.consumer.assign(&list)
            }
        };
        outcome.map_err(|error| self.connection.error(&format!("read topic {}", self.topic), &error))
    }

    fn run(mut self) {
        let closing = Closing(Arc::clone(&self.buffer));
        let left = loop {
            match self.waiting.try_recv() {
                Ok(Command::Leave { done }) => break Some(done),
                Ok(command) => {
                    self.obey(command);
                    continue;
                }
                Err(TryRecvError::Disconnected) => break None,
                Err(TryRecvError::Empty) => {}
            }
            if self.hold_or_release() {
                // Full: the owner is given a moment, without a poll.
                match self.waiting.recv_timeout(Duration::from_millis(1)) {
                    Ok(Command::Leave { done }) => break Some(done),
                    Ok(command) => self.obey(command),
                    Err(RecvTimeoutError::Disconnected) => break None,
                    Err(RecvTimeoutError::Timeout) => {}
                }
                continue;
            }
            self.poll();
        };
        drop(closing);
        // Closing leaves the group (unless the member is static: then the others wait for its time-out).
        drop(self.consumer);
        if let Some(done) = left {
            let _ = done.send(());
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Start { partition, from, end, generation, done } => {
                let outcome = self.start(partition, Started { generation, next: from.0, end: Some(end.0) });
                let tried =
                    || format!("read topic {}, partition {partition}, from offset {from}", self.topic);
                let _ = done.send(outcome.map_err(|error| self.connection.error(&tried(), &error)));
            }
            Command::Pause { partition, paused } => {
                if let Some(owned) = self.consumer.context().owned().get_mut(&partition) {
                    owned.paused = paused;
                }
            }
            Command::Commit { partition, next } => {
                let list = self.list(partition, Some(next));
                if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
                    tracing::debug!(%error, partition, %next, "an offset was not committed; it is for monitoring only");
                }
            }
            Command::Leave { .. } => {}
        }
    }

    fn list(&self, partition: u32, at: Option<Offset>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let number = partition_number(partition);
        match at {
            // Only a number too great for Kafka is refused here.
            Some(at) => drop(list.add_partition_offset(&self.topic, number, place(at))),
            None => drop(list.add_partition(&self.topic, number)),
        }
        list
    }

    /// Takes the partition from librdkafka, if it has it, and gives it again with an explicit offset. Taking it makes librdkafka drop
    /// what it fetched, by its own versions; giving it again never asks for a committed offset.
    fn start(&mut self, partition: u32, start: Started) -> KafkaResult<()> {
        let mut owned = self.consumer.context().owned();
        let Some(place) = owned.get_mut(&partition) else {
            // It was revoked while its owner decided; the owner is told so next.
            return Ok(());
        };
        let bare = self.list(partition, None);
        if std::mem::take(&mut place.held) {
            self.consumer.resume(&bare)?;
        }
        if place.started.take().is_some() {
            self.consumer.incremental_unassign(&bare)?;
        }
        self.consumer.incremental_assign(&self.list(partition, Some(Offset(start.next))))?;
        place.started = Some(start);
        Ok(())
    }

    /// Pauses in librdkafka what is full for long, and resumes what is wanted again. Returns whether to wait for the owner instead of polling.
    fn hold_or_release(&mut self) -> bool {
        let mut owned = self.consumer.context().owned();
        let patient = self.full_since.is_none_or(|since| since.elapsed() < PATIENCE);
        let mut full = false;
        for (partition, place) in owned.iter_mut().filter(|(_, place)| place.started.is_some()) {
            let fill = self.buffer.fill(*partition);
            full |= fill == Fill::Full && !place.held;
            let hold = match fill {
                Fill::Full => place.held || !patient,
                Fill::High => place.held,
                Fill::Low => place.held && place.paused,
            };
            if hold == place.held {
                continue;
            }
            let list = self.list(*partition, None);
            let outcome = if hold { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
            match outcome {
                Ok(()) => place.held = hold,
                Err(error) => tracing::warn!(%error, partition, hold, "librdkafka did not pause or resume"),
            }
        }
        if !full {
            self.full_since = None;
            return false;
        }
        self.full_since.get_or_insert_with(Instant::now);
        patient
    }

    /// Takes what librdkafka has, at most a burst, and hands it over in one piece; waits a moment if it has nothing.
    fn poll(&mut self) {
        let mut wait = POLL;
        let mut burst = Burst::default();
        for _ in 0..BURST {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => self.accept(&message, &mut burst),
                Some(Err(error)) => {
                    self.hand_over(&mut burst);
                    match error {
                        KafkaError::PartitionEOF(partition) => self.pass(partition),
                        error => self.complain(&error),
                    }
                }
                None => break,
            }
            wait = Duration::ZERO;
        }
        self.hand_over(&mut burst);
    }

    fn accept(&self, message: &BorrowedMessage<'_>, burst: &mut Burst) {
        let (Ok(partition), Ok(offset)) =
            (u32::try_from(message.partition()), u64::try_from(message.offset()))
        else {
            return;
        };
        let generation = {
            let mut owned = self.consumer.context().owned();
            let Some(started) = owned.get_mut(&partition).and_then(|place| place.started.as_mut()) else {
                return;
            };
            if offset < started.next {
                return;
            }
            started.next = offset + 1;
            started.generation
        };
        burst.entry((partition, generation)).or_default().push(record(message, offset));
    }

    fn hand_over(&self, burst: &mut Burst) {
        for ((partition, generation), records) in std::mem::take(burst) {
            self.buffer.push_records(partition, generation, records);
        }
    }

    /// At the end of a partition: passes what lies before it and is no record. librdkafka's own position moves behind the control records
    /// of transactions, and behind aborted records with the control record that ends them. What compaction removed is passed by no
    /// position; there, nothing can be left before the end that the partition had when it was started.
    fn pass(&self, number: i32) {
        let Ok(partition) = u32::try_from(number) else { return };
        let position = match self.consumer.position() {
            Ok(positions) => positions.find_partition(&self.topic, number).map(|found| found.offset()),
            Err(error) => {
                tracing::debug!(%error, partition, "librdkafka's position is not known; the next record tells it");
                None
            }
        };
        let position = match position {
            Some(Place::Offset(at)) => u64::try_from(at).ok(),
            _ => None,
        };
        let (generation, next) = {
            let mut owned = self.consumer.context().owned();
            let Some(started) = owned.get_mut(&partition).and_then(|place| place.started.as_mut()) else {
                return;
            };
            let Some(next) = position.max(started.end.take()).filter(|next| *next > started.next) else {
                return;
            };
            started.next = next;
            (started.generation, Offset(next))
        };
        self.buffer.push_passed(partition, generation, next);
    }

    /// Tells the owner what librdkafka does not mend by itself.
    fn complain(&self, error: &KafkaError) {
        use RDKafkaErrorCode as Code;
        let tried = format!("read topic {}", self.topic);
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                self.buffer.push_event(Err(self.out_of_range()));
            }
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::FencedInstanceId
                | Code::InconsistentGroupProtocol
                | Code::InvalidSessionTimeout,
            ) => self.buffer.push_event(Err(self.connection.error(&tried, error))),
            _ if fatal => self.buffer.push_event(Err(self.connection.error(&tried, error))),
            // Also where the topic is not known: a topic that is gone is an outage, until it is there again. Made again, it is another log.
            _ => tracing::warn!(%error, topic = self.topic, "reading goes on when Kafka answers again"),
        }
    }

    /// Finds out which partition no longer holds the offset that was asked for.
    fn out_of_range(&self) -> EngineError {
        let tried = |partition: u32, next: u64| {
            format!(
                "read topic {}, partition {partition}, from offset {next} at {}",
                self.topic, self.connection
            )
        };
        let owned = self.consumer.context().owned();
        let started =
            owned.iter().filter_map(|(partition, place)| Some((*partition, place.started.as_ref()?.next)));
        for (partition, next) in started {
            let number = partition_number(partition);
            let Ok((begin, end)) = self.consumer.fetch_watermarks(&self.topic, number, DIAGNOSIS) else {
                continue;
            };
            let bounds =
                Bounds { begin: Offset(begin.max(0).unsigned_abs()), end: Offset(end.max(0).unsigned_abs()) };
            if let Err(error) = check_bounds(Offset(next), bounds, || tried(partition, next)) {
                return error;
            }
        }
        let reason = "Kafka no longer holds an offset that comes next; was the log cut or made anew?";
        EngineError::user(format!("read topic {} at {}", self.topic, self.connection), reason)
    }
}

/// An offset as librdkafka takes it.
fn place(offset: Offset) -> Place {
    Place::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX))
}
