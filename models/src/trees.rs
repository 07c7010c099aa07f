//! The ranker's trees: gradient boosting over the columns of a list, by LightGBM.
//!
//! The loss is a softmax over each list: with `p` the softmax of the scores and `y` the clicks, shared out to one,
//! the gradient is `p - y` and the second derivative, doubled as is usual for a softmax, `2 p (1 - p)`. So a list counts once however long it is, and
//! only the differences within it are learned.

use std::path::Path;

use lightgbm3::{Booster, Dataset};
use serde_json::json;

use crate::folder::FolderError;

/// File of the trees in a model folder.
pub const TREES_FILE: &str = "ranker.txt";

/// Lists of candidates with their columns, and which were clicked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Row-major, `[rows, columns]`; NaN is missing.
    pub values: Vec<f32>,
    /// 1 for a click, 0 for none; one a row.
    pub clicked: Vec<f32>,
    /// Rows of each list, one list after the other.
    pub lengths: Vec<usize>,
}

impl Lists {
    /// Adds a list.
    ///
    /// # Panics
    /// When `values` are no whole rows for the `clicked`.
    pub fn push(&mut self, values: &[f32], clicked: &[bool]) {
        assert_eq!(values.len(), clicked.len() * self.columns.len(), "a row has one value a column");
        self.values.extend_from_slice(values);
        self.clicked.extend(clicked.iter().map(|clicked| f32::from(u8::from(*clicked))));
        self.lengths.push(clicked.len());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.clicked.len()
    }

    /// Drops all but the last lists.
    pub fn keep_last(&mut self, lists: usize) {
        let Some(dropped) = self.lengths.len().checked_sub(lists).filter(|dropped| *dropped > 0) else {
            return;
        };
        let rows: usize = self.lengths.drain(..dropped).sum();
        self.clicked.drain(..rows);
        self.values.drain(..rows * self.columns.len());
    }

    /// The same lists with some of their columns.
    #[must_use]
    pub fn of_columns(&self, kept: &[usize]) -> Self {
        let rows = self.values.chunks_exact(self.columns.len().max(1));
        Self {
            columns: kept.iter().map(|place| self.columns[*place].clone()).collect(),
            values: rows.flat_map(|row| kept.iter().map(|place| row[*place])).collect(),
            clicked: self.clicked.clone(),
            lengths: self.lengths.clone(),
        }
    }

    /// The first `lists` lists, and the rest.
    fn split(&self, lists: usize) -> (Self, Self) {
        let rows: usize = self.lengths[..lists].iter().sum();
        let part = |values: &[f32], clicked: &[f32], lengths: &[usize]| Self {
            columns: self.columns.clone(),
            values: values.to_vec(),
            clicked: clicked.to_vec(),
            lengths: lengths.to_vec(),
        };
        let (first, rest) = self.values.split_at(rows * self.columns.len());
        (
            part(first, &self.clicked[..rows], &self.lengths[..lists]),
            part(rest, &self.clicked[rows..], &self.lengths[lists..]),
        )
    }
}

/// How to grow the trees.
#[derive(Clone, Debug, PartialEq)]
pub struct TreesOptions {
    /// Seed of what is sampled.
    pub seed: u64,
    /// Greatest number of trees; how many are kept is chosen on the last tenth of the lists.
    pub trees: usize,
    /// What each tree's answer is multiplied with.
    pub rate: f64,
    /// Leaves of a tree.
    pub leaves: usize,
    /// Fewest rows of a leaf.
    pub rows_in_leaf: usize,
    /// Share of the columns that a tree sees.
    pub column_share: f64,
    /// Weight of the square of a leaf's answer in the loss.
    pub regularisation: f64,
    /// Threads.
    pub threads: usize,
}

impl Default for TreesOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            trees: 240,
            rate: 0.08,
            leaves: 63,
            rows_in_leaf: 100,
            column_share: 0.5,
            regularisation: 10.0,
            threads: 2,
        }
    }
}

/// Why there are no trees.
#[derive(Debug, thiserror::Error)]
pub enum TreesError {
    /// The library refused.
    #[error("the ranker's trees: {0}")]
    Library(#[from] lightgbm3::Error),
    /// The lists say nothing.
    #[error("the ranker's trees: no list has both a click and something that was not clicked")]
    Empty,
    /// The file was made with other columns.
    #[error(
        "the ranker's trees take {expected} columns, and there are {found}; train the model again with this version"
    )]
    Columns {
        /// Columns that the trees were grown on.
        expected: usize,
        /// Columns given.
        found: usize,
    },
}

