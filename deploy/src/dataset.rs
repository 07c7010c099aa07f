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
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::reads::Reads;

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

/// When the first list of a split was shown; nothing where it has none.
///
/// # Errors
/// When the table can't be read.
pub fn first_shown(data: &DataFolder, split: Split) -> anyhow::Result<Option<Timestamp>> {
    let mut first: Option<Timestamp> = None;
    for row in data.behaviors(split)? {
        let time = row?.impression_time;
        first = Some(first.map_or(time, |first| first.min(time)));
    }
    Ok(first)
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

/// Seed of the sample of impressions.
const IMPRESSIONS_SEED: u64 = 1;

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

/// Gathers, by index, what happened before `until`, and says what it left out: every read of a known article, and the impressions of the
/// splits. `events` are the folder's, in the order of time.
///
/// Where the folder gives no vectors at all, they come from the reads ([`ReadVectors`]), in versions by time. An article without a vector
/// among others that have one has none, since vectors of two spaces say nothing to one another: its reads are left out. Without `vectors`
/// every article is taken, and its vector is to come from elsewhere. Where there are more than `most_impressions`, a seeded sample of
/// them is held.
///
/// # Errors
/// When a table cannot be read.
pub fn gather_from(
    data: &DataFolder,
    events: Reads,
    vectors: Option<&Vectors>,
    splits: &[Split],
    until: Option<Timestamp>,
    most_impressions: Option<usize>,
) -> anyhow::Result<(TrainingSet, LeftOut)> {
    let mut left_out = LeftOut::default();
    let nothing = BTreeMap::new();
    let given = vectors.map_or(&nothing, |vectors| &vectors.by_article);
    let mut articles: Vec<ArticleId> = given.keys().copied().collect();
    let mut index_of: HashMap<ArticleId, u32> = articles.iter().copied().zip(0..).collect();
    let mut held = HeldVectors::new(articles.len());
    for (index, vector) in (0u32..).zip(given.values()) {
        held.push(index, Timestamp(i64::MIN), vector);
    }
    let every_article = given.is_empty();
    let mut from_reads = (every_article && vectors.is_some()).then(|| ReadVectors::new(READ_VECTORS_SEED));
    let before = |time: Timestamp| until.is_none_or(|until| time < until);

    let mut readers: HashMap<ReaderId, u32> = HashMap::new();
    let mut sequences: Vec<ReadSequence> = Vec::new();
    for event in events {
        let event = event?;
        if !before(event.timestamp) {
            // They come in the order of time.
            break;
        }
        let article = match index_of.get(&event.article_id) {
            Some(article) => *article,
            None if every_article => index(&mut articles, &mut index_of, event.article_id),
            None => {
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
    let mut impressions: Vec<(u32, TrainingImpression)> = Vec::new();
    let mut seen = 0u64;
    let mut random = ChaCha8Rng::seed_from_u64(IMPRESSIONS_SEED);
    for split in splits {
        for row in data.behaviors(*split)? {
            let row = row?;
            if !before(row.impression_time) {
                continue;
            }
            let mut known = |ids: &[ArticleId]| -> Vec<u32> {
                ids.iter()
                    .filter_map(|id| match index_of.get(id) {
                        Some(article) => Some(*article),
                        None if every_article => Some(index(&mut articles, &mut index_of, *id)),
                        None => None,
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
            let impression = TrainingImpression {
                reader: reader_index(&mut readers, &mut sequences, &row.reader),
                time: row.impression_time,
                profile: profile(&row),
                in_view,
                clicked,
            };
            // Each of those seen so far is held with the same chance (Vitter's algorithm R).
            seen += 1;
            if most_impressions.is_none_or(|most| impressions.len() < most) {
                impressions.push((row.impression_id, impression));
            } else {
                let place = (random.next_u64() % seen) as usize;
                if let Some(held) = impressions.get_mut(place) {
                    *held = (row.impression_id, impression);
                }
            }
        }
    }
    impressions.sort_by_key(|(id, impression)| (impression.time, *id));
    let impressions = impressions.into_iter().map(|(_, impression)| impression).collect();
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

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Tests.
mod tests {
    use abovefold_schemas::tables::{EventRow, TableWriter, VectorRow};

    use super::*;

    fn article(id: i64, title: &str, published: i64) -> ArticleRow {
        ArticleRow {
            article_id: ArticleId(id),
            title: title.into(),
            body: format!("{title} and more of it"),
            published_time: Timestamp(published),
            ..ArticleRow::default()
        }
    }

    fn event(reader: &str, article: i64, time: i64) -> EventRow {
        EventRow {
            reader: ReaderId::new(reader).unwrap(),
            article_id: ArticleId(article),
            read_time: None,
            scroll_pct: None,
            device_type: 0,
            timestamp: Timestamp(time),
        }
    }

    fn gathered(data: &DataFolder, vectors: &Vectors) -> (TrainingSet, LeftOut) {
        let events = Box::new(data.events().unwrap().map(|row| row.map_err(Into::into)));
        gather_from(data, events, Some(vectors), &[], None, None).unwrap()
    }

    #[test]
    fn what_is_published_later_teaches_nothing_of_how_words_weigh() {
        let folder = tempfile::tempdir().unwrap();
        TableWriter::write_file(folder.path().join("events.parquet"), &[event("1", 1, 5)]).unwrap();
        let data = open(folder.path()).unwrap();
        let past = vec![article(1, "storm over the bay", 10), article(2, "the cup final", 20)];
        let mut all = past.clone();
        all.extend((3..20).map(|id| article(id, "storm storm bay", 100 + id)));
        let until = Some(Timestamp(100));
        let fitted = |articles: &[ArticleRow], until| vectors_until(&data, articles, None, until).unwrap();
        assert_eq!(fitted(&all, until).text, fitted(&past, None).text);
        assert_ne!(fitted(&all, None).text, fitted(&past, None).text);
        // The later articles have vectors all the same.
        assert_eq!(fitted(&all, until).by_article.len(), 19);
    }

    #[test]
    fn a_wrong_vector_is_named_by_its_row() {
        let folder = tempfile::tempdir().unwrap();
        TableWriter::write_file(folder.path().join("events.parquet"), &[event("1", 1, 5)]).unwrap();
        let good = VectorRow { article_id: ArticleId(1), vector: vec![1.0; WIDTH] };
        let error = |vector: Vec<f32>| {
            let bad = VectorRow { article_id: ArticleId(2), vector };
            let file = folder.path().join("contrastive_vector.parquet");
            TableWriter::write_file(file, &[good.clone(), bad]).unwrap();
            let data = open(folder.path()).unwrap();
            vectors(&data, &[], None).unwrap_err().to_string()
        };
        let short = error(vec![1.0; 5]);
        assert!(short.contains("row 1: the vector of article 2 has 5 numbers"), "{short}");
        let mut broken = vec![1.0; WIDTH];
        broken[3] = f32::NAN;
        let broken = error(broken);
        assert!(broken.contains("contrastive_vector.parquet") && broken.contains("not finite"), "{broken}");
    }

    #[test]
    fn without_text_vectors_come_from_reads_as_of_then_and_unknown_articles_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let events = [event("1", 1, 1_000), event("1", 2, 2_000), event("2", 3, 3_000)];
        TableWriter::write_file(folder.path().join("events.parquet"), &events).unwrap();
        let data = open(folder.path()).unwrap();
        let nothing = vectors(&data, &[], None).unwrap();
        let (set, left_out) = gathered(&data, &nothing);
        assert_eq!((set.articles.len(), left_out), (3, LeftOut::default()));
        assert!(
            set.vectors.at(0, Timestamp(2_000)).is_none() && set.vectors.at(0, Timestamp(2_001)).is_some()
        );
        assert!(set.vectors.latest(2).is_none());

        let given = Vectors { by_article: [(ArticleId(1), vec![1.0; WIDTH])].into(), text: None };
        let (set, left_out) = gathered(&data, &given);
        assert_eq!((set.articles.len(), left_out.reads), (1, 2));
        assert_eq!(left_out.to_string(), "2 reads of articles without a vector (such as 2)");
    }
}
