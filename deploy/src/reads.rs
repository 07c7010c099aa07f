//! The reads of a data folder in the order of time, in bounded memory: DataFusion sorts, and spills to disk what does not fit.
//!
//! It gives what [`DataFolder::events`] gives, which sorts in memory where a folder has no `events.parquet` in order. Two sorts: by
//! reader and article, where a read that is told more than once stands beside itself and counts once; then by time.

use std::{path::Path, sync::Arc};

use abovefold_schemas::{
    ArticleId, ReaderId, Timestamp,
    tables::{DataFolder, EventRow, Layout, Split},
};
use anyhow::Context;
use arrow::{
    array::{Array, AsArray, Float32Array, Int8Array, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Float32Type, Int8Type, Int64Type},
};
use datafusion::{
    execution::{SendableRecordBatchStream, runtime_env::RuntimeEnvBuilder},
    parquet::arrow::ArrowWriter,
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use futures::StreamExt;
use tokio::runtime::Handle;

/// Bytes that sorting may hold before it spills.
pub const SORT_MEMORY: usize = 1 << 30;
/// A click and an entry of a history are one read when the page was opened within this time of the impression, as in `schemas`.
const SAME_READ_MILLIS: i64 = 60 * 60 * 1000;
/// Rows of the file between the two sorts that are written at a time.
const WRITTEN_AT_ONCE: usize = 65_536;

/// Reads in the order of time.
pub type Reads = Box<dyn Iterator<Item = anyhow::Result<EventRow>> + Send>;

/// The reads of a folder in the order of time; `scratch` takes what is spilled, and must live as long as the rows are read. To be called from
/// a thread that may block.
///
/// # Errors
/// When a table cannot be read.
pub fn in_time_order(
    data: &DataFolder,
    scratch: &Path,
    memory: usize,
    runtime: &Handle,
) -> anyhow::Result<Reads> {
    if data.layout() == Layout::Log {
        return Ok(Box::new(data.events()?.map(|row| row.map_err(Into::into))));
    }
    let context = session(scratch, memory)?;
    let said = "sort the reads of histories and impressions";
    let told = runtime.block_on(told(&context, data)).context(said)?;
    let file = scratch.join("reads.parquet");
    let mut writer = Writer::create(&file)?;
    let mut group: Vec<Read> = Vec::new();
    for read in rows(told, runtime.clone()) {
        let read = read.context(said)?;
        if group.first().is_some_and(|first| (&first.reader, first.article) != (&read.reader, read.article)) {
            writer.write(once_each(std::mem::take(&mut group)))?;
        }
        group.push(read);
    }
    writer.write(once_each(group))?;
    writer.finish()?;

    let context = session(scratch, memory)?;
    let sorted = async {
        let path = file.to_string_lossy();
        context.register_parquet("reads", path.as_ref(), ParquetReadOptions::default()).await?;
        let sorted = context.sql("SELECT * FROM reads ORDER BY left_at, reader, article").await?;
        anyhow::Ok(sorted.execute_stream().await?)
    };
    let sorted = runtime.block_on(sorted).context(said)?;
    let event = |read: Read| {
        Ok(EventRow {
            reader: ReaderId::new(read.reader)?,
            article_id: ArticleId(read.article),
            read_time: read.seconds,
            scroll_pct: read.scroll,
            device_type: read.device,
            timestamp: Timestamp(read.left),
        })
    };
    Ok(Box::new(rows(sorted, runtime.clone()).map(move |read| read.and_then(event))))
}

fn session(scratch: &Path, memory: usize) -> anyhow::Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory, 1.0).with_temp_file_path(scratch);
    let config = SessionConfig::new().with_target_partitions(2);
    Ok(SessionContext::new_with_config_rt(config, runtime.build_arc().context("set up the sort")?))
}

#[derive(Clone, Debug)]
struct Read {
    reader: String,
    article: i64,
    from_click: bool,
    opened: i64,
    left: i64,
    seconds: Option<f32>,
    scroll: Option<f32>,
    device: i8,
}

