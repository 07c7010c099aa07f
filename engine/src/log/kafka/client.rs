//! Settings of librdkafka's clients, where their messages go, and what their errors mean.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use abovefold_schemas::Offset;
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::super::{Bounds, LogSettings};
use crate::error::{EngineError, Result};

/// Room for what a batch adds to its only record.
const BATCH_OVERHEAD: usize = 64 << 10;

/// Which brokers, and how.
pub(super) struct Connection {
    pub(super) servers: String,
    pub(super) settings: LogSettings,
    /// What librdkafka said last was wrong with a connection, which is the reason behind most time-outs.
    trouble: Mutex<Option<String>>,
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}", self.servers)
    }
}

impl Connection {
    pub(super) fn new(servers: &str, settings: &LogSettings) -> Self {
        Self { servers: servers.to_owned(), settings: settings.clone(), trouble: Mutex::default() }
    }

    /// The greatest batch that brokers have to take.
    pub(super) fn max_message_bytes(&self) -> String {
        (self.settings.max_record_bytes + BATCH_OVERHEAD).to_string()
    }

    /// What all clients share, with the properties of one kind of client, and the user's over them.
    fn config(&self, properties: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.servers)
            .set("client.id", "abovefold")
            .set("message.max.bytes", self.max_message_bytes())
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in properties {
            config.set(*name, *value);
        }
        for (name, value) in &self.settings.kafka {
            config.set(name, value);
        }
        config
    }

    pub(super) fn producer_config(&self) -> ClientConfig {
        self.config(&[
            ("acks", "all"),
            ("enable.idempotence", "true"),
            // As Java's producer places keyed records, and as `partition_of` computes.
            ("partitioner", "murmur2_random"),
            ("linger.ms", "5"),
            ("compression.type", "lz4"),
            ("message.timeout.ms", "30000"),
            ("queue.buffering.max.kbytes", "262144"),
        ])
    }

    pub(super) fn consumer_config(&self, group: &str) -> ClientConfig {
        let session = self.settings.session_timeout.as_millis();
        // A rebalance goes round with the heartbeats, twice.
        let heartbeat = (session / 3).clamp(1, 500);
        let mut config = self.config(&[
            ("group.id", group),
            ("session.timeout.ms", &session.to_string()),
            ("heartbeat.interval.ms", &heartbeat.to_string()),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("allow.auto.create.topics", "false"),
            // The end of a partition is told, so that what lies before it and is no record can be passed.
            ("enable.partition.eof", "true"),
            ("max.partition.fetch.bytes", "4194304"),
            ("queued.max.messages.kbytes", "16384"),
            // A broker is asked again only when it answered: until then a partition that was just started waits.
            ("fetch.wait.max.ms", "100"),
            ("fetch.queue.backoff.ms", "20"),
            ("fetch.error.backoff.ms", "100"),
            // For one line of it: see `made_again`.
            ("debug", "topic"),
        ]);
        config.set_log_level(RDKafkaLogLevel::Debug);
        // Another group would take the members of this one for its own.
        config.set("group.id", group);
        config
    }

    /// For questions only: no group, no fetching. (The session's time-out is there because librdkafka compares it with a
    /// `max.poll.interval.ms` of the user's, whether there is a session or not.)
    pub(super) fn admin_config(&self) -> ClientConfig {
        self.config(&[
            ("isolation.level", "read_committed"),
            ("allow.auto.create.topics", "false"),
            ("session.timeout.ms", &self.settings.session_timeout.as_millis().to_string()),
        ])
    }

    /// The error of a client that could not even be made.
    pub(super) fn refused(&self, error: &KafkaError) -> EngineError {
        let reason = format!("{error}; check the Kafka properties of the configuration");
        EngineError::user(format!("prepare a client for {self}"), reason)
    }

    /// Whose fault an error is, and what to do.
    pub(super) fn error(&self, tried: &str, error: &KafkaError) -> EngineError {
        use RDKafkaErrorCode as Code;
        let tried = format!("{tried} at {self}");
        let code = error.rdkafka_error_code();
        if is_unknown(error) {
            let reason =
                format!("{error}; a broker that starts does not know its topics yet; is the topic there?");
            return EngineError::outside(tried, reason);
        }
        let advice = match code {
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed,
            ) => "the user of the configuration may not do this; grant it in Kafka's ACLs",
            Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::IllegalSASLState) => {
                "check the user and password of the configuration"
            }
            Some(Code::SSL) => "check the certificates of the configuration",
            Some(Code::MessageSizeTooLarge) => "raise the topic's max.message.bytes",
            Some(Code::PolicyViolation | Code::InvalidReplicationFactor | Code::InvalidPartitions) => {
                "the brokers do not allow such a topic; create it by hand"
            }
            Some(Code::FencedInstanceId) => "another member has the same member id; give each its own",
            _ => {
                let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let hint = trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
                let reason = format!("{error}{hint}; is Kafka running, and is this its address?");
                return EngineError::outside(tried, reason);
            }
        };
        EngineError::user(tried, format!("{error}; {advice}"))
    }

    /// The error of an append. A topic that is closed to us may be so no longer when the same records are sent again: who must not drop
    /// them waits for that.
    pub(super) fn append_error(&self, tried: &str, error: &KafkaError) -> EngineError {
        use RDKafkaErrorCode as Code;
        let may_be_mended = matches!(
            error.rdkafka_error_code(),
            Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)
        );
        let told = self.error(tried, error);
        EngineError { retry: told.retry || may_be_mended, ..told }
    }

    /// Keeps what librdkafka says about its connections.
    pub(super) fn note_trouble(&self, error: &KafkaError, reason: &str) {
        // It follows the reasons, and gives none.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

/// Whether trying again within seconds may help.
pub(super) fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::OffsetNotAvailable
                | Code::BrokerTransportFailure
                | Code::RequestTimedOut
                | Code::NetworkException
        )
    ) || is_unknown(error)
}

