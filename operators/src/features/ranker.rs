//! Trees over columns: matched by name, so that a ranker of another version is refused instead of misread.

use abovefold_models::trees::{Trees, TreesError};

use super::columns::{Columns, column_names};

/// Scores candidates by their columns.
#[derive(Debug)]
pub struct ColumnRanker {
    trees: Trees,
    /// Where the trees' columns are among ours; nothing where they are all of them, in order.
    places: Option<Vec<usize>>,
}

/// Why trees can't rank.
#[derive(Debug, thiserror::Error)]
pub enum RankerError {
    /// The library refused.
    #[error(transparent)]
    Trees(#[from] TreesError),
    /// Trained by a version with other columns.
    #[error(
        "the ranker was grown on the column {0:?}, which this version does not compute; train the model again"
    )]
    Column(String),
}

impl ColumnRanker {
    /// Takes trees that were grown on our columns, or on some of them.
    ///
    /// # Errors
    /// When they were grown on a column that there is not.
    pub fn new(trees: Trees) -> Result<Self, RankerError> {
        let ours = column_names();
        let place = |name: String| match ours.iter().position(|column| column.name == name) {
            Some(place) => Ok(place),
            None => Err(RankerError::Column(name)),
        };
        let places = trees.column_names()?.into_iter().map(place).collect::<Result<Vec<usize>, _>>()?;
        let all = places.iter().copied().eq(0..ours.len());
        Ok(Self { trees, places: (!all).then_some(places) })
    }

    /// A score for each candidate; greater is better.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn scores(&self, columns: &Columns) -> Result<Vec<f64>, RankerError> {
        Ok(self.trees.scores(&self.chosen(columns))?)
    }

    /// For each candidate, what each column added to its score, greatest first, by name.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn reasons(&self, columns: &Columns) -> Result<Vec<Vec<(&'static str, f64)>>, RankerError> {
        let added = self.trees.contributions(&self.chosen(columns))?;
        let names: Vec<&'static str> = match &self.places {
            None => column_names().iter().map(|column| column.name).collect(),
            Some(places) => places.iter().map(|place| column_names()[*place].name).collect(),
        };
        let row = |row: &[f64]| {
            let mut reasons: Vec<_> = names.iter().copied().zip(row.iter().copied()).collect();
            reasons.sort_by(|a, b| b.1.total_cmp(&a.1));
            reasons
        };
        Ok(added.chunks_exact(names.len() + 1).map(row).collect())
    }

    fn chosen(&self, columns: &Columns) -> Vec<f32> {
        match &self.places {
            None => columns.values.clone(),
            Some(places) => {
                let rows = columns.values.chunks_exact(columns.width);
                rows.flat_map(|row| places.iter().map(|place| row[*place])).collect()
            }
        }
    }
}
