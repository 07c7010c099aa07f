//! `contrastive_vector.parquet`: one vector an article.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int32Array, LargeListBuilder};
use arrow::datatypes::{DataType, Field, Float32Type, Int64Type, Schema};

use super::writer::article_number;
use super::{Columns, TableError, TableRow};
use crate::ids::ArticleId;

/// An article's vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorRow {
    /// The article.
    pub article_id: ArticleId,
    /// Its vector, 768 numbers in EB-NeRD; empty where the data has a null.
    pub vector: Vec<f32>,
}

impl TableRow for VectorRow {
    const READ: &'static [&'static str] = &["article_id", "contrastive_vector"];

    fn schema() -> Schema {
        let vector = DataType::LargeList(Arc::new(Field::new("item", DataType::Float32, true)));
        Schema::new(vec![
            Field::new("article_id", DataType::Int32, true),
            Field::new("contrastive_vector", vector, true),
        ])
    }

    fn decode(columns: &Columns<'_>) -> Result<Vec<Self>, TableError> {
        let article_id = columns.cells::<Int64Type>("article_id")?;
        let vectors = columns.lists::<Float32Type>("contrastive_vector")?;
        columns.require("contrastive_vector", "a list of Float32")?;
        (0..columns.rows())
            .map(|row| {
                Ok(Self {
                    article_id: article_id.must_article(row)?,
                    vector: vectors.values::<Float32Type>(row),
                })
            })
            .collect()
    }

    fn encode(rows: &[Self], path: &Path) -> Result<Vec<ArrayRef>, TableError> {
        let articles = rows
            .iter()
            .map(|row| article_number(row.article_id, "article_id", path))
            .collect::<Result<Vec<_>, _>>()?;
        let mut vectors = LargeListBuilder::new(Float32Builder::new());
        for row in rows {
            vectors.values().append_slice(&row.vector);
            vectors.append(true);
        }
        Ok(vec![Arc::new(Int32Array::from(articles)), Arc::new(vectors.finish())])
    }
}
