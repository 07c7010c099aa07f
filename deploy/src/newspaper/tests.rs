//! What the generated newspaper promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use abovefold_schemas::tables::{DataFolder, Layout, Split};
use sha2::{Digest, Sha256};

use super::*;

const FILES: [&str; 7] = [
    "articles.parquet",
    "events.parquet",
    "oracle.parquet",
    "train/behaviors.parquet",
    "train/history.parquet",
    "validation/behaviors.parquet",
    "validation/history.parquet",
];

fn small(seed: u64) -> Spec {
    Spec { readers: 150, articles: 400, days: 5, seed, ..Spec::default() }
}

fn generate(spec: &Spec) -> (tempfile::TempDir, Summary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = write(spec, folder.path(), &mut |_| ()).unwrap();
    (folder, summary)
}

fn digest(folder: &Path) -> String {
    let mut hash = Sha256::new();
    for file in FILES {
        hash.update(std::fs::read(folder.join(file)).unwrap());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn equal_seeds_make_equal_bytes() {
    let (first, summary) = generate(&small(7));
    let (second, again) = generate(&small(7));
    let (other, _) = generate(&small(8));
    assert_eq!(summary, again);
    assert_eq!(digest(first.path()), digest(second.path()));
    assert_ne!(digest(first.path()), digest(other.path()));
}

#[test]
fn the_default_newspaper_is_readable_and_complete() {
    let start = std::time::Instant::now();
    let (folder, summary) = generate(&Spec::default());
    println!("{summary:?} in {:?}", start.elapsed());
    let data = DataFolder::open(folder.path()).unwrap();
    let articles = data.articles().unwrap();
    assert_eq!((data.layout(), articles.len()), (Layout::Ebnerd, 2_000));
    let titles: BTreeSet<&str> = articles.iter().map(|article| article.title.as_str()).collect();
    assert_eq!(titles.len(), articles.len(), "no headline twice");
    for title in titles.iter().filter(|title| title.ends_with("day")) {
        println!("dated to be new: {title}");
    }
    let found: BTreeSet<String> = articles.iter().map(|article| article.category.clone()).collect();
    let sections = sections::all().unwrap();
    assert_eq!(found, sections.into_iter().map(|section| section.name).collect::<BTreeSet<_>>());
    for article in &articles {
        let text = format!("{}\n{}\n{}", article.title, article.subtitle, article.body);
        assert!(!text.contains(['{', '}', '[', ']', '|', '#', '%']), "{text}");
        assert!(!text.contains("  ") && !text.contains(" ,") && !text.contains(".."), "{text}");
        let words = article.body.split_whitespace().count();
        assert!((190..=520).contains(&words), "{words} words: {text}");
        let paragraphs = article.body.split("\n\n").count();
        assert!((4..=9).contains(&paragraphs), "{paragraphs} paragraphs: {text}");
        assert!(article.published_time < Spec::default().end && !article.topics.is_empty());
    }
    assert!(articles.is_sorted_by_key(|article| article.published_time));
}

/// Every chapter of every plot, with names that stand for themselves, so that one that nobody binds stands
/// out.
#[test]
fn every_template_is_bound() {
    let all = sections::all().unwrap();
    let spec = Spec { articles: 6_000, days: 40, ..Spec::default() };
    let articles = edition::publish(&spec, &all, &mut Dice::new(3, 0));
    for section in &all {
        assert!(section.experts.len() >= 3 && section.voices.len() >= 4, "{}", section.name);
        assert!(section.colours.len() >= 3 && section.outlooks.len() >= 2, "{}", section.name);
        for chapter in section.plots.iter().flat_map(|plot| &plot.chapters) {
            assert!(!chapter.headlines.is_empty() && !chapter.teasers.is_empty(), "{}", chapter.recap);
            assert!(!chapter.leads.is_empty() && chapter.more.len() >= 2, "{}", chapter.recap);
        }
    }
    let titles: BTreeSet<&str> = articles.iter().map(|article| article.row.title.as_str()).collect();
    assert_eq!(titles.len(), articles.len());
    let unbound = articles.iter().find(|article| {
        [&article.row.title, &article.row.subtitle, &article.row.body]
            .iter()
            .any(|text| text.contains(['{', '[', '|']))
    });
    assert!(unbound.is_none(), "{unbound:?}");
}

/// The area under the ROC curve, ties at half.
fn auc(mut scores: Vec<(f32, bool)>) -> f64 {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut wins, mut negatives, mut positives) = (0.0, 0.0, 0.0);
    for tie in scores.chunk_by(|a, b| a.0 == b.0) {
        let hits = tie.iter().filter(|(_, clicked)| *clicked).count() as f64;
        wins += hits * (negatives + (tie.len() as f64 - hits) / 2.0);
        positives += hits;
        negatives += tie.len() as f64 - hits;
    }
    wins / (positives * negatives)
}

#[test]
fn a_visit_with_a_mood_is_about_one_section() {
    let sections_of_visits = |moods: u32| {
        let (folder, _) = generate(&Spec { moods, ..small(1) });
        let data = DataFolder::open(folder.path()).unwrap();
        let articles = data.articles().unwrap().into_iter();
        let section: BTreeMap<_, _> = articles.map(|row| (row.article_id, row.category_id)).collect();
        let mut visits: BTreeMap<u32, Vec<Option<i16>>> = BTreeMap::new();
        for row in data.behaviors_in_time_order(Split::Whole).unwrap() {
            visits.entry(row.session_id).or_default().push(section[&row.clicked[0]]);
        }
        let mut sections = Vec::new();
        for mut visit in visits.into_values().filter(|visit| visit.len() == 4) {
            visit.sort_unstable();
            visit.dedup();
            sections.push(visit.len() as f64);
        }
        sections.iter().sum::<f64>() / sections.len() as f64
    };
    let (none, all) = (sections_of_visits(0), sections_of_visits(100));
    assert!(all < 0.85 * none, "four reads are of {none} sections without moods, of {all} with them");
}

#[test]
fn clicks_follow_the_planted_model() {
    let (folder, summary) = generate(&Spec { readers: 600, articles: 1_200, days: 10, ..Spec::default() });
    let data = DataFolder::open(folder.path()).unwrap();
    let section: BTreeMap<_, _> = data
        .articles()
        .unwrap()
        .into_iter()
        .map(|article| (article.article_id, article.category_id))
        .collect();
    let behaviors = data.behaviors_in_time_order(Split::Whole).unwrap();
    assert_eq!(behaviors.len(), summary.train_impressions + summary.validation_impressions);
    let clicked: BTreeMap<u32, _> = behaviors.iter().map(|row| (row.impression_id, row.clicked[0])).collect();
    let oracle: Vec<_> = data.oracle().unwrap().unwrap().map(Result::unwrap).collect();
    assert_eq!(oracle.len(), behaviors.iter().map(|row| row.in_view.len()).sum::<usize>());
    let scores: Vec<_> =
        oracle.iter().map(|row| (row.probability, clicked[&row.impression_id] == row.article_id)).collect();
    let total: f64 = scores.iter().map(|(probability, _)| f64::from(*probability)).sum();
    assert!((total / behaviors.len() as f64 - 1.0).abs() < 1e-4, "each impression has one click: {total}");
    // Calibrated: of the articles with a probability about p, a share of p was clicked.
    for band in 0..5 {
        let (low, high) = (band as f32 / 5.0, (band + 1) as f32 / 5.0);
        let inside: Vec<_> = scores.iter().filter(|(p, _)| (low..high).contains(p)).collect();
        let expected: f64 = inside.iter().map(|(p, _)| f64::from(*p)).sum();
        let variance: f64 = inside.iter().map(|(p, _)| f64::from(p * (1.0 - p))).sum();
        let hits = inside.iter().filter(|(_, hit)| *hit).count() as f64;
        assert!((hits - expected).abs() < 4.5 * variance.sqrt(), "{low}: {hits} of {expected}");
    }
    let oracle_auc = auc(scores);
    let mut shares = Vec::new();
    let mut by_reader: BTreeMap<_, BTreeMap<_, f64>> = BTreeMap::new();
    for row in &behaviors {
        *by_reader.entry(&row.reader).or_default().entry(section[&row.clicked[0]]).or_default() += 1.0;
    }
    for sections in by_reader.values() {
        let mut counts: Vec<f64> = sections.values().copied().collect();
        counts.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = counts.iter().sum();
        if total >= 20.0 {
            shares.push(counts.iter().take(3).sum::<f64>() / total);
        }
    }
    let share = shares.iter().sum::<f64>() / shares.len() as f64;
    println!("oracle AUC {oracle_auc:.3}; of the clicks, {share:.2} are in a reader's three main sections");
    assert!(oracle_auc > 0.7 && share > 0.65);
}

/// The log form, and what the tables tell of the same reads.
#[test]
fn the_tables_and_the_log_tell_the_same() {
    let spec = small(3);
    let (folder, summary) = generate(&spec);
    let data = DataFolder::open(folder.path()).unwrap();
    let key = |event: &abovefold_schemas::tables::EventRow| (event.reader.clone(), event.article_id);
    let log: Vec<_> = data.events().unwrap().map(Result::unwrap).collect();
    assert_eq!(log.len(), summary.reads);
    assert!(
        log.is_sorted_by_key(|event| event.timestamp) && log.iter().all(|event| event.timestamp < spec.end)
    );
    std::fs::remove_file(folder.path().join("events.parquet")).unwrap();
    let derived: Vec<_> = data.events().unwrap().map(Result::unwrap).collect();
    let left_at: BTreeMap<_, _> = log.iter().map(|event| (key(event), event)).collect();
    // What nobody opened a page after, from the warm-up, of readers who never came again is all that there is
    // to lose.
    assert_eq!(derived.len(), log.len());
    for event in &derived {
        let same = left_at[&key(event)];
        assert_eq!((event.read_time, event.scroll_pct), (same.read_time, same.scroll_pct));
        let early = same.timestamp.millis_since(event.timestamp);
        assert!((0..60_000).contains(&early), "a click's list was shown a little before the page was opened");
    }
}

#[test]
fn what_can_not_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |spec: Spec| write(&spec, folder.path(), &mut |_| ()).unwrap_err().to_string();
    assert_eq!(refused(Spec { articles: 3, ..small(1) }), "cannot generate 3 articles: at least 50");
    assert!(refused(Spec { moods: 101, ..small(1) }).contains("of a hundred visits"));
    assert!(refused(Spec { readers: 0, ..small(1) }).contains("at least 1"));
    assert!(refused(Spec { days: 1, ..small(1) }).contains("2 to 3650"));
}

/// Prints some pages, to be read by a person: `cargo test -p abovefold-deploy newspaper -- --nocapture
/// print`.
#[test]
fn print_some_pages() {
    let spec = Spec::default();
    let articles = edition::publish(&spec, &sections::all().unwrap(), &mut Dice::new(spec.seed, 0));
    for article in articles.iter().skip(900).step_by(23).take(24) {
        let row = &article.row;
        println!(
            "\n{} · {} · part {}\n# {}\n{}\n\n{}",
            row.category,
            row.published_time,
            article.chapter + 1,
            row.title,
            row.subtitle,
            row.body
        );
    }
    println!();
    for article in articles.iter().skip(1_500).take(60) {
        println!("{:<12} {}", article.row.category, article.row.title);
    }
}
