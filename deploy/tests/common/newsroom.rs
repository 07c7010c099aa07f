//! A tiny newspaper, its readers' events from a seed, and a model that was never trained.

use std::path::Path;

use abovefold_models::ModelFolder;
use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    tables::{ArticleRow, EventRow, TableWriter, VectorRow},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sections of the tiny newspaper; article `n` is in section `n % 4`.
pub const SECTIONS: [&str; 4] = ["World", "Sports", "Science", "Culture"];
/// 2024-01-01T00:00:00Z.
pub const MIDNIGHT: i64 = 1_704_067_200_000;

/// Draws from a seed.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }
}

/// Writes a model folder whose numbers are drawn, not trained.
pub fn model(folder: &Path) {
    ModelFolder::untrained(7).save(folder).unwrap();
}

/// A vector of length 1 that leans towards its section.
pub fn vector(article: i64) -> Vec<f32> {
    let mut dice = Dice::new(article as u64);
    let section = article as usize % SECTIONS.len();
    let mut vector: Vec<f32> = (0..768).map(|_| dice.below(2_001) as f32 / 1_000.0 - 1.0).collect();
    vector.iter_mut().skip(section).step_by(SECTIONS.len()).for_each(|x| *x += 2.0);
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

pub fn title(article: i64) -> String {
    format!("Headline {article} of {}", SECTIONS[article as usize % SECTIONS.len()])
}

/// Writes a data folder in the log form: articles `1..=articles` with vectors, and `reads` reads.
pub fn data_folder(folder: &Path, articles: i64, readers: u64, reads: usize, seed: u64) {
    let article = |id: i64| ArticleRow {
        article_id: ArticleId(id),
        title: title(id),
        subtitle: format!("Teaser {id}"),
        body: "Text.".into(),
        category: SECTIONS[id as usize % SECTIONS.len()].into(),
        published_time: Timestamp(MIDNIGHT - id * 60_000),
        ..ArticleRow::default()
    };
    let rows: Vec<ArticleRow> = (1..=articles).map(article).collect();
    TableWriter::write_file(folder.join("articles.parquet"), &rows).unwrap();
    let vectors: Vec<VectorRow> =
        (1..=articles).map(|id| VectorRow { article_id: ArticleId(id), vector: vector(id) }).collect();
    TableWriter::write_file(folder.join("contrastive_vector.parquet"), &vectors).unwrap();
    let mut dice = Dice::new(seed);
    let event = |number: usize| EventRow {
        reader: ReaderId::new((dice.below(readers) + 1).to_string()).unwrap(),
        article_id: ArticleId(dice.below(articles as u64) as i64 + 1),
        read_time: Some(dice.below(300) as f32),
        scroll_pct: Some(dice.below(101) as f32),
        device_type: 1,
        timestamp: Timestamp(MIDNIGHT + number as i64 * 1_000),
    };
    let events: Vec<EventRow> = (0..reads).map(event).collect();
    TableWriter::write_file(folder.join("events.parquet"), &events).unwrap();
}

/// A reader's event as JSON.
pub fn read_event(reader: &str, article: i64, seconds: u64) -> String {
    format!(
        r#"{{"user_id":"{reader}","article_id":{article},"read_time":{seconds},"scroll_pct":80,"device_type":1}}"#
    )
}

/// Keys and values of a stream in which everything happens that folds know: reads, pieces of views, preferences, profiles, forgetting,
/// unknown articles, and records that are no event.
pub fn stream(seed: u64, records: usize, readers: u64, articles: u64) -> Vec<(String, String)> {
    let mut dice = Dice::new(seed);
    (0..records)
        .map(|number| {
            let reader = format!("reader-{}", dice.below(readers));
            let article = dice.below(articles + 3) + 1;
            let time = MIDNIGHT + number as i64 * 700 - dice.below(5_000) as i64;
            let value = match dice.below(20) {
                0 => format!(r#"{{"user_id":"{reader}","type":"preferences","topics":["World","Science"]}}"#),
                1 => format!(r#"{{"user_id":"{reader}","type":"profile","age":30,"is_subscriber":true}}"#),
                2 if number % 3 == 0 => format!(r#"{{"user_id":"{reader}","type":"forget"}}"#),
                3 => format!(r#"{{"user_id":"{reader}","article_id":"#),
                4..=8 => {
                    let (view, seq) = (dice.below(3), dice.below(4));
                    format!(
                        r#"{{"user_id":"{reader}","article_id":{view},"view_id":"v{view}","seq":{seq},"read_time":{seq},"timestamp":{time}}}"#
                    )
                }
                _ => {
                    let seconds = dice.below(200);
                    format!(
                        r#"{{"user_id":"{reader}","article_id":{article},"read_time":{seconds},"scroll_pct":50,"timestamp":{time}}}"#
                    )
                }
            };
            (reader, value)
        })
        .collect()
}
