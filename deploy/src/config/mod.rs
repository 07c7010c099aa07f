//! The configuration: defaults in one commented TOML, then a file, then `ABOVEFOLD__...` variables, then flags.

mod experiment;
mod http;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use abovefold_engine::{
    WindowSettings,
    log::{LogSettings, LogUrl},
    state::StateSettings,
};
use abovefold_models::{DeviceChoice, InferenceOptions};
use abovefold_operators::{
    articles::{ArticleSettings, HnswSettings},
    fold::FoldSettings,
    learning::LearnerSettings,
    pipeline::Topics,
    query::{Experiment, QuerySettings},
    steps::{StepConfig, Steps},
};
use anyhow::{Context, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

pub use experiment::ExperimentConfig;
pub use http::HttpConfig;

use crate::models::ModelsFolder;

/// The commented defaults, as `abovefold check` names them.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub home: PathBuf,
    pub log: String,
    pub state: String,
    pub articles: String,
    pub model: PathBuf,
    pub namespace: String,
    pub group: String,
    pub member: String,
    pub session_timeout_seconds: u64,
    pub steps: Vec<StepConfig>,
    pub topics: TopicsConfig,
    pub window: WindowConfig,
    pub fold: FoldConfig,
    pub inference: InferenceConfig,
    pub http: HttpConfig,
    pub logging: LoggingConfig,
    #[serde(deserialize_with = "properties")]
    pub kafka: BTreeMap<String, String>,
    pub redis: RedisConfig,
    pub elasticsearch: ArticleSettings,
    pub hnsw: HnswSettings,
    pub query: QuerySettings,
    pub experiment: ExperimentConfig,
    pub learner: LearnerSettings,
}

/// Names of topics, and how many partitions new ones get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TopicsConfig {
    #[serde(flatten)]
    pub names: Topics,
    pub partitions: u32,
}

/// Records of an epoch over the embedded store, where more have come than close a window.
const BACKLOG_RECORDS: usize = 4_096;

/// When epochs are cut.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    pub length: String,
    pub max_records: usize,
    pub backlog_records: usize,
    pub replay_records: usize,
}

/// What a worker keeps in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldConfig {
    pub cached_readers: usize,
    pub cached_articles: usize,
}

/// Where and how the networks run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceConfig {
    pub device: String,
    pub precision: String,
    pub threads: usize,
}

/// What is logged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingConfig {
    pub filter: String,
    pub json: bool,
}

/// What Redis is told beside its URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    pub ca_file: PathBuf,
}

