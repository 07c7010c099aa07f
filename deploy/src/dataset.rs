//! A data folder as the models need it: vectors, sequences, impressions.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use abovefold_models::{
    HeldVectors, ModelFolder, Profile, ReadSequence, ReadVectors, Text, TextVectors, TrainingImpression,
    TrainingRead, TrainingSet, WIDTH, vectors::unit_length,
};
use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    tables::{ArticleRow, BehaviorRow, DataFolder, Split},
};
use anyhow::{Context, bail};

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
    vectors_until(data, articles, model, None)
}

/// The same, where what was published from `until` on teaches nothing of how words weigh.
///
/// # Errors
/// When a table cannot be read; a vector of another length, or with a number that is not finite, is named by its row.
pub fn vectors_until(
    data: &DataFolder,
    articles: &[ArticleRow],
    model: Option<&ModelFolder>,
    until: Option<Timestamp>,
) -> anyhow::Result<Vectors> {
    if let Some(rows) = data.vectors()? {
        let mut by_article = BTreeMap::new();
        for (place, row) in rows.enumerate() {
            let mut row = row?;
            let fault = if row.vector.len() != WIDTH {
                format!("has {} numbers, expected {WIDTH}", row.vector.len())
            } else if row.vector.iter().any(|number| !number.is_finite()) {
                "holds a number that is not finite".to_owned()
            } else {
                unit_length(&mut row.vector);
                by_article.insert(row.article_id, row.vector);
                continue;
            };
            bail!(
                "contrastive_vector.parquet of {}, row {place}: the vector of article {} {fault}",
                data.path().display(),
                row.article_id
            );
        }
        return Ok(Vectors { by_article, text: None });
    }
    if articles.iter().all(|article| article.title.is_empty() && article.body.is_empty()) {
        return Ok(Vectors { by_article: BTreeMap::new(), text: None });
    }
    let fitted = match model.and_then(|model| model.text.clone()) {
        Some(fitted) => fitted,
        None => {
            let past = |article: &&ArticleRow| until.is_none_or(|until| article.published_time < until);
            TextVectors::fit(articles.iter().filter(past).map(text))
        }
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

/// Seed of the base vectors of articles whose vectors come from reads. It is part of what a vector space is, and never changes.
pub const READ_VECTORS_SEED: u64 = 1;

/// What was left out of a training set, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Reads of articles that the folder has no vector of.
    pub reads: u64,
    /// The first such article.
    pub unknown_article: Option<ArticleId>,
    /// Lists without a click.
    pub without_click: u64,
    /// Lists with nothing to choose from: fewer than two known articles.
    pub without_choice: u64,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if let Some(article) = self.unknown_article {
            parts.push(format!("{} reads of articles without a vector (such as {article})", self.reads));
        }
        for (count, what) in
            [(self.without_click, "without a click"), (self.without_choice, "without a choice")]
        {
            if count > 0 {
                parts.push(format!("{count} lists {what}"));
            }
        }
        f.write_str(&parts.join(", "))
    }
}

/// Gathers, by index, what happened before `until`: every read of a known article, and the impressions of the splits.
///
/// Where the folder gives no vectors at all, they come from the reads ([`ReadVectors`]), in versions by time. An article without a vector
/// among others that have one has none, since vectors of two spaces say nothing to one another: its reads are left out.
///
/// # Errors
/// When a table cannot be read.
pub fn gather(
    data: &DataFolder,
    vectors: &Vectors,
    splits: &[Split],
    until: Option<Timestamp>,
) -> anyhow::Result<TrainingSet> {
    Ok(gather_all(data, vectors, splits, until)?.0)
}

/// [`gather`], and what it left out.
///
/// # Errors
/// When a table cannot be read.
pub fn gather_all(
    data: &DataFolder,
    vectors: &Vectors,
    splits: &[Split],
    until: Option<Timestamp>,
) -> anyhow::Result<(TrainingSet, LeftOut)> {
    let mut left_out = LeftOut::default();
    let mut articles: Vec<ArticleId> = vectors.by_article.keys().copied().collect();
    let mut index_of: HashMap<ArticleId, u32> = articles.iter().copied().zip(0..).collect();
    let mut held = HeldVectors::new(articles.len());
    for (index, vector) in (0u32..).zip(vectors.by_article.values()) {
        held.push(index, Timestamp(i64::MIN), vector);
    }
    let mut from_reads = articles.is_empty().then(|| ReadVectors::new(READ_VECTORS_SEED));
    let before = |time: Timestamp| until.is_none_or(|until| time < until);

    let mut readers: HashMap<ReaderId, u32> = HashMap::new();
    let mut sequences: Vec<ReadSequence> = Vec::new();
    for event in data.events()? {
        let event = event?;
        if !before(event.timestamp) {
            // They come in the order of time.
            break;
        }
        let article = match (index_of.get(&event.article_id), &from_reads) {
            (Some(article), _) => *article,
            (None, Some(_)) => index(&mut articles, &mut index_of, event.article_id),
            (None, None) => {
                left_out.reads += 1;
                left_out.unknown_article = left_out.unknown_article.or(Some(event.article_id));
                continue;
            }
        };
        if let Some(from_reads) = &mut from_reads {
            held.grow(articles.len());
            for version in from_reads.observe(&event.reader, event.article_id, event.timestamp) {
                held.push(index_of[&version.article], version.from, &version.vector);
            }
        }
        let reader = reader_index(&mut readers, &mut sequences, &event.reader);
        sequences[reader as usize].reads.push(TrainingRead {
            article,
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
            let mut known = |ids: &[ArticleId]| -> Vec<u32> {
                ids.iter()
                    .filter_map(|id| match from_reads {
                        Some(_) => Some(index(&mut articles, &mut index_of, *id)),
                        None => index_of.get(id).copied(),
                    })
                    .collect()
            };
            let (in_view, clicked) = (known(&row.in_view), known(&row.clicked));
            if clicked.is_empty() {
                left_out.without_click += 1;
                continue;
            }
            if in_view.len() < 2 {
                left_out.without_choice += 1;
                continue;
            }
            impressions.push(TrainingImpression {
                reader: reader_index(&mut readers, &mut sequences, &row.reader),
                time: row.impression_time,
                profile: profile(&row),
                in_view,
                clicked,
            });
        }
    }
    held.grow(articles.len());
    Ok((TrainingSet { articles, vectors: held, readers: sequences, impressions }, left_out))
}

fn index(articles: &mut Vec<ArticleId>, index_of: &mut HashMap<ArticleId, u32>, id: ArticleId) -> u32 {
    *index_of.entry(id).or_insert_with(|| {
        articles.push(id);
        articles.len() as u32 - 1
    })
}

fn reader_index(
    readers: &mut HashMap<ReaderId, u32>,
    sequences: &mut Vec<ReadSequence>,
    reader: &ReaderId,
) -> u32 {
    if let Some(index) = readers.get(reader) {
        return *index;
    }
    let index = sequences.len() as u32;
    sequences.push(ReadSequence::default());
    readers.insert(reader.clone(), index);
    index
}
