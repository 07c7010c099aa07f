//! A data folder as the models need it: vectors, sequences, impressions.

use std::{collections::BTreeMap, path::Path};

use abovefold_models::{
    ModelFolder, Profile, ReadSequence, Text, TextVectors, TrainingImpression, TrainingRead, TrainingSet,
    WIDTH,
};
use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    tables::{ArticleRow, BehaviorRow, DataFolder, Split},
};
use anyhow::Context;

use crate::ranking::vectors::VectorsAsOf;

/// Opens a data folder.
///
/// # Errors
/// When it is none; the error says what was expected.
pub fn open(folder: &Path) -> anyhow::Result<DataFolder> {
    DataFolder::open(folder).with_context(|| format!("open the data folder {}", folder.display()))
}

fn text(article: &ArticleRow) -> Text<'_> {
    let mut labels = vec![article.category.as_str()];
    labels.extend(article.topics.iter().map(String::as_str));
    Text { title: &article.title, subtitle: &article.subtitle, body: &article.body, labels }
}

/// How articles of a folder get their vectors.
#[derive(Debug)]
pub struct Vectors {
    /// By article; those of `contrastive_vector.parquet` where there is one, else those of the text.
    pub by_article: BTreeMap<ArticleId, Vec<f32>>,
    /// What made them from text.
    pub text: Option<TextVectors>,
}

/// The vectors of a folder's articles. A model that has text vectors makes them; without one they are fitted on the articles at hand.
///
/// # Errors
/// When a table cannot be read.
pub fn vectors(
    data: &DataFolder,
    articles: &[ArticleRow],
    model: Option<&ModelFolder>,
) -> anyhow::Result<Vectors> {
    if let Some(rows) = data.vectors()? {
        let mut by_article = BTreeMap::new();
        for row in rows {
            let row = row?;
            by_article.insert(row.article_id, unit_length(row.vector));
        }
        return Ok(Vectors { by_article, text: None });
    }
    if articles.iter().all(|article| article.title.is_empty() && article.body.is_empty()) {
        return Ok(Vectors { by_article: BTreeMap::new(), text: None });
    }
    let fitted = match model.and_then(|model| model.text.clone()) {
        Some(fitted) => fitted,
        None => TextVectors::fit(articles.iter().map(text)),
    };
    let by_article =
        articles.iter().map(|article| (article.article_id, fitted.vector(&text(article)))).collect();
    Ok(Vectors { by_article, text: Some(fitted) })
}

impl Vectors {
    /// The vectors as of any moment: each unknown before its article was published. Where there are none, they come from the reads.
    pub fn as_of(&self, published: BTreeMap<ArticleId, Timestamp>) -> VectorsAsOf {
        VectorsAsOf::new(&self.by_article, published, READ_VECTORS_SEED)
    }
}

/// When each article was published: it is unknown before.
pub fn published(articles: &[ArticleRow]) -> BTreeMap<ArticleId, Timestamp> {
    articles.iter().map(|article| (article.article_id, article.published_time)).collect()
}

/// The sections of articles that have one.
pub fn categories(articles: &[ArticleRow]) -> BTreeMap<ArticleId, String> {
    let with_section = articles.iter().filter(|article| !article.category.is_empty());
    with_section.map(|article| (article.article_id, article.category.clone())).collect()
}

/// When articles were published that come from a newsroom, with a title: only there is it more than the first click, and may be a feature.
pub fn newsroom_times(articles: &[ArticleRow]) -> BTreeMap<ArticleId, Timestamp> {
    let titled = articles.iter().filter(|article| !article.title.is_empty());
    titled.map(|article| (article.article_id, article.published_time)).collect()
}

/// The networks and the search take vectors of length 1; one without a direction stays as it is.
fn unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

/// Seed of the base vectors of articles whose vectors come from reads. It is part of what a vector space is, and never changes.
pub const READ_VECTORS_SEED: u64 = 1;

/// A reader's profile as the reranker takes it.
pub fn profile(row: &BehaviorRow) -> Profile {
    Profile {
        device: u8::try_from(row.device_type).unwrap_or(0),
        gender: row.gender.and_then(|gender| u8::try_from(gender + 1).ok()).unwrap_or(0),
        // EB-NeRD gives the decade: 30 for a reader of 30 to 39.
        age: row.age.and_then(|age| u8::try_from(age / 10).ok()).unwrap_or(0),
        sso: row.is_sso_user,
        subscriber: row.is_subscriber,
    }
}

/// Gathers, by index, what happened before `until`: every read of a known article, and the impressions of the splits.
///
/// # Errors
/// When a table cannot be read.
pub fn gather(
    data: &DataFolder,
    vectors: &Vectors,
    splits: &[Split],
    until: Option<Timestamp>,
) -> anyhow::Result<TrainingSet> {
    let articles: Vec<ArticleId> = vectors.by_article.keys().copied().collect();
    let index_of: BTreeMap<ArticleId, u32> = articles.iter().copied().zip(0..).collect();
    let mut flat = Vec::with_capacity(articles.len() * WIDTH);
    vectors.by_article.values().for_each(|vector| flat.extend_from_slice(vector));
    let before = |time: Timestamp| until.is_none_or(|until| time < until);

    let mut reader_index: BTreeMap<ReaderId, u32> = BTreeMap::new();
    let mut sequences: Vec<ReadSequence> = Vec::new();
    let mut index_of_reader = |reader: &ReaderId, sequences: &mut Vec<ReadSequence>| {
        *reader_index.entry(reader.clone()).or_insert_with(|| {
            sequences.push(ReadSequence { reads: Vec::new() });
            sequences.len() as u32 - 1
        })
    };
    for event in data.events()? {
        let event = event?;
        let Some(article) = index_of.get(&event.article_id).filter(|_| before(event.timestamp)) else {
            continue;
        };
        let reader = index_of_reader(&event.reader, &mut sequences);
        sequences[reader as usize].reads.push(TrainingRead {
            article: *article,
            read_seconds: event.read_time,
            scroll_percent: event.scroll_pct,
            time: event.timestamp,
        });
    }
    let mut impressions = Vec::new();
    for split in splits {
        for row in data.behaviors_in_time_order(*split)? {
            if !before(row.impression_time) {
                continue;
            }
            let known =
                |ids: &[ArticleId]| ids.iter().filter_map(|id| index_of.get(id).copied()).collect::<Vec<_>>();
            let (in_view, clicked) = (known(&row.in_view), known(&row.clicked));
            if in_view.len() < 2 || clicked.is_empty() {
                continue;
            }
            let reader = index_of_reader(&row.reader, &mut sequences);
            impressions.push(TrainingImpression {
                reader,
                time: row.impression_time,
                profile: profile(&row),
                in_view,
                clicked,
            });
        }
    }
    Ok(TrainingSet { articles, vectors: flat, readers: sequences, impressions })
}
