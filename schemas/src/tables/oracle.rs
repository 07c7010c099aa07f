//! `oracle.parquet`: what a generated newspaper knows of its readers and no ranker can know better.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, UInt32Array};
use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema, UInt32Type};

use super::writer::article_number;
use super::{Columns, TableError, TableRow};
use crate::ids::ArticleId;

/// The true probability that an article is clicked in an impression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OracleRow {
    /// The impression, as in `behaviors.parquet`.
    pub impression_id: u32,
    /// One of the articles that were in view.
    pub article_id: ArticleId,
    /// The probability that it was clicked.
    pub probability: f32,
}

impl TableRow for OracleRow {
    const READ: &'static [&'static str] = &["impression_id", "article_id", "probability"];

    fn schema() -> Schema {
        let columns = [
            ("impression_id", DataType::UInt32),
            ("article_id", DataType::Int32),
            ("probability", DataType::Float32),
        ];
        Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec())
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let impression_id = columns.cells::<UInt32Type>("impression_id")?;
        let article_id = columns.cells::<Int64Type>("article_id")?;
        let probability = columns.cells::<Float32Type>("probability")?;
        (0..columns.rows())
            .map(|row| {
                Ok(Self {
                    impression_id: impression_id.must(row)?,
                    article_id: article_id.must_article(row)?,
                    probability: probability.must(row)?,
                })
            })
            .collect()
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let articles = rows
            .iter()
            .map(|row| article_number(row.article_id, "article_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(vec![
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.impression_id))),
            Arc::new(Int32Array::from(articles)),
            Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.probability))),
        ])
    }
}
