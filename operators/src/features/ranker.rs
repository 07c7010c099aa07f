//! Trees over columns: matched by name, so that a ranker of another version is refused instead of misread.

use abovefold_models::{
    flat::{FlatError, FlatTrees},
    trees::{Trees, TreesError},
};

use super::columns::{Columns, column_names};

/// Scores candidates by their columns.
#[derive(Debug)]
pub struct ColumnRanker {
    trees: FlatTrees,
    /// Where the trees' columns are among ours; nothing where they are all of them, in order.
    places: Option<Vec<usize>>,
}

/// Why trees can't rank.
#[derive(Debug, thiserror::Error)]
pub enum RankerError {
    /// The library refused.
    #[error(transparent)]
    Trees(#[from] TreesError),
    /// The text holds no trees that are read here.
    #[error(transparent)]
    Text(#[from] FlatError),
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
    pub fn new(trees: &Trees) -> Result<Self, RankerError> {
        Self::from_text(&trees.to_text()?)
    }

    /// As [`ColumnRanker::new`], from the text that a model folder keeps.
    ///
    /// # Errors
    /// When it is none, or they were grown on a column that there is not.
    pub fn from_text(text: &str) -> Result<Self, RankerError> {
        let trees = FlatTrees::from_text(text)?;
        let ours = column_names();
        let place = |name: &String| match ours.iter().position(|column| column.name == *name) {
            Some(place) => Ok(place),
            None => Err(RankerError::Column(name.clone())),
        };
        let places = trees.columns().iter().map(place).collect::<Result<Vec<usize>, _>>()?;
        let all = places.iter().copied().eq(0..ours.len());
        Ok(Self { trees, places: (!all).then_some(places) })
    }

    /// A score for each candidate; greater is better.
    pub fn scores(&self, columns: &Columns) -> Vec<f64> {
        match &self.places {
            None => self.trees.scores(&columns.values),
            Some(_) => {
                let rows = columns.values.chunks_exact(columns.width.max(1));
                self.trees.scores(&rows.flat_map(|row| self.chosen(row)).collect::<Vec<f32>>())
            }
        }
    }

    /// For one candidate, what each column added to its score, by name: what moved it most comes first, whichever way.
    pub fn reasons(&self, columns: &Columns, candidate: usize) -> Vec<(&'static str, f64)> {
        let row = &columns.values[candidate * columns.width..(candidate + 1) * columns.width];
        let added = self.trees.added(&self.chosen(row));
        let name =
            |place: usize| column_names()[self.places.as_ref().map_or(place, |places| places[place])].name;
        let mut reasons: Vec<_> =
            added.into_iter().enumerate().map(|(place, by)| (name(place), by)).collect();
        reasons.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        reasons
    }

    /// The values of the trees' own columns.
    fn chosen(&self, row: &[f32]) -> Vec<f32> {
        match &self.places {
            None => row.to_vec(),
            Some(places) => places.iter().map(|place| row[*place]).collect(),
        }
    }
}