/// Every entry of a history and every click, by reader and article, histories first.
async fn told(context: &SessionContext, data: &DataFolder) -> anyhow::Result<SendableRecordBatchStream> {
    let mut parts = Vec::new();
    for split in data.splits() {
        let (folder, name) = match split {
            Split::Train => (data.path().join("train"), "train"),
            Split::Validation => (data.path().join("validation"), "validation"),
            Split::Whole => (data.path().to_owned(), "whole"),
        };
        for (file, select) in [("history", HISTORY), ("behaviors", BEHAVIORS)] {
            let path = folder.join(format!("{file}.parquet"));
            if path.is_file() {
                let table = format!("{name}_{file}");
                let path = path.to_string_lossy();
                context.register_parquet(&table, path.as_ref(), ParquetReadOptions::default()).await?;
                parts.push(format!("{select}, {} AS part FROM {table}", parts.len()));
            }
        }
    }
    let all = parts.join(" UNION ALL ");
    // Ties are in the order in which the tables tell them, since the first of equals is kept.
    let order = "ORDER BY reader, article, from_click, opened, part, place";
    // The telemetry belongs to the page that was opened next, so only to the first of several clicks.
    let first =
        |name: &str| format!("CASE WHEN from_click = 1 AND place > 0 THEN NULL ELSE {name} END AS {name}");
    let columns = format!(
        "reader, article, from_click, opened, opened AS left_at, {}, {}, device",
        first("seconds"),
        first("scroll")
    );
    let sorted = context.sql(&format!("SELECT {columns} FROM ({all}) {order}")).await?;
    Ok(sorted.execute_stream().await?)
}

const HISTORY: &str = "SELECT CAST(user_id AS VARCHAR) AS reader, \
    CAST(unnest(article_id_fixed) AS BIGINT) AS article, 0 AS from_click, \
    CAST(CAST(unnest(impression_time_fixed) AS TIMESTAMP(3)) AS BIGINT) AS opened, \
    CAST(unnest(read_time_fixed) AS REAL) AS seconds, \
    CAST(unnest(scroll_percentage_fixed) AS REAL) AS scroll, CAST(0 AS TINYINT) AS device, \
    unnest(range(CAST(array_length(article_id_fixed) AS BIGINT))) AS place";

const BEHAVIORS: &str = "SELECT CAST(user_id AS VARCHAR) AS reader, \
    CAST(unnest(article_ids_clicked) AS BIGINT) AS article, 1 AS from_click, \
    CAST(CAST(impression_time AS TIMESTAMP(3)) AS BIGINT) AS opened, \
    CAST(next_read_time AS REAL) AS seconds, \
    CAST(next_scroll_percentage AS REAL) AS scroll, CAST(device_type AS TINYINT) AS device, \
    unnest(range(CAST(array_length(article_ids_clicked) AS BIGINT))) AS place";