/// Whether a topic or partition was not found. A broker that has just started, or that nobody has told of a new topic yet, does not know
/// what is there; and librdkafka does not know it while no broker answers. So it is a reason to ask again: whether a topic is there, only
/// its metadata says.
pub(super) fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicId
        )
    )
}

/// The topic that a line of librdkafka's log says was deleted and made again under its reader. librdkafka reads on at the same offset, of
/// another log, and tells nobody: it notes in its source that it should do something about it. (The topic's id comes with
/// its metadata, which is asked for before anything is read of the new one.)
pub(super) fn made_again<'a>(facility: &str, message: &'a str) -> Option<&'a str> {
    /// The id of a topic that was not seen before, and of all topics of brokers before 2.8.
    const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
    if facility != "METADATA" {
        return None;
    }
    let (before, ids) = message.split_once(" changed id from ")?;
    let (from, to) = ids.split_once(" to ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    (from != to && from != NO_ID && to != NO_ID).then_some(topic)
}

/// Refuses an offset that a partition does not hold: what was there is gone, or never was.
pub(super) fn check_bounds(from: Offset, bounds: Bounds, tried: impl FnOnce() -> String) -> Result<()> {
    if (bounds.begin..=bounds.end).contains(&from) {
        return Ok(());
    }
    let reason = format!(
        "the partition holds offsets {} to {}; was the log cut or made anew?",
        bounds.begin, bounds.end
    );
    Err(EngineError::user(tried(), reason))
}

/// Where a client's messages go.
pub(super) struct Context {
    connection: Arc<Connection>,
}

impl Context {
    pub(super) fn new(connection: &Arc<Connection>) -> Self {
        Self { connection: Arc::clone(connection) }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.note_trouble(&error, reason);
        tracing::warn!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Context {}

/// Passes a line of librdkafka's log on to ours.
pub(super) fn forward_log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel as Level;
    match level {
        // Properties that a kind of client does not use are passed to all kinds.
        _ if facility.contains("CONFWARN") => tracing::debug!(target: "librdkafka", facility, "{message}"),
        Level::Emerg | Level::Alert | Level::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        // librdkafka comes back from most of these by itself.
        Level::Error | Level::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        Level::Notice | Level::Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        Level::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_made_again_is_told_from_one_that_is_new() {
        let line =
            |from: &str, to: &str| format!("[thrd:main]: Topic user_events changed id from {from} to {to}");
        let (none, one, other) =
            ("AAAAAAAAAAAAAAAAAAAAAA", "8Xl1cVdJT0aYbN7tSn1wUQ", "tW2kq0m8RFu8OQ1hFZJf7A");
        assert_eq!(made_again("METADATA", &line(one, other)), Some("user_events"));
        assert_eq!(made_again("METADATA", &line(none, one)), None);
        assert_eq!(made_again("METADATA", &line(one, none)), None);
        assert_eq!(made_again("METADATA", "Topic user_events partition 0 Leader 1"), None);
        assert_eq!(made_again("FETCH", &line(one, other)), None);
    }
}
