//! Commands and flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{Retrain, TrainSettings};

/// Every reader's front page is a fold over the log.
#[derive(Debug, Parser)]
#[command(name = "abovefold", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command; also keys of the TOML file and `ABOVEFOLD__` variables.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// A TOML file that goes over the defaults
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of everything embedded [default: .abovefold]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<String>,
    /// `file:DIR` or `kafka://host:port[,host:port]/user_events`
    #[arg(long, global = true, value_name = "URL")]
    pub log: Option<String>,
    /// file:DIR, redis://host:port/db or redis+cluster://host:port,...
    #[arg(long, global = true, value_name = "URL")]
    pub state: Option<String>,
    /// `file:DIR` or `http://host:port/index`; of `generate`: how many articles [default: 2000]
    #[arg(long, global = true, value_name = "URL or N")]
    pub articles: Option<String>,
    /// The model's folder
    #[arg(long, global = true, value_name = "DIR")]
    pub model: Option<String>,
    /// The namespace [default: the one that `live` points to]
    #[arg(long, global = true, value_name = "NS")]
    pub namespace: Option<String>,
    /// The consumer group; the namespace is appended [default: abovefold]
    #[arg(long, global = true, value_name = "ID")]
    pub group: Option<String>,
    /// Static membership of the group
    #[arg(long, global = true, value_name = "ID")]
    pub member: Option<String>,
}

impl Common {
    /// How many articles `generate` is to make. It shares its flag with the URL of the article edge, which it has no use for.
    ///
    /// # Errors
    /// When the flag holds no number.
    pub fn articles_to_generate(&self) -> anyhow::Result<usize> {
        match &self.articles {
            None => Ok(2_000),
            Some(text) => {
                text.parse().map_err(|_| anyhow::anyhow!("generate {text:?} articles: give a number"))
            }
        }
    }

    /// The flags that were given, as keys of the configuration.
    pub fn overrides(&self) -> Vec<(&'static str, String)> {
        [
            ("home", &self.home),
            ("log", &self.log),
            ("state", &self.state),
            ("articles", &self.articles),
            ("model", &self.model),
            ("namespace", &self.namespace),
            ("group", &self.group),
            ("member", &self.member),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.clone()?)))
        .collect()
    }
}

/// Which time an event of `simulate` gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Timestamps {
    /// The moment of sending
    Now,
    /// That of the data
    Original,
}