/// Rows of a stream, a batch at a time.
fn rows(
    mut stream: SendableRecordBatchStream,
    runtime: Handle,
) -> impl Iterator<Item = anyhow::Result<Read>> + Send {
    std::iter::from_fn(move || runtime.block_on(stream.next()))
        .map(|batch| anyhow::Ok(reads_of(&batch?)?))
        .flat_map(|batch| match batch {
            Ok(reads) => reads.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
}

fn reads_of(batch: &RecordBatch) -> anyhow::Result<Vec<Read>> {
    let column = |name: &str, kind: &DataType| -> anyhow::Result<Arc<dyn Array>> {
        let column = batch.column_by_name(name).with_context(|| format!("there is no column {name}"))?;
        Ok(cast(column, kind)?)
    };
    let whole = |name| column(name, &DataType::Int64);
    let (readers, articles) = (column("reader", &DataType::Utf8)?, whole("article")?);
    let (clicks, opened, left) = (whole("from_click")?, whole("opened")?, whole("left_at")?);
    let (seconds, scrolls) = (column("seconds", &DataType::Float32)?, column("scroll", &DataType::Float32)?);
    let devices = column("device", &DataType::Int8)?;
    let number = |array: &Arc<dyn Array>, row: usize| array.as_primitive::<Int64Type>().value(row);
    let known = |array: &Arc<dyn Array>, row: usize| {
        array.is_valid(row).then(|| array.as_primitive::<Float32Type>().value(row))
    };
    let read = |row: usize| Read {
        reader: readers.as_string::<i32>().value(row).to_owned(),
        article: number(&articles, row),
        from_click: number(&clicks, row) != 0,
        opened: number(&opened, row),
        left: number(&left, row),
        seconds: known(&seconds, row),
        scroll: known(&scrolls, row),
        device: if devices.is_valid(row) { devices.as_primitive::<Int8Type>().value(row) } else { 0 },
    };
    let there = |row: &usize| readers.is_valid(*row) && articles.is_valid(*row) && opened.is_valid(*row);
    Ok((0..batch.num_rows()).filter(there).map(read).collect())
}

/// The reads of one reader and article, each once: see `schemas`, whose rules these are.
fn once_each(group: Vec<Read>) -> Vec<Read> {
    let mut kept: Vec<Read> = Vec::new();
    for mut read in group {
        let same = kept.iter_mut().find(|known| {
            let later = known.opened - read.opened;
            later == 0 || (read.from_click && !known.from_click && (0..=SAME_READ_MILLIS).contains(&later))
        });
        match same {
            Some(known) if known.device == 0 => known.device = read.device,
            Some(_) => {}
            None => {
                let seconds = read.seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
                let open = (f64::from(seconds.unwrap_or(0.0)) * 1000.0).round() as i64;
                read.left = read.opened + open.max(1);
                kept.push(read);
            }
        }
    }
    kept
}

/// The file between the two sorts.
struct Writer {
    writer: Option<ArrowWriter<std::fs::File>>,
    file: std::path::PathBuf,
    waiting: Vec<Read>,
}

impl Writer {
    fn create(file: &Path) -> anyhow::Result<Self> {
        let mut writer = Self { writer: None, file: file.to_owned(), waiting: Vec::new() };
        let schema = writer.batch()?.schema();
        let made = std::fs::File::create(file).with_context(|| format!("write {}", file.display()))?;
        writer.writer = Some(ArrowWriter::try_new(made, schema, None)?);
        Ok(writer)
    }

    fn batch(&mut self) -> anyhow::Result<RecordBatch> {
        let reads = std::mem::take(&mut self.waiting);
        let whole = |of: fn(&Read) -> i64| -> Arc<dyn Array> {
            Arc::new(Int64Array::from_iter_values(reads.iter().map(of)))
        };
        let columns: Vec<(&str, Arc<dyn Array>, bool)> = vec![
            ("reader", Arc::new(StringArray::from_iter_values(reads.iter().map(|read| &read.reader))), false),
            ("article", whole(|read| read.article), false),
            ("from_click", whole(|read| i64::from(read.from_click)), false),
            ("opened", whole(|read| read.opened), false),
            ("left_at", whole(|read| read.left), false),
            ("seconds", Arc::new(Float32Array::from_iter(reads.iter().map(|read| read.seconds))), true),
            ("scroll", Arc::new(Float32Array::from_iter(reads.iter().map(|read| read.scroll))), true),
            ("device", Arc::new(Int8Array::from_iter_values(reads.iter().map(|read| read.device))), false),
        ];
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }

    fn write(&mut self, reads: Vec<Read>) -> anyhow::Result<()> {
        self.waiting.extend(reads);
        if self.waiting.len() >= WRITTEN_AT_ONCE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let batch = self.batch()?;
        let said = || format!("write {}", self.file.display());
        if let Some(writer) = &mut self.writer {
            writer.write(&batch).with_context(said)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if let Some(writer) = self.writer.take() {
            writer.close().with_context(|| format!("write {}", self.file.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Tests.
mod tests {
    use super::*;

    #[test]
    fn the_reads_of_a_real_folder_are_those_that_are_sorted_in_memory() {
        let data = std::env::var("ABOVEFOLD_DATA").map(std::path::PathBuf::from);
        let folder = data.unwrap_or_else(|_| "../../shared/data".into()).join("ebnerd-fixture");
        let Ok(data) = DataFolder::open(&folder) else {
            eprintln!("skipped: {} is not there", folder.display());
            return;
        };
        let scratch = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let sorted = in_time_order(&data, scratch.path(), 32 << 20, runtime.handle()).unwrap();
        let key = |row: &EventRow| (row.timestamp, row.reader.clone(), row.article_id);
        let mut sorted: Vec<EventRow> = sorted.collect::<anyhow::Result<_>>().unwrap();
        assert!(sorted.is_sorted_by_key(|row| row.timestamp));
        let mut expected: Vec<EventRow> = data.events().unwrap().collect::<Result<_, _>>().unwrap();
        sorted.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(sorted.len(), expected.len());
        for (one, other) in sorted.iter().zip(&expected) {
            assert_eq!(one, other);
        }
    }
}
