//! What a load run is told.

use std::path::PathBuf;

use clap::Parser;

/// A load run against the real program, started here in a process of its own, or against one that is up (`--url`).
///
/// The first run in a home makes a newspaper of vectors and lets its readers read: minutes at full size. The next one takes up what is there.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", max_term_width = 110)]
pub struct Options {
    /// The program
    #[arg(long, default_value = "target/release/abovefold")]
    pub program: PathBuf,
    /// Where the newspaper is kept, and everything embedded
    #[arg(long, default_value = "load-home")]
    pub home: PathBuf,
    /// A program that is up, with a newspaper of this home's in it, instead of one that is started here
    #[arg(long)]
    pub url: Option<String>,
    /// The log, as the program is told; embedded unless given
    #[arg(long, default_value = "")]
    pub log: String,
    /// The state store, as the program is told; embedded unless given
    #[arg(long, default_value = "")]
    pub state: String,
    /// The article edge, as the program is told; embedded unless given. With Elasticsearch, the bare search is measured, too
    #[arg(long, default_value = "")]
    pub articles: String,
    /// A model's folder; a small one is trained unless given: what it says does not matter here, only what it costs
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Articles, each with a vector around one of the stories
    #[arg(long, default_value_t = 125_000)]
    pub articles_count: usize,
    /// Stories
    #[arg(long, default_value_t = 1_000)]
    pub stories: usize,
    /// Readers with a state
    #[arg(long, default_value_t = 50_000)]
    pub readers: usize,
    /// Reads of each of them
    #[arg(long, default_value_t = 2)]
    pub reads: usize,
    /// Requests a second
    #[arg(long, default_value_t = 200.0)]
    pub rate: f64,
    /// The share of them whose reader was not asked for before, so that no candidates are cached
    #[arg(long, default_value_t = 0.6)]
    pub misses: f64,
    /// Events a second that go in meanwhile
    #[arg(long, default_value_t = 200.0)]
    pub events: f64,
    /// Readers a second who read and then ask with `after`
    #[arg(long, default_value_t = 5.0)]
    pub follow: f64,
    /// Readers a second for whom the bare search is measured beside the answer (Elasticsearch)
    #[arg(long, default_value_t = 5.0)]
    pub bare: f64,
    /// How long the steady load lasts, in seconds
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// How long each step to the bearable rate lasts, in seconds
    #[arg(long, default_value_t = 5.0)]
    pub step_seconds: f64,
    /// How long twice the bearable rate lasts, in seconds; 0 leaves the overload out
    #[arg(long, default_value_t = 20.0)]
    pub overload_seconds: f64,
    /// A rate is bearable while the 99th percentile stays under this, in milliseconds
    #[arg(long, default_value_t = 50.0)]
    pub bearable_ms: f64,
    /// Where the table goes as JSON, beside being printed
    #[arg(long)]
    pub json: Option<PathBuf>,
}

impl Options {
    /// Where the model is.
    pub fn model_folder(&self) -> PathBuf {
        self.model.clone().unwrap_or_else(|| self.home.join("load-model"))
    }

    /// The log's URL.
    pub fn log_url(&self) -> String {
        match self.log.as_str() {
            "" => format!("file:{}", self.home.join("log").display()),
            url => url.into(),
        }
    }

    /// The flags by which the program finds its edges.
    pub fn flags(&self) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        let edges = [("--log", &self.log), ("--state", &self.state), ("--articles", &self.articles)];
        let given = edges.into_iter().filter(|(_, url)| !url.is_empty());
        let mut flags: Vec<String> = given.flat_map(|(flag, url)| [flag.into(), url.clone()]).collect();
        flags.extend(["--home".into(), text(self.home.clone()), "--model".into(), text(self.model_folder())]);
        flags
    }

    /// What the home's newspaper is made of; another one needs another home.
    pub fn contents(&self) -> serde_json::Value {
        serde_json::json!({
            "articles": self.articles_count, "stories": self.stories, "readers": self.readers, "reads": self.reads,
            "edges": [self.log, self.state, self.articles],
        })
    }

    /// Readers by number that only ask, so that no event takes their cached candidates away.
    pub fn asking(&self) -> std::ops::Range<usize> {
        0..(self.readers * 4 / 5).max(1)
    }

    /// Readers by number that only read.
    pub fn reading(&self) -> std::ops::Range<usize> {
        self.asking().end.min(self.readers - 1)..self.readers
    }
}
