//! A newspaper of vectors, and readers who have read: straight into the log, from which the program makes everything else.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use abovefold_engine::log::{LogSettings, NewRecord, open};
use abovefold_schemas::{ArticleId, ArticleVersion, Event, Kept, ReaderId};
use anyhow::{Context, bail};

use super::{Options, program::Program};

const WIDTH: usize = 768;
const ARTICLES: &str = "articles";
/// As the program's own default has it.
const PARTITIONS: u32 = 4;
/// Records of one append.
const CHUNK: usize = 500;
/// Days over which the articles were published.
const DAYS: i64 = 14;
const DAY_MS: i64 = 86_400_000;
const SECTIONS: [&str; 8] =
    ["World", "Politics", "Business", "Science", "Culture", "Sport", "Health", "Weather"];
const PARAGRAPH: &str =
    "What is written here takes as much room as a paragraph of a newspaper does, and says nothing. ";

/// A small generator, the same on every machine (splitmix64).
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    /// Numbers that are about normal: sums of four even ones, centred.
    pub fn vector(&mut self) -> Vec<f32> {
        let number = |bits: u64| {
            let quarters = (0..4).map(|quarter| (bits >> (16 * quarter) & 0xffff) as f32 / 65_536.0 - 0.5);
            quarters.sum::<f32>()
        };
        (0..WIDTH).map(|_| number(self.draw())).collect()
    }
}

/// A reader's name.
pub fn reader(number: usize) -> String {
    format!("reader-{number}")
}

/// The article that a reader of this number read: most are of one story.
fn article_of(options: &Options, reader: usize, draws: &mut Draws) -> i64 {
    let story = reader % options.stories;
    let within = draws.below(options.articles_count.div_ceil(options.stories));
    ((within * options.stories + story) % options.articles_count) as i64
}

/// An event of a reader, as a producer or `POST /event` gives it.
pub fn read(options: &Options, number: usize, draws: &mut Draws) -> Event {
    let name = ReaderId::new(reader(number)).expect("the name is short and not empty");
    let mut event = Event::read(name, ArticleId(article_of(options, number, draws)));
    event.read_time = Some(20.0 + draws.below(100) as f32);
    event.scroll_pct = Some(draws.below(101) as f32);
    event
}

/// Makes model and newspaper where the home has none, and waits until the program has folded them.
///
/// # Errors
/// When the home holds another newspaper, or something cannot be made.
pub async fn prepare(options: &Options) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.home)
        .with_context(|| format!("make the folder {}", options.home.display()))?;
    let stamp = options.home.join("load.json");
    if let Ok(text) = std::fs::read_to_string(&stamp) {
        let there: serde_json::Value = serde_json::from_str(&text).context("read load.json")?;
        if there != options.contents() {
            bail!(
                "use the home {}: its newspaper is {there}, not {}; give another --home",
                options.home.display(),
                options.contents()
            );
        }
        return Ok(());
    }
    if !options.model_folder().join("model.json").is_file() {
        eprintln!("training a small model");
        train(options)?;
    }
    eprintln!("writing {} articles and {} readers", options.articles_count, options.readers);
    write(options).await?;
    eprintln!("folding them");
    let program = Program::start(options).await?;
    program.wait_until_folded(options).await?;
    program.stop()?;
    std::fs::write(&stamp, options.contents().to_string()).context("write load.json")?;
    Ok(())
}

fn train(options: &Options) -> anyhow::Result<()> {
    let data = options.home.join("load-seed");
    let run = |arguments: &[&str], folder: &Path, flag: &str| -> anyhow::Result<()> {
        let mut command = Command::new(&options.program);
        // What it says on the way belongs to nobody's table.
        command.args(arguments).arg(flag).arg(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().with_context(|| format!("run {}", options.program.display()))?;
        if !status.success() {
            bail!(
                "{} {} ended with {status}; run it to see why",
                options.program.display(),
                arguments.join(" ")
            );
        }
        Ok(())
    };
    let seed = data.display().to_string();
    run(&["generate", "--articles", "400", "--readers", "120", "--days", "5"], &data, "--out")?;
    run(&["train", "--data", &seed, "--max-time", "20s"], &options.model_folder(), "--out")
}

async fn write(options: &Options) -> anyhow::Result<()> {
    let settings = LogSettings { embedded_partitions: PARTITIONS, ..LogSettings::default() };
    let log = open(&options.log_url(), &settings)?;
    let events = match options.log.rsplit_once('/') {
        Some((_, topic)) if options.log.starts_with("kafka:") => topic,
        _ => "user_events",
    };
    for topic in [ARTICLES, events] {
        log.create_topic(topic, PARTITIONS).await?;
    }
    let mut draws = Draws::new(1);
    let stories: Vec<Vec<f32>> = (0..options.stories).map(|_| draws.vector()).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
    let apart = DAYS * DAY_MS / options.articles_count.max(1) as i64;
    for first in (0..options.articles_count).step_by(CHUNK) {
        let chunk = first..options.articles_count.min(first + CHUNK);
        let records = chunk.map(|number| {
            let around = &stories[number % options.stories];
            let noise = draws.vector();
            let mut vector: Vec<f32> = around.iter().zip(noise).map(|(story, noise)| story + noise).collect();
            let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|number| *number /= length);
            let version = ArticleVersion {
                article_id: number as i64,
                title: format!(
                    "Story {}, told for the {}th time",
                    number % options.stories,
                    number / options.stories
                ),
                subtitle: PARAGRAPH.into(),
                body: PARAGRAPH.repeat(6),
                category: SECTIONS[number % options.stories % SECTIONS.len()].into(),
                topics: Vec::new(),
                published: now - number as i64 * apart,
                vector,
                withdrawn: false,
            };
            NewRecord::keyed(number.to_string(), version.to_kept())
        });
        log.append(ARTICLES, records.collect()).await?;
    }
    let total = options.readers * options.reads;
    for first in (0..total).step_by(CHUNK * 8) {
        let chunk = first..total.min(first + CHUNK * 8);
        let records = chunk.map(|number| {
            let event = read(options, number % options.readers, &mut draws);
            NewRecord::keyed(event.user_id.as_bytes().to_vec(), event.to_json())
        });
        log.append(events, records.collect()).await?;
    }
    Ok(())
}