/// Trees that score candidates.
pub struct Trees {
    booster: Booster,
    columns: usize,
}

impl std::fmt::Debug for Trees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trees").field("trees", &self.count()).field("columns", &self.columns).finish()
    }
}

impl Trees {
    /// Grows trees. `progress` gets the tree, their number and the loss (mean over lists, nats).
    ///
    /// # Errors
    /// When no list has both a click and a miss, or the library refuses.
    pub fn train(
        lists: &Lists,
        options: &TreesOptions,
        progress: &mut dyn FnMut(usize, usize, f64),
    ) -> Result<Self, TreesError> {
        let told = |lists: &Lists| {
            let mut row = 0;
            lists.lengths.iter().any(|length| {
                let clicks =
                    lists.clicked[row..row + length].iter().filter(|clicked| **clicked > 0.0).count();
                row += length;
                clicks > 0 && clicks < *length
            })
        };
        if !told(lists) {
            return Err(TreesError::Empty);
        }
        let count = lists.lengths.len();
        let (first, last) = lists.split(count - count / 10);
        let trees = if told(&first) && told(&last) {
            let tried = Self::grow(&first, options, options.trees, progress)?;
            tried.best_count(&last)?
        } else {
            options.trees / 2
        };
        Self::grow(lists, options, trees, progress)
    }

    /// Grows so many trees.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn grow(
        lists: &Lists,
        options: &TreesOptions,
        trees: usize,
        progress: &mut dyn FnMut(usize, usize, f64),
    ) -> Result<Self, TreesError> {
        let columns = lists.columns.len();
        let mut data = Dataset::from_slice(&lists.values, &lists.clicked, columns as i32, true)?;
        data.set_feature_names(&lists.columns)?;
        let parameters = json!({
            "num_iterations": trees,
            "learning_rate": options.rate,
            "num_leaves": options.leaves,
            "min_data_in_leaf": options.rows_in_leaf,
            "min_sum_hessian_in_leaf": 1.0,
            "feature_fraction": options.column_share,
            "feature_fraction_seed": options.seed % (1 << 30),
            "lambda_l2": options.regularisation,
            "num_threads": options.threads,
            "deterministic": true,
            "force_row_wise": true,
            "verbosity": -1,
        });
        let mut tree = 0;
        let booster =
            Booster::train_with_custom_objective(data, &parameters, |scores, clicked, first, second| {
                let loss = softmax_loss(&lists.lengths, scores, clicked, first, second);
                tree += 1;
                progress(tree, trees, loss);
            })?;
        Ok(Self { booster, columns })
    }

    /// How many trees rank unseen lists best.
    fn best_count(mut self, lists: &Lists) -> Result<usize, TreesError> {
        let all = self.booster.num_iterations();
        let mut best = (f64::INFINITY, all);
        let (mut first, mut second) = (vec![0.0; lists.rows()], vec![0.0; lists.rows()]);
        for tried in (1..=8).map(|eighth| (all * eighth / 8).max(1)) {
            self.booster.set_max_iterations(tried)?;
            let scores = self.scores(&lists.values)?;
            let loss = softmax_loss(&lists.lengths, &scores, &lists.clicked, &mut first, &mut second);
            if loss < best.0 {
                best = (loss, tried);
            }
        }
        Ok(best.1 as usize)
    }

    /// The score of each row; greater is better.
    ///
    /// # Errors
    /// When the values are no whole rows of the columns that the trees were grown on.
    pub fn scores(&self, values: &[f32]) -> Result<Vec<f64>, TreesError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        if !values.len().is_multiple_of(self.columns) {
            return Err(TreesError::Columns { expected: self.columns, found: values.len() });
        }
        Ok(self.booster.raw_scores_with_params(values, self.columns as i32, true, "num_threads=1")?)
    }

    /// What each column adds to each row's score (SHAP values), `[rows, columns + 1]`: the last is the same for all rows.
    ///
    /// # Errors
    /// As [`Trees::scores`].
    pub fn contributions(&self, values: &[f32]) -> Result<Vec<f64>, TreesError> {
        if !values.len().is_multiple_of(self.columns) {
            return Err(TreesError::Columns { expected: self.columns, found: values.len() });
        }
        Ok(self.booster.predict_contrib(values, self.columns as i32, true)?)
    }

    /// Number of trees.
    pub fn count(&self) -> usize {
        self.booster.num_iterations() as usize
    }

    /// The names of the columns, in their order.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn column_names(&self) -> Result<Vec<String>, TreesError> {
        Ok(self.booster.feature_name()?)
    }

    /// LightGBM's text of the trees, which its other tools read, too.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn to_text(&self) -> Result<String, TreesError> {
        Ok(self.booster.save_string()?)
    }

    /// Trees from that text.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_text(text: &str) -> Result<Self, TreesError> {
        let booster = Booster::from_string(text)?;
        let columns = booster.num_features() as usize;
        Ok(Self { booster, columns })
    }

    /// Reads the trees of a model folder.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn load(path: &Path) -> Result<Self, FolderError> {
        let bytes = crate::folder::read(path)?;
        let malformed = |reason: String| FolderError::Malformed { path: path.to_owned(), reason };
        let text = String::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        Self::from_text(&text).map_err(|error| malformed(error.to_string()))
    }
}

