//! `behaviors.parquet` with the columns that look ahead.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array};
use arrow::datatypes::{Float32Type, Schema};

use super::{BehaviorRow, Columns, TableError, TableRow};

/// The columns of a behavior that are known only after the click that a ranker is to foretell.
const AHEAD: [&str; 2] = ["next_read_time", "next_scroll_percentage"];

/// An impression together with EB-NeRD's `next_read_time` and `next_scroll_percentage`.
///
/// They are known only after the click that a ranker is to foretell, so no feature may be made of them. As the telemetry of the read that the
/// click led to they are data: [`DataFolder::events`](super::DataFolder::events) takes them for that, and who makes up a newspaper writes them. Outside
/// of this module they can be written and not looked at; what a data folder gives out are [`BehaviorRow`]s, which don't have them.
///
/// ```compile_fail
/// # fn look(row: abovefold_schemas::tables::HindsightRow) -> Option<f32> {
/// row.next_read_time // a private field
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HindsightRow {
    /// What was known when it was shown, and what was clicked.
    pub behavior: BehaviorRow,
    /// Seconds on the clicked article.
    pub(super) next_read_time: Option<f32>,
    /// How far the clicked article was scrolled, 0 to 100.
    pub(super) next_scroll_percentage: Option<f32>,
}

impl HindsightRow {
    /// An impression, with the seconds on the clicked article and how far that was scrolled (0 to 100).
    pub fn new(
        behavior: BehaviorRow,
        next_read_time: Option<f32>,
        next_scroll_percentage: Option<f32>,
    ) -> Self {
        Self { behavior, next_read_time, next_scroll_percentage }
    }
}

impl TableRow for HindsightRow {
    const READ: &'static [&'static str] = &{
        let mut all = [""; BehaviorRow::READ.len() + AHEAD.len()];
        let mut place = 0;
        while place < BehaviorRow::READ.len() {
            all[place] = BehaviorRow::READ[place];
            place += 1;
        }
        all[place] = AHEAD[0];
        all[place + 1] = AHEAD[1];
        all
    };

    fn schema() -> Schema {
        BehaviorRow::schema()
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let read_time = columns.cells::<Float32Type>(AHEAD[0])?;
        let scroll_percentage = columns.cells::<Float32Type>(AHEAD[1])?;
        let behaviors = BehaviorRow::decode(columns)?;
        let rows = behaviors.into_iter().enumerate();
        Ok(rows
            .map(|(row, known)| Self::new(known, read_time.get(row), scroll_percentage.get(row)))
            .collect())
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let behaviors: Vec<BehaviorRow> = rows.iter().map(|row| row.behavior.clone()).collect();
        let mut columns = BehaviorRow::encode(&behaviors, path)?;
        // The two are the schema's last.
        columns.truncate(columns.len() - AHEAD.len());
        columns.push(Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.next_read_time))));
        columns.push(Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.next_scroll_percentage))));
        Ok(columns)
    }
}
