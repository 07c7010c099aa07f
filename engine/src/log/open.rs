//! Which log, by URL and settings.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use abovefold_schemas::Timestamp;

use super::{Log, embedded::EmbeddedLog, kafka::KafkaLog};
use crate::error::{EngineError, Result};

/// The topic of readers' events where a URL names no other.
pub const MAIN_TOPIC: &str = "user_events";

/// Where a log is, read from text such as `file:.abovefold/log` or `kafka://a:9092,b:9092/user_events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogUrl {
    /// The embedded log, in a folder of this machine.
    Embedded {
        /// The folder; the log is its file `log.redb`.
        folder: PathBuf,
    },
    /// Apache Kafka.
    Kafka {
        /// The brokers to ask first, `host:port[,host:port]`.
        servers: String,
        /// The topic of readers' events.
        topic: String,
    },
}

impl LogUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When the scheme is another, or a part is missing.
    pub fn parse(url: &str) -> Result<Self> {
        let refuse = |reason: &str| {
            let forms = "use file:FOLDER or kafka://HOST:PORT[,HOST:PORT]/TOPIC";
            EngineError::user(format!("read the log's URL `{url}`"), format!("{reason}; {forms}"))
        };
        if let Some(folder) = url.strip_prefix("file:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            if folder.is_empty() {
                return Err(refuse("it names no folder"));
            }
            return Ok(Self::Embedded { folder: PathBuf::from(folder) });
        }
        let Some(rest) = url.strip_prefix("kafka://") else {
            return Err(refuse("its scheme is neither `file` nor `kafka`"));
        };
        let (servers, topic) = rest.split_once('/').unwrap_or((rest, ""));
        for server in servers.split(',') {
            let port = server.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            if port.is_none_or(|port| port.parse::<u16>().is_err()) {
                return Err(refuse(&format!("`{server}` is not HOST:PORT")));
            }
        }
        let topic = if topic.is_empty() { MAIN_TOPIC } else { topic };
        check_topic_name(topic)?;
        Ok(Self::Kafka { servers: servers.to_owned(), topic: topic.to_owned() })
    }

    /// The topic of readers' events.
    pub fn topic(&self) -> &str {
        match self {
            Self::Embedded { .. } => MAIN_TOPIC,
            Self::Kafka { topic, .. } => topic,
        }
    }
}

impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { folder } => write!(f, "file:{}", folder.display()),
            Self::Kafka { servers, topic } => write!(f, "kafka://{servers}/{topic}"),
        }
    }
}

/// Refuses a name that Kafka would not take, so that both makes take the same ones.
pub(super) fn check_topic_name(topic: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." || !topic.chars().all(legal) {
        return Err(EngineError::user(
            format!("use the topic `{topic}`"),
            "a topic's name has 1 to 249 characters out of a-z, A-Z, 0-9, `.`, `_` and `-`",
        ));
    }
    Ok(())
}

/// Says what time it is: the source of log-append times of the embedded log.
pub type LogClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a log is used.
#[derive(Clone)]
pub struct LogSettings {
    /// librdkafka's properties for Kafka, such as `security.protocol`, `sasl.mechanism`, `sasl.username`,
    /// `sasl.password`, `ssl.ca.location`. They go over what Abovefold sets, so handle with care what a promise rests on
    /// (`acks`, `isolation.level`, `auto.offset.reset`).
    pub kafka: BTreeMap<String, String>,
    /// After how long without a sign of life a group gives a member's partitions to others.
    pub session_timeout: Duration,
    /// The partitions of a topic of the embedded log, where its creator asks for 0.
    pub embedded_partitions: u32,
    /// The greatest size of a record, key, value and headers together.
    pub max_record_bytes: usize,
    /// The replicas of topics that Abovefold creates in Kafka; `None` leaves it to the broker.
    pub replication: Option<i32>,
    /// The clock of the embedded log.
    pub clock: LogClock,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            kafka: BTreeMap::new(),
            session_timeout: Duration::from_secs(6),
            embedded_partitions: 4,
            max_record_bytes: 16 << 20,
            replication: None,
            clock: Arc::new(|| Timestamp(chrono::Utc::now().timestamp_millis())),
        }
    }
}

impl fmt::Debug for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret =
            |name: &str| name.contains("password") || name.contains("secret") || name.contains(".key.pem");
        let shown: BTreeMap<_, _> = self
            .kafka
            .iter()
            .map(|(name, value)| (name, if secret(name) { "***" } else { value.as_str() }))
            .collect();
        f.debug_struct("LogSettings")
            .field("kafka", &shown)
            .field("session_timeout", &self.session_timeout)
            .field("embedded_partitions", &self.embedded_partitions)
            .field("max_record_bytes", &self.max_record_bytes)
            .field("replication", &self.replication)
            .finish_non_exhaustive()
    }
}

/// Opens the log that a URL names. May block for as long as it takes to open a file (and to mend it after a crash);
/// of Kafka nothing is asked yet, so that a wrong address shows at the first use.
///
/// # Errors
/// When the URL is no log's, when another process owns the embedded log, or when a Kafka property is unknown.
pub fn open(url: &str, settings: &LogSettings) -> Result<Arc<dyn Log>> {
    match LogUrl::parse(url)? {
        LogUrl::Embedded { folder } => Ok(Arc::new(EmbeddedLog::open(&folder, settings)?)),
        LogUrl::Kafka { servers, .. } => Ok(Arc::new(KafkaLog::open(&servers, settings)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_folder_or_brokers_and_a_topic() {
        let parse = |url: &str| LogUrl::parse(url).expect(url);
        assert_eq!(parse("file:.abovefold/log"), LogUrl::Embedded { folder: ".abovefold/log".into() });
        let kafka = parse("kafka://a:9092,b:9093/events");
        assert_eq!(kafka, LogUrl::Kafka { servers: "a:9092,b:9093".into(), topic: "events".into() });
        assert_eq!(kafka.to_string(), "kafka://a:9092,b:9093/events");
        assert_eq!(parse("kafka://a:9092").topic(), MAIN_TOPIC);
        for wrong in [
            "",
            "file:",
            "kafka://",
            "kafka://a",
            "kafka://a:x/t",
            "kafka://a:1/t/u",
            "redis://a:1",
            "kafka://:1/t",
        ] {
            assert!(LogUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = LogSettings::default();
        settings.kafka.insert("sasl.password".into(), "hunter2".into());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
