//! What a data folder gives out for features holds nothing that was known only later.
#![allow(clippy::unwrap_used, reason = "a helper of a test may panic as a test may")]

use std::path::Path;

use abovefold_schemas::tables::{
    ArticleRow, BehaviorRow, Catalogue, DataFolder, EventRow, HindsightRow, HistoryRead, HistoryRow, Split,
    TableReader, TableRow, TableWriter,
};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};
use arrow::array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use parquet::arrow::ArrowWriter;

const AHEAD: [&str; 5] =
    ["next_read_time", "next_scroll_percentage", "total_inviews", "total_pageviews", "total_read_time"];

fn shown(impression_id: u32, millis: i64) -> BehaviorRow {
    BehaviorRow {
        impression_id,
        article_id: None,
        impression_time: Timestamp(millis),
        read_time: Some(3.0),
        scroll_percentage: None,
        device_type: 1,
        in_view: vec![ArticleId(1), ArticleId(2)],
        clicked: vec![ArticleId(2)],
        reader: ReaderId::new("7").unwrap(),
        is_sso_user: false,
        gender: None,
        postcode: None,
        age: None,
        is_subscriber: false,
        session_id: 1,
    }
}

fn behaviors(folder: &Path, rows: &[HindsightRow]) {
    TableWriter::<HindsightRow>::write_file(folder.join("behaviors.parquet"), rows).unwrap();
}

/// The columns of a row in the order of its schema, each with its own name.
fn write<R: TableRow>(file: &Path, rows: &[R], replace: impl Fn(&str) -> Option<ArrayRef>) {
    let schema = R::schema();
    let columns = R::encode(rows, file).unwrap();
    let columns = schema.fields().iter().zip(columns).map(|(field, column)| {
        let name = field.name().as_str();
        (name.to_owned(), replace(name).unwrap_or(column), true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn no_table_of_features_reads_a_column_that_looks_ahead() {
    for columns in [BehaviorRow::READ, ArticleRow::READ, HistoryRow::READ, EventRow::READ] {
        assert!(columns.iter().all(|column| !AHEAD.contains(column)), "{columns:?}");
    }
}

#[test]
fn an_impression_is_the_same_whatever_came_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let known = shown(1, 10_000);
    let mut seen = Vec::new();
    for after in [None, Some(4.0), Some(900.0)] {
        behaviors(folder.path(), &[HindsightRow::new(known.clone(), after, after)]);
        let data = DataFolder::open(folder.path()).unwrap();
        let row = data.behaviors(Split::Whole).unwrap().next().unwrap().unwrap();
        assert_eq!(row, known);
        // As the read that followed, they are known from its end on.
        let event = data.events().unwrap().next().unwrap().unwrap();
        assert_eq!((event.read_time, event.scroll_pct), (after, after));
        seen.push(format!("{row:?}"));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
}

#[test]
fn an_article_is_the_same_whatever_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("articles.parquet");
    let article = ArticleRow { article_id: ArticleId(1), title: "A".to_owned(), ..Default::default() };
    for total in [0, 1_000_000] {
        write::<ArticleRow>(&file, std::slice::from_ref(&article), |column| match column {
            "total_inviews" | "total_pageviews" => Some(std::sync::Arc::new(Int32Array::from(vec![total]))),
            "total_read_time" => Some(std::sync::Arc::new(Float32Array::from(vec![total as f32]))),
            _ => None,
        });
        let read: Vec<ArticleRow> = TableReader::open(&file).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read, std::slice::from_ref(&article));
        assert!(!format!("{read:?}").contains("000000"));
    }
}

#[test]
fn a_history_ends_where_its_split_begins() {
    let folder = tempfile::tempdir().unwrap();
    let read = |millis, article| HistoryRead {
        impression_time: Timestamp(millis),
        scroll_percentage: None,
        article_id: ArticleId(article),
        read_time: Some(1.0),
    };
    // The file goes on beyond the splits: the clicks of the impressions themselves are in it.
    let reads: Vec<_> = [(5_000, 1), (9_999, 2), (10_000, 3), (19_999, 4), (20_000, 5), (50_000, 6)]
        .map(|(millis, article)| read(millis, article))
        .to_vec();
    for (split, impressions) in [("train", [12_000, 10_000]), ("validation", [20_000, 31_000])] {
        let folder = folder.path().join(split);
        let rows = impressions.map(|millis| HindsightRow::new(shown(millis as u32, millis), None, None));
        behaviors(&folder, &rows);
        let history = HistoryRow { reader: ReaderId::new("7").unwrap(), reads: reads.clone() };
        TableWriter::<HistoryRow>::write_file(folder.join("history.parquet"), &[history]).unwrap();
    }
    let data = DataFolder::open(folder.path()).unwrap();
    let articles = |split| -> Vec<Vec<i64>> {
        let histories = data.history(split).unwrap().map(Result::unwrap);
        histories.map(|row| row.reads.iter().map(|read| read.article_id.0).collect()).collect()
    };
    assert_eq!(articles(Split::Train), [vec![1, 2]]);
    assert_eq!(articles(Split::Validation), [vec![1, 2, 3, 4]]);
    assert_eq!(articles(Split::Whole), [vec![1, 2], vec![1, 2, 3, 4]]);
    // What was cut is in no event either; article 2 is what was clicked.
    let told: Vec<i64> = data.events().unwrap().map(|event| event.unwrap().article_id.0).collect();
    assert!(!told.contains(&5) && !told.contains(&6), "{told:?}");
}

#[test]
fn an_article_is_unknown_before_it_is_published() {
    let article = |id: i64, millis: i64| ArticleRow {
        article_id: ArticleId(id),
        published_time: Timestamp(millis),
        ..Default::default()
    };
    let catalogue =
        Catalogue::new(vec![article(1, 3_000), article(2, 1_000), article(3, 2_000), article(3, 9_000)]);
    for (now, expected) in [(0, vec![]), (1_000, vec![2]), (2_999, vec![2, 3]), (3_000, vec![2, 3, 1])] {
        let known = catalogue.known_at(Timestamp(now));
        assert_eq!(known.iter().map(|article| article.article_id.0).collect::<Vec<_>>(), expected);
        assert_eq!((known.len(), known.is_empty()), (expected.len(), expected.is_empty()));
        for id in 1..=4 {
            assert_eq!(known.get(ArticleId(id)).is_some(), expected.contains(&id), "{id} at {now}");
        }
    }
}