impl Config {
    /// Reads defaults, `file`, the environment and `flags` (dotted keys and values), in this order.
    ///
    /// # Errors
    /// When the file is missing, or a key or a value is unknown; the error names it.
    pub fn load(file: Option<&Path>, flags: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                bail!("read the configuration {}: there is no such file", file.display());
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed("ABOVEFOLD__").split("__"));
        for (key, value) in flags {
            figment = figment.merge(Serialized::default(key, value));
        }
        let config: Self = figment.extract().context("read the configuration")?;
        parse_duration(&config.window.length).context("read the configuration: window.length")?;
        Steps::new(&config.steps)?;
        config.experiment.read(&config.query).context("read the configuration: experiment")?;
        Ok(config)
    }

    /// The log's URL.
    pub fn log_url(&self) -> String {
        or_embedded(&self.log, &self.home, "log")
    }

    /// The state store's URL.
    pub fn state_url(&self) -> String {
        or_embedded(&self.state, &self.home, "state")
    }

    /// The article edge's URL.
    pub fn articles_url(&self) -> String {
        or_embedded(&self.articles, &self.home, "articles")
    }

    /// Whether any edge is embedded, so that one process owns it.
    pub fn is_embedded(&self) -> bool {
        [self.log_url(), self.state_url(), self.articles_url()].iter().any(|url| url.starts_with("file:"))
    }

    /// The model's folder: the one that was named, the link `models/current` of the home, or the home's `model` if there is one.
    pub fn model_folder(&self) -> Option<PathBuf> {
        if !self.model.as_os_str().is_empty() {
            return Some(self.model.clone());
        }
        let link = ModelsFolder::of(self).link();
        // A link that leads nowhere is a fault to be told, and no reason to take another model.
        if link.is_symlink() || link.join("model.json").is_file() {
            return Some(link);
        }
        Some(self.home.join("model")).filter(|folder| folder.join("model.json").is_file())
    }

    /// Names of the topics; that of the events may stand in the log's URL.
    ///
    /// # Errors
    /// When the log's URL is none.
    pub fn topics(&self) -> anyhow::Result<Topics> {
        let mut topics = self.topics.names.clone();
        let url = LogUrl::parse(&self.log_url())?;
        if let LogUrl::Kafka { .. } = &url {
            topics.user_events = url.topic().to_owned();
        }
        Ok(topics)
    }

    /// Whether the state lies in the home.
    pub fn embeds_state(&self) -> bool {
        self.state_url().starts_with("file:")
    }

    /// When epochs are cut.
    pub fn window(&self) -> WindowSettings {
        let length = parse_duration(&self.window.length)
            .expect("the length was checked when the configuration was read");
        let backlog_records = match self.window.backlog_records {
            0 if self.embeds_state() => BACKLOG_RECORDS,
            records => records,
        };
        WindowSettings { length, max_records: self.window.max_records.max(1), backlog_records }
    }

    /// What is done to reads before they are folded.
    pub fn steps(&self) -> Steps {
        Steps::new(&self.steps).expect("the steps were checked when the configuration was read")
    }

    /// The experiment that runs, if one does.
    pub fn experiment(&self) -> Option<Experiment> {
        let read = self.experiment.read(&self.query);
        read.expect("the experiment was checked when the configuration was read")
    }

    /// What a worker keeps in memory.
    pub fn fold(&self) -> FoldSettings {
        FoldSettings { cached_readers: self.fold.cached_readers, cached_articles: self.fold.cached_articles }
    }

    /// What the log is told beside its URL.
    pub fn log_settings(&self) -> LogSettings {
        LogSettings {
            kafka: self.kafka.clone(),
            session_timeout: Duration::from_secs(self.session_timeout_seconds),
            embedded_partitions: self.topics.partitions,
            ..LogSettings::default()
        }
    }

    /// What the state store is told beside its URL.
    pub fn state_settings(&self) -> StateSettings {
        let ca_file = Some(self.redis.ca_file.clone()).filter(|file| !file.as_os_str().is_empty());
        StateSettings { ca_file, ..StateSettings::default() }
    }

    /// What the article edge is told beside its URL.
    pub fn article_settings(&self) -> ArticleSettings {
        ArticleSettings { hnsw: self.hnsw.clone(), ..self.elasticsearch.clone() }
    }

    /// Where and how the networks run.
    ///
    /// # Errors
    /// When device or precision is none.
    pub fn inference(&self) -> anyhow::Result<InferenceOptions> {
        let device = match self.inference.device.as_str() {
            "auto" => DeviceChoice::Auto,
            "cpu" => DeviceChoice::Cpu,
            "cuda" => DeviceChoice::Cuda,
            other => bail!("read the configuration: inference.device is {other:?}, use auto, cpu or cuda"),
        };
        let precision = match self.inference.precision.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| {
                anyhow::anyhow!("read the configuration: inference.precision is {text:?}: {error}")
            })?),
        };
        Ok(InferenceOptions {
            device,
            precision,
            threads: self.inference.threads,
            ..InferenceOptions::default()
        })
    }

    /// The configuration in force as TOML, secrets masked.
    pub fn masked(&self) -> String {
        let mut shown = self.clone();
        for (key, value) in &mut shown.kafka {
            if ["password", "secret", "key", "token"].iter().any(|word| key.contains(word)) {
                *value = "***".into();
            }
        }
        for secret in [&mut shown.elasticsearch.api_key, &mut shown.elasticsearch.password] {
            *secret = secret.as_ref().map(|_| "***".into());
        }
        shown.http.mask();
        for url in [&mut shown.log, &mut shown.state, &mut shown.articles] {
            *url = abovefold_engine::state::masked(url);
        }
        toml::to_string(&shown).unwrap_or_else(|error| format!("# cannot be shown: {error}"))
    }
}