impl Command {
    /// Whether it folds, or computes with libtorch, for longer than a moment.
    pub fn works_long(&self) -> bool {
        matches!(
            self,
            Self::Demo { .. }
                | Self::Train { .. }
                | Self::Evaluate { .. }
                | Self::Process { .. }
                | Self::Serve { .. }
                | Self::Run { .. }
                | Self::Replay { .. }
        )
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate a newspaper, train, index, run, and simulate readers, all in one process
    Demo {
        /// Show one reader's slate before and after some reads, and end
        #[arg(long)]
        exit: bool,
        /// Where to listen
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// What orders candidates: `trees`, or `reference` for the two networks alone [default: trees]
        #[arg(long, value_name = "NAME", value_parser = ["trees", "reference"])]
        ranker: Option<String>,
        /// Chooses the reader and the reads of --exit
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A newspaper and its readers, as a data folder; `--articles N` says how many articles
    Generate {
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[arg(long, default_value_t = 800)]
        readers: usize,
        #[arg(long, default_value_t = 14)]
        days: usize,
        /// Of a hundred visits, how many are about one section, whatever the reader likes else
        #[arg(long, default_value_t = 0, value_name = "PERCENT")]
        moods: u32,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Articles and their vectors into the topic `articles`
    Index {
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Wait until the article edge has them
        #[arg(long)]
        wait: bool,
    },
    /// Both networks and what ranks with them, into a model folder
    Train {
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Use nothing after this moment
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Begin with this model's weights
        #[arg(long, value_name = "DIR")]
        warm_start: Option<PathBuf>,
        /// Make the best of so much time; without it, training goes on until it has learned, and can be killed and run again
        #[arg(long, value_name = "TIME")]
        max_time: Option<String>,
        /// Passes, batches and rates: ours, or the reference system's
        #[arg(long, value_enum, default_value = "ours")]
        settings: TrainSettings,
        /// Passes at most
        #[arg(long, value_name = "N")]
        epochs: Option<usize>,
        /// How much work a kill may cost
        #[arg(long, value_name = "TIME", default_value = "60s")]
        checkpoint_every: String,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Leave out the rankers that each lack a group of columns, by which `evaluate` shows what the group brings
        #[arg(long)]
        no_drop_one: bool,
    },
    /// The table of metrics on a data folder's impressions
    Evaluate {
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// A row more: the trees grown anew at each midnight (UTC), from all lists before it
        #[arg(long)]
        retrain: Option<Retrain>,
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// The table as an HTML page
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// A data folder's reads into the log
    Simulate {
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Events a second; 0: as fast as possible
        #[arg(long, default_value_t = 1.0)]
        rate: f64,
        #[arg(long)]
        limit: Option<usize>,
        #[arg(long, value_enum, default_value = "now")]
        timestamps: Timestamps,
    },
    /// The write path, one member of the consumer group
    Process {
        /// Length of the tumbling window
        #[arg(long, value_name = "TIME")]
        window: Option<String>,
    },
    /// The read path and the site
    Serve {
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// What orders candidates: `trees`, or `reference` for the two networks alone [default: trees]
        #[arg(long, value_name = "NAME", value_parser = ["trees", "reference"])]
        ranker: Option<String>,
    },
    /// Write path and read path in one process
    Run {
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
        /// What orders candidates: `trees`, or `reference` for the two networks alone [default: trees]
        #[arg(long, value_name = "NAME", value_parser = ["trees", "reference"])]
        ranker: Option<String>,
        #[arg(long, value_name = "TIME")]
        window: Option<String>,
    },
    /// Rebuild state from the log, into a namespace beside the live one (--namespace)
    Replay {
        /// A time, `earliest`, or PARTITION:OFFSET,... [default: as the live namespace]
        #[arg(long, value_name = "P")]
        from: Option<String>,
        /// A time, `latest`, or PARTITION:OFFSET,...
        #[arg(long, value_name = "P", default_value = "latest")]
        until: String,
        /// Go on with the tail
        #[arg(long)]
        follow: bool,
    },
    /// Namespaces, and the pointer to the live one
    Namespace {
        #[command(subcommand)]
        action: NamespaceAction,
    },
    /// Arms compared, from the log
    Experiment {
        #[command(subcommand)]
        action: ExperimentAction,
    },
    /// The log into a topic of another partition count, in order
    Rekey {
        #[arg(long, value_name = "URL")]
        to: String,
        /// Partitions of the new topic, where it has to be made
        #[arg(long)]
        partitions: Option<u32>,
    },
    /// Records that are no event
    DeadLetters {
        #[command(subcommand)]
        action: DeadLettersAction,
    },
    /// What was learned from reads, version by version
    Learner {
        #[command(subcommand)]
        action: LearnerAction,
    },
    /// State in words
    Inspect {
        #[command(subcommand)]
        what: Inspect,
    },
    /// DataFusion over the log and the state
    Sql {
        query: String,
        /// One JSON object a row
        #[arg(long)]
        json: bool,
    },
    /// The configuration in force, secrets masked; tries each edge and the model
    Check {
        /// Only the dataflow
        #[arg(long)]
        graph: bool,
        #[arg(long)]
        json: bool,
    },
    /// A token by which a reader is read and written over HTTP, signed with http.token_secret
    Token {
        #[arg(long, value_name = "ID")]
        reader: String,
        /// How long it is taken
        #[arg(long, value_name = "TIME", default_value = "1h")]
        ttl: String,
    },
    /// The OpenAPI document of the HTTP interface
    Openapi,
}

#[derive(Debug, Subcommand)]
pub enum NamespaceAction {
    /// All of them
    List {
        #[arg(long)]
        json: bool,
    },
    /// Point `live` to one, once it has come as far as the one that is live
    Promote {
        name: String,
        /// How long to wait for it
        #[arg(long, value_name = "TIME", default_value = "60s")]
        wait: String,
    },
    /// Remove one with its state
    Drop { name: String },
}

#[derive(Debug, Subcommand)]
pub enum ExperimentAction {
    /// Reads per slate by arm, with 95 % intervals, differences to the first arm, and whether readers are shared out as they should be
    Report {
        #[arg(long)]
        json: bool,
        /// Only slates served since this moment
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only slates served before this moment; their reads count whenever they came
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// What slates are grouped by
        #[arg(long, value_enum, default_value = "arm")]
        by: ReportBy,
    },
}

/// What the report groups slates by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportBy {
    /// The arm that the reader was in.
    Arm,
    /// The path or fallback that served.
    ServedBy,
}

#[derive(Debug, Subcommand)]
pub enum LearnerAction {
    /// The versions that were published, latest last
    List {
        /// The last so many
        #[arg(long, default_value_t = 20)]
        last: usize,
        #[arg(long)]
        json: bool,
    },
    /// Make an earlier version current again
    RollBack { version: u64 },
}

#[derive(Debug, Subcommand)]
pub enum DeadLettersAction {
    /// All of them
    List {
        #[arg(long)]
        json: bool,
    },
    /// One, with its bytes
    Show {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Send them to their readers' home again; all without ids
    PutBack { ids: Vec<String> },
}

#[derive(Debug, Subcommand)]
pub enum Inspect {
    /// What is known of a reader
    Reader {
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// An article and its counts
    Article {
        id: i64,
        #[arg(long)]
        json: bool,
    },
    /// Markers, ends of the log, and what lies between
    Lag {
        #[arg(long)]
        json: bool,
    },
    /// One hash over the whole state of the namespace, and the offsets that it covers
    Digest {
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn generate_takes_a_number_of_articles() {
        let cli = Cli::try_parse_from(["abovefold", "generate", "--out", "x", "--articles", "50"]).unwrap();
        assert_eq!(cli.common.articles_to_generate().unwrap(), 50);
        let cli =
            Cli::try_parse_from(["abovefold", "generate", "--out", "x", "--articles", "file:y"]).unwrap();
        assert!(cli.common.articles_to_generate().is_err());
    }
}