/// Gradients of the softmax loss; returns the mean loss of the lists that have a click.
fn softmax_loss(
    lengths: &[usize],
    scores: &[f64],
    clicked: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) -> f64 {
    let (mut row, mut loss, mut counted) = (0, 0.0, 0_usize);
    for length in lengths {
        let range = row..row + length;
        row += length;
        let clicks: f32 = clicked[range.clone()].iter().sum();
        if clicks == 0.0 {
            first[range.clone()].fill(0.0);
            second[range].fill(0.0);
            continue;
        }
        let greatest = scores[range.clone()].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores[range.clone()].iter().map(|score| (score - greatest).exp()).sum();
        for row in range {
            let share = (scores[row] - greatest).exp() / sum;
            let wanted = f64::from(clicked[row] / clicks);
            first[row] = (share - wanted) as f32;
            second[row] = (2.0 * share * (1.0 - share)).max(1e-6) as f32;
            if wanted > 0.0 {
                loss -= wanted * share.max(1e-12).ln();
            }
        }
        counted += 1;
    }
    loss / counted.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second column decides, the first is noise.
    fn lists(count: usize) -> Lists {
        let mut lists = Lists { columns: vec!["noise".into(), "signal".into()], ..Lists::default() };
        for list in 0..count {
            let mix = |place: usize| crate::seed::mix((list * 31 + place) as u64) % 1_000;
            let values: Vec<f32> = (0..10).map(|place| mix(place) as f32).collect();
            let best = (0..5).max_by_key(|row| values[row * 2 + 1] as i64).expect("five rows");
            let clicked: Vec<bool> = (0..5).map(|row| row == best).collect();
            lists.push(&values, &clicked);
        }
        lists
    }

    #[test]
    fn trees_learn_what_decides_and_come_back_from_their_text() {
        let options =
            TreesOptions { trees: 40, rows_in_leaf: 5, column_share: 1.0, ..TreesOptions::default() };
        let trees = Trees::train(&lists(600), &options, &mut |_, _, _| {}).unwrap();
        let unseen = lists(700);
        let scores = trees.scores(&unseen.values).unwrap();
        let hits = scores.chunks(5).zip(unseen.clicked.chunks(5)).skip(600).filter(|(scores, clicked)| {
            let best = (0..5).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
            clicked[best] > 0.0
        });
        assert!(hits.count() > 85);
        let again = Trees::from_text(&trees.to_text().unwrap()).unwrap();
        assert_eq!(again.scores(&unseen.values).unwrap(), scores);
        assert_eq!(again.column_names().unwrap(), ["noise", "signal"]);
        let same = Trees::train(&lists(600), &options, &mut |_, _, _| {}).unwrap();
        assert_eq!(same.scores(&unseen.values).unwrap(), scores);
    }

    #[test]
    fn lists_without_a_choice_teach_nothing() {
        let mut lists = Lists { columns: vec!["x".into()], ..Lists::default() };
        lists.push(&[1.0, 2.0], &[false, false]);
        lists.push(&[1.0], &[true]);
        assert!(matches!(
            Trees::train(&lists, &TreesOptions::default(), &mut |_, _, _| {}),
            Err(TreesError::Empty)
        ));
    }
}