/// librdkafka's properties. Variables cannot have dots in their names, so `ABOVEFOLD__KAFKA__SASL_PASSWORD` is `sasl.password`; numbers and
/// truth values are taken as their text.
fn properties<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Property {
        Text(String),
        Truth(bool),
        Number(i64),
        Fraction(f64),
    }
    let given = BTreeMap::<String, Property>::deserialize(deserializer)?;
    let text = |property| match property {
        Property::Text(text) => text,
        Property::Truth(truth) => truth.to_string(),
        Property::Number(number) => number.to_string(),
        Property::Fraction(number) => number.to_string(),
    };
    Ok(given.into_iter().map(|(name, property)| (name.replace('_', "."), text(property))).collect())
}

fn or_embedded(url: &str, home: &Path, folder: &str) -> String {
    if url.is_empty() { format!("file:{}", home.join(folder).display()) } else { url.to_owned() }
}

/// Reads `5s`, `500ms`, `2m`, `1h` or a plain number of seconds.
///
/// # Errors
/// When it is none of these.
pub fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 =
        digits.parse().with_context(|| format!("{text:?} is no time such as 5s, 500ms or 2m"))?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => bail!("{text:?} is no time such as 5s, 500ms or 2m"),
    };
    Duration::try_from_secs_f64(seconds)
        .with_context(|| format!("{text:?} is no time such as 5s, 500ms or 2m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_whole_and_flags_go_over_them() {
        let config =
            Config::load(None, &[("window.length", "250ms".into()), ("http.listen", "127.0.0.1:1".into())])
                .unwrap();
        assert_eq!(config.window().length, Duration::from_millis(250));
        assert_eq!(config.http.listen, "127.0.0.1:1");
        assert_eq!(config.state_url(), "file:.abovefold/state");
    }

    #[test]
    fn secrets_are_masked() {
        let mut config = Config::load(None, &[("state", "redis://me:hunter2@h:1/0".into())]).unwrap();
        config.kafka.insert("sasl.password".into(), "hunter2".into());
        config.elasticsearch.api_key = Some("hunter2".into());
        config.http.api_keys = vec!["hunter2".into()];
        config.http.admin_keys = vec!["hunter2".into()];
        config.http.token_secret = "hunter2".into();
        assert!(!config.masked().contains("hunter2"), "{}", config.masked());
    }

    #[test]
    fn properties_of_kafka_come_from_a_file_and_from_variables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "[kafka]\n\"ssl.ca.location\" = \"/ca.pem\"\nsasl_password = \"x\"\n\"fetch.min.bytes\" = 7\n",
        )
        .unwrap();
        let kafka = Config::load(Some(file.path()), &[]).unwrap().kafka;
        let found: Vec<(&str, &str)> =
            kafka.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("fetch.min.bytes", "7"), ("sasl.password", "x"), ("ssl.ca.location", "/ca.pem")]);
    }

    #[test]
    fn steps_come_from_a_file_and_are_checked_at_once() {
        let read = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            Config::load(Some(file.path()), &[])
        };
        let good = "[[steps]]\nfilter = \"read_time >= 1\"\n[[steps]]\nderive = { read_time = \"least(read_time, 600.0)\" }\n";
        let config = read(good).unwrap();
        let texts = config.steps().texts();
        assert_eq!(texts, ["filter read_time >= 1", "derive read_time = least(read_time, 600.0)"]);
        let shown: Config = toml::from_str(&config.masked()).unwrap();
        assert_eq!(shown.steps, config.steps, "what check shows can be given again");
        let error = read("[[steps]]\nfilter = \"reed_time >= 1\"\n").unwrap_err().to_string();
        assert!(error.contains("step 1") && error.contains("reed_time") && !error.contains('\n'), "{error}");
        assert!(read("[[steps]]\nfliter = \"true\"\n").is_err());
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("2m").unwrap(), Duration::from_secs(120));
        assert!(parse_duration("soon").is_err());
    }
}
