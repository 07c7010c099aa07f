//! The true probabilities of a generated newspaper's lists.

use std::collections::BTreeMap;

use abovefold_schemas::{ArticleId, tables::DataFolder};

/// By impression and article; nothing where the folder does not know them.
///
/// # Errors
/// When the table can't be read.
pub fn oracle(folder: &DataFolder) -> anyhow::Result<Option<BTreeMap<(u32, ArticleId), f32>>> {
    let Some(rows) = folder.oracle()? else { return Ok(None) };
    let mut oracle = BTreeMap::new();
    for row in rows {
        let row = row?;
        oracle.insert((row.impression_id, row.article_id), row.probability);
    }
    Ok(Some(oracle))
}
