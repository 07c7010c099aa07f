//! Every tool writes its own dialect of the same table; all of them are read, and what can't be is named.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test may panic and print as a test may"
)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use abovefold_schemas::tables::{
    ArticleRow, BehaviorRow, DataFolder, EventRow, Layout, Split, TableError, TableReader, TableWriter,
    VectorRow,
};
use abovefold_schemas::{ArticleId, Timestamp};
use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, Int64Builder, LargeStringArray, ListBuilder, RecordBatch,
    StringArray, StringBuilder, StringViewArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt32Array,
};
use parquet::arrow::ArrowWriter;

fn write(file: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn ints(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

#[test]
fn text_times_and_lists_of_any_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let mut topics = ListBuilder::new(StringBuilder::new());
    topics.append_value([Some("Sea"), None, Some("Wind")]);
    topics.append_null();
    let texts: [ArrayRef; 3] = [
        Arc::new(StringArray::from(vec![Some("A"), None])),
        Arc::new(LargeStringArray::from(vec![Some("A"), None])),
        Arc::new(StringViewArray::from(vec![Some("A"), None])),
    ];
    let times: [ArrayRef; 3] = [
        Arc::new(TimestampSecondArray::from(vec![5, 6])),
        Arc::new(TimestampMillisecondArray::from(vec![5_000, 6_000]).with_timezone("UTC")),
        Arc::new(TimestampNanosecondArray::from(vec![5_000_000_001, 6_000_000_001])),
    ];
    let topics: ArrayRef = Arc::new(topics.finish());
    for (text, time) in texts.into_iter().zip(times) {
        let file = folder.path().join("articles.parquet");
        // The section's name stands in `category`, as other tools have it.
        write(
            &file,
            vec![
                ("article_id", Arc::new(Int64Array::from(vec![1, 2]))),
                ("title", text.clone()),
                ("category", text),
                ("published_time", time),
                ("topics", topics.clone()),
            ],
        );
        let rows: Vec<ArticleRow> = TableReader::open(&file).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows[0].title, "A");
        assert_eq!(rows[0].category, "A");
        assert_eq!(rows[0].topics, ["Sea", "Wind"]);
        assert_eq!(rows[0].published_time, Timestamp(5_000));
        assert_eq!(
            rows[1],
            ArticleRow {
                article_id: ArticleId(2),
                published_time: Timestamp(6_000),
                ..ArticleRow::default()
            }
        );
    }
}

#[test]
fn readers_may_be_text_and_columns_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.parquet");
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![9, 8]));
    let who: ArrayRef = Arc::new(StringArray::from(vec!["anna", "0042"]));
    write(&file, vec![("user_id", who), ("article_id", ints(&[1, 2])), ("timestamp", time)]);
    let rows: Vec<EventRow> = TableReader::open(&file).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows[0].reader.as_str(), "anna");
    assert_eq!(rows[1].reader.as_str(), "0042");
    assert_eq!((rows[0].read_time, rows[0].device_type), (None, 0));
    // Out of order in the file, in order as events.
    let data = DataFolder::open(folder.path()).unwrap();
    assert_eq!(data.layout(), Layout::Log);
    assert_eq!(data.events().unwrap().map(|row| row.unwrap().timestamp.0).collect::<Vec<_>>(), [8, 9]);
}

#[test]
fn what_can_not_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.parquet");
    let message = || TableReader::<EventRow>::open(&file).unwrap().next().unwrap().unwrap_err().to_string();
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1), None]));
    let who: ArrayRef = Arc::new(UInt32Array::from(vec![1, 2]));
    write(&file, vec![("user_id", who.clone()), ("timestamp", time.clone())]);
    assert!(message().ends_with("events.parquet has no column article_id, expected Int64"), "{}", message());
    write(&file, vec![("user_id", who.clone()), ("article_id", ints(&[1, 2])), ("timestamp", time.clone())]);
    assert!(message().contains("events.parquet column timestamp is null in row 1"), "{}", message());
    let words: ArrayRef = Arc::new(StringArray::from(vec!["one", "two"]));
    write(&file, vec![("user_id", who), ("article_id", words), ("timestamp", time.clone())]);
    assert!(message().contains("column article_id has type Utf8, expected Int64"), "{}", message());
    let halves: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.5]));
    write(&file, vec![("user_id", halves), ("article_id", ints(&[1, 2])), ("timestamp", time)]);
    assert!(message().contains("a reader's id is no fraction"), "{}", message());
    std::fs::write(&file, "no parquet").unwrap();
    assert!(matches!(TableReader::<EventRow>::open(&file), Err(TableError::Parquet { .. })));
    assert!(matches!(TableReader::<EventRow>::open(folder.path().join("x")), Err(TableError::Io { .. })));
    assert!(matches!(DataFolder::open(folder.path().join("x")), Err(TableError::NoLayout { .. })));
}

#[test]
fn eb_nerd_s_splits_are_found_and_its_vectors_one_folder_below() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (split, impression) in [("train", 1), ("validation", 2)] {
        std::fs::create_dir_all(path.join(split)).unwrap();
        let mut seen = ListBuilder::new(Int64Builder::new());
        seen.append_value([Some(5), Some(6)]);
        let seen: ArrayRef = Arc::new(seen.finish());
        write(
            &path.join(split).join("behaviors.parquet"),
            vec![
                ("impression_id", ints(&[impression])),
                ("impression_time", Arc::new(TimestampSecondArray::from(vec![i64::from(impression)]))),
                ("article_ids_inview", seen),
                ("user_id", Arc::new(UInt32Array::from(vec![3]))),
            ],
        );
    }
    let vector = VectorRow { article_id: ArticleId(5), vector: vec![1.0, 2.0] };
    let file = path.join("contrastive_vectors/contrastive_vector.parquet");
    TableWriter::write_file(file, std::slice::from_ref(&vector)).unwrap();

    let data = DataFolder::open(path).unwrap();
    assert_eq!((data.layout(), data.splits()), (Layout::Ebnerd, vec![Split::Train, Split::Validation]));
    let ids =
        |split| data.behaviors(split).unwrap().map(|row| row.unwrap().impression_id).collect::<Vec<_>>();
    assert_eq!(
        (ids(Split::Train), ids(Split::Validation), ids(Split::Whole)),
        (vec![1], vec![2], vec![1, 2])
    );
    let row: BehaviorRow = data.behaviors(Split::Validation).unwrap().next().unwrap().unwrap();
    assert_eq!(row.in_view, [ArticleId(5), ArticleId(6)]);
    assert!(row.clicked.is_empty());
    assert_eq!(data.vectors().unwrap().unwrap().next().unwrap().unwrap(), vector);
    assert!(data.articles().unwrap().is_empty());

    std::fs::remove_dir_all(path.join("train")).unwrap();
    let data = DataFolder::open(path).unwrap();
    assert!(matches!(data.behaviors(Split::Train), Err(TableError::NoSplit { part: "train split", .. })));
}
