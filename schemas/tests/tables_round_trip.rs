//! What is written is what is read, in the schema of EB-NeRD, and stays so from version to version.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test may panic and print as a test may"
)]

use std::path::PathBuf;

use abovefold_schemas::tables::{
    ArticleRow, BehaviorRow, EventRow, HindsightRow, HistoryRead, HistoryRow, OracleRow, TableError,
    TableReader, TableRow, TableWriter, VectorRow,
};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp};
use arrow::datatypes::Schema;

fn reader(id: &str) -> ReaderId {
    ReaderId::new(id).unwrap()
}

fn articles() -> Vec<ArticleRow> {
    let full = ArticleRow {
        article_id: ArticleId(9_652_010),
        title: "Harbour wall holds".to_owned(),
        subtitle: "For now.".to_owned(),
        body: "The wall held.\n\nNobody was surprised more than the wall's builder.".to_owned(),
        category: "World".to_owned(),
        category_id: Some(3),
        topics: vec!["Harbour".to_owned(), "Weather".to_owned()],
        published_time: Timestamp(1_704_110_400_123),
        last_modified_time: Some(Timestamp(1_704_110_460_000)),
        premium: true,
        article_type: "article_default".to_owned(),
        url: "https://example.org/9652010".to_owned(),
    };
    let bare =
        ArticleRow { article_id: ArticleId(7), published_time: Timestamp(-1_000), ..ArticleRow::default() };
    vec![full, bare]
}

fn behaviors() -> Vec<HindsightRow> {
    let full = BehaviorRow {
        impression_id: u32::MAX,
        article_id: Some(ArticleId(7)),
        impression_time: Timestamp(1_704_110_400_000),
        read_time: Some(17.5),
        scroll_percentage: Some(100.0),
        device_type: 2,
        in_view: vec![ArticleId(9_652_010), ArticleId(7)],
        clicked: vec![ArticleId(9_652_010)],
        reader: reader("4294967295"),
        is_sso_user: true,
        gender: Some(1),
        postcode: Some(4),
        age: Some(40),
        is_subscriber: true,
        session_id: 70,
    };
    let bare = BehaviorRow {
        impression_id: 1,
        article_id: None,
        read_time: None,
        scroll_percentage: None,
        device_type: 0,
        clicked: vec![],
        reader: reader("42"),
        is_sso_user: false,
        gender: None,
        postcode: None,
        age: None,
        is_subscriber: false,
        ..full.clone()
    };
    vec![HindsightRow::new(full, Some(8.0), Some(30.0)), HindsightRow::new(bare, None, None)]
}

fn histories() -> Vec<HistoryRow> {
    let read = |millis, scroll_percentage| HistoryRead {
        impression_time: Timestamp(millis),
        scroll_percentage,
        article_id: ArticleId(7),
        read_time: Some(13.0),
    };
    vec![
        HistoryRow {
            reader: reader("42"),
            reads: vec![read(1_704_110_400_000, None), read(1_704_110_500_000, Some(19.0))],
        },
        HistoryRow { reader: reader("43"), reads: vec![] },
    ]
}

fn events() -> Vec<EventRow> {
    vec![EventRow {
        reader: reader("59"),
        article_id: ArticleId(234_853),
        read_time: Some(30.0),
        scroll_pct: None,
        device_type: 1,
        timestamp: Timestamp(1_506_826_830_025),
    }]
}

fn vectors() -> Vec<VectorRow> {
    vec![VectorRow { article_id: ArticleId(7), vector: vec![0.5, -1.0, 0.0] }]
}

fn oracle() -> Vec<OracleRow> {
    vec![OracleRow { impression_id: 1, article_id: ArticleId(7), probability: 0.25 }]
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where its package is"))
        .join("tests/golden/tables")
        .join(name)
}

/// A round trip, and the same rows out of the file that an earlier version wrote.
/// `UPDATE_GOLDEN=1` writes that file anew; do so only for a new column, never to make a failure go away.
fn keeps<R: TableRow + PartialEq + std::fmt::Debug>(name: &str, rows: &[R]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some/where").join(name);
    TableWriter::<R>::write_file(&file, rows).unwrap();
    let read = |file: &PathBuf| TableReader::<R>::open(file).unwrap().collect::<Result<Vec<R>, _>>().unwrap();
    assert_eq!(read(&file), rows, "{name} round trip");
    let again = folder.path().join("again.parquet");
    TableWriter::<R>::write_file(&again, rows).unwrap();
    assert_eq!(
        std::fs::read(&file).unwrap(),
        std::fs::read(&again).unwrap(),
        "{name}: equal rows, equal bytes"
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        TableWriter::<R>::write_file(golden(name), rows).unwrap();
    }
    assert_eq!(read(&golden(name)), rows, "{name} as kept in tests/golden/tables");
}

#[test]
fn every_table_keeps_its_rows() {
    keeps("articles.parquet", &articles());
    keeps("behaviors.parquet", &behaviors());
    keeps("history.parquet", &histories());
    keeps("events.parquet", &events());
    keeps("contrastive_vector.parquet", &vectors());
    keeps("oracle.parquet", &oracle());
}

#[test]
fn the_schemas_are_those_of_eb_nerd() {
    let lines = |name: &str, schema: Schema| {
        let columns =
            schema.fields().iter().map(|field| format!("{name}.{}: {}\n", field.name(), field.data_type()));
        columns.collect::<String>()
    };
    let now = [
        lines("articles", ArticleRow::schema()),
        lines("behaviors", BehaviorRow::schema()),
        lines("history", HistoryRow::schema()),
        lines("contrastive_vector", VectorRow::schema()),
        lines("events", EventRow::schema()),
        lines("oracle", OracleRow::schema()),
    ]
    .concat();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden("schemas.txt"), &now).unwrap();
    }
    assert_eq!(now, std::fs::read_to_string(golden("schemas.txt")).unwrap());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.parquet");
    let mut rows = events();
    rows[0].reader = reader("anna");
    let error = TableWriter::<EventRow>::write_file(&file, &rows).unwrap_err();
    assert!(
        matches!(&error, TableError::Value { column, value, .. } if column == "user_id" && value == "anna")
    );
    rows = events();
    rows[0].article_id = ArticleId(1 << 40);
    let error = TableWriter::<EventRow>::write_file(&file, &rows).unwrap_err();
    assert!(
        error.to_string().contains("events.parquet column article_id cannot hold 1099511627776"),
        "{error}"
    );
    assert!(!file.exists(), "a file that failed has no name");
}

#[test]
fn many_rows_come_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("oracle.parquet");
    let row =
        |id: u32| OracleRow { impression_id: id, article_id: ArticleId(i64::from(id) * 2), probability: 0.5 };
    let rows: Vec<OracleRow> = (0..150_000).map(row).collect();
    TableWriter::write_file(&file, &rows).unwrap();
    let read = TableReader::<OracleRow>::open(&file).unwrap().map(Result::unwrap);
    assert!(read.eq(rows));
}
