//! The ranker's trees as flat arrays, read from LightGBM's text: what serves.
//!
//! The library's own prediction sets up a good deal for each call, and its handle belongs to one thread. Here a tree is a run of nodes of 12
//! bytes, its leaves among them, and a group of rows goes down a tree together without a branch, so that the processor works on one row while it
//! waits for another. Sums are added up in the library's order: the scores are the library's, to the bit.

use std::collections::BTreeMap;

/// Rows that go down a tree together.
const GROUP: usize = 8;
/// What LightGBM takes for zero.
const ZERO: f32 = 1e-35;
/// The most leaves of a tree: nodes and leaves are counted in 16 bits.
const MOST_LEAVES: usize = 1 << 15;

/// A split, or a leaf, which leads to itself.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The greatest `f32` that goes left.
    threshold: f32,
    column: u16,
    /// Whether a missing value goes left.
    missing_left: bool,
    /// Right, then left.
    next: [u16; 2],
}

/// One tree: where its nodes are, the splits before the leaves.
#[derive(Clone, Copy, Debug)]
struct Place {
    begin: usize,
    end: usize,
}

/// Trees that score rows of columns; see the module.
#[derive(Clone, Debug)]
pub struct FlatTrees {
    columns: Vec<String>,
    trees: Vec<Place>,
    nodes: Vec<Node>,
    /// For each node the mean answer of the rows that came by; a leaf's answer.
    means: Vec<f64>,
}

/// Why a text holds no trees that are read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ranker's trees: {0}")]
pub struct FlatError(String);

fn fault<T>(reason: impl Into<String>) -> Result<T, FlatError> {
    Err(FlatError(reason.into()))
}

impl FlatTrees {
    /// Reads LightGBM's text: trees over numbers, each with at most 32,768 leaves.
    ///
    /// # Errors
    /// When it is no such text, or has trees of another kind (over categories, linear ones, averaged ones).
    pub fn from_text(text: &str) -> Result<Self, FlatError> {
        let mut blocks = text.split("\nTree=");
        let head = blocks.next().unwrap_or_default();
        if !head.starts_with("tree") || head.lines().any(|line| line == "average_output") {
            return fault("it is not the text of boosted trees");
        }
        let names =
            fields(head).get("feature_names").map(|names| names.split(' ').map(str::to_owned).collect());
        let Some(columns) = names else { return fault("the columns have no names") };
        let mut flat = Self { columns, trees: Vec::new(), nodes: Vec::new(), means: Vec::new() };
        for block in blocks {
            let block = block.split("\nend of trees").next().unwrap_or_default();
            flat.add(&fields(block))?;
        }
        Ok(flat)
    }

    fn add(&mut self, tree: &BTreeMap<&str, &str>) -> Result<(), FlatError> {
        let number = self.trees.len();
        let refuse = |what: &str| fault(format!("tree {number}: {what}"));
        if tree.get("num_cat").is_some_and(|count| *count != "0") {
            return refuse("it splits by categories");
        }
        if tree.get("is_linear").is_some_and(|linear| *linear != "0") {
            return refuse("it is linear");
        }
        let leaves: Vec<f64> = numbers(tree, "leaf_value")?;
        if leaves.is_empty() || leaves.len() > MOST_LEAVES {
            return refuse("the number of leaves is out of range");
        }
        let splits = leaves.len() - 1;
        self.trees.push(Place { begin: self.nodes.len(), end: self.nodes.len() + splits + leaves.len() });
        if splits > 0 {
            self.add_splits(tree, splits)
                .map_err(|FlatError(what)| FlatError(format!("tree {number}: {what}")))?;
        }
        for place in 0..leaves.len() {
            let own = (splits + place) as u16;
            self.nodes.push(Node { threshold: 0.0, column: 0, missing_left: false, next: [own, own] });
        }
        self.means.extend(leaves);
        Ok(())
    }

    fn add_splits(&mut self, tree: &BTreeMap<&str, &str>, splits: usize) -> Result<(), FlatError> {
        let columns: Vec<u16> = numbers(tree, "split_feature")?;
        let thresholds: Vec<f64> = numbers(tree, "threshold")?;
        let kinds: Vec<u8> = numbers(tree, "decision_type")?;
        let left: Vec<i32> = numbers(tree, "left_child")?;
        let right: Vec<i32> = numbers(tree, "right_child")?;
        let means: Vec<f64> = numbers(tree, "internal_value")?;
        if [columns.len(), thresholds.len(), kinds.len(), left.len(), right.len(), means.len()] != [splits; 6]
        {
            return fault("its parts are of different lengths");
        }
        // A child comes after its parent, so that every way down ends; a negative one is a leaf.
        let child = |parent: usize, child: i32| match child {
            leaf if leaf < 0 && (!leaf) as usize <= splits => Some((splits + (!leaf) as usize) as u16),
            node if node > 0 && (node as usize) < splits && node as usize > parent => Some(node as u16),
            _ => None,
        };
        for node in 0..splits {
            let (Some(left), Some(right)) = (child(node, left[node]), child(node, right[node])) else {
                return fault("a child is out of range");
            };
            // Bits of a decision: 1 by categories, 2 what is missing goes left, 4 and 8 what counts as missing (0 nothing, 1 zero, 2 NaN).
            let missing_left = match (kinds[node] >> 2) & 3 {
                0 => 0.0 <= thresholds[node],
                2 => kinds[node] & 2 != 0,
                _ => return fault("it takes zero for missing"),
            };
            if kinds[node] & 1 != 0 || usize::from(columns[node]) >= self.columns.len() {
                return fault("a split is of another kind, or by a column that there is not");
            }
            let (threshold, column) = (at_most(thresholds[node]), columns[node]);
            self.nodes.push(Node { threshold, column, missing_left, next: [right, left] });
        }
        self.means.extend(means);
        Ok(())
    }

    /// The names of the columns, in their order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of trees.
    pub fn count(&self) -> usize {
        self.trees.len()
    }

    /// The score of each row of `values` (row-major, NaN is missing); greater is better.
    ///
    /// # Panics
    /// When the values are no whole rows.
    pub fn scores(&self, values: &[f32]) -> Vec<f64> {
        let width = self.columns.len();
        assert!(values.len().is_multiple_of(width), "a row has one value a column");
        // The library takes what is next to nothing for zero.
        let values: Vec<f32> = values.iter().map(|x| if x.abs() <= ZERO { 0.0 } else { *x }).collect();
        let mut scores = vec![0.0; values.len() / width];
        for Place { begin, end } in &self.trees {
            let (nodes, means) = (&self.nodes[*begin..*end], &self.means[*begin..*end]);
            for (rows, scores) in values.chunks(GROUP * width).zip(scores.chunks_mut(GROUP)) {
                let mut at = [0_u16; GROUP];
                loop {
                    let before = at;
                    for (row, at) in rows.chunks_exact(width).zip(&mut at) {
                        *at = nodes[usize::from(*at)].next(row);
                    }
                    if at == before {
                        break;
                    }
                }
                for (score, at) in scores.iter_mut().zip(at) {
                    *score += means[usize::from(at)];
                }
            }
        }
        scores
    }

    /// What each column adds to one row's score: on its way down a tree, every split moves the mean answer of the rows that came by, and
    /// the move is the split column's (Saabas, "Interpreting random forests", 2014). What the columns add, and the trees' means before any
    /// split, sum up to the score.
    ///
    /// # Panics
    /// When the row has another number of values than there are columns.
    pub fn added(&self, row: &[f32]) -> Vec<f64> {
        assert_eq!(row.len(), self.columns.len(), "a row has one value a column");
        let mut added = vec![0.0; row.len()];
        for Place { begin, end } in &self.trees {
            let (nodes, means) = (&self.nodes[*begin..*end], &self.means[*begin..*end]);
            let mut at = 0;
            loop {
                let node = &nodes[at];
                let next = usize::from(node.next(row));
                if next == at {
                    break;
                }
                added[usize::from(node.column)] += means[next] - means[at];
                at = next;
            }
        }
        added
    }
}

impl Node {
    #[inline]
    fn next(&self, row: &[f32]) -> u16 {
        let value = row[usize::from(self.column)];
        let left = (value <= self.threshold) | (value.is_nan() & self.missing_left);
        self.next[usize::from(left)]
    }
}

/// The greatest `f32` that is not above `threshold`: a value is at most the one if it is at most the other.
fn at_most(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

fn fields(block: &str) -> BTreeMap<&str, &str> {
    block.lines().filter_map(|line| line.split_once('=')).collect()
}

fn numbers<T: std::str::FromStr>(tree: &BTreeMap<&str, &str>, name: &str) -> Result<Vec<T>, FlatError> {
    let Some(text) = tree.get(name) else { return fault(format!("a tree has no {name}")) };
    let numbers = text.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<T>, _>>();
    numbers.map_err(|_| FlatError(format!("a tree's {name} are no numbers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::mix;
    use crate::trees::{Lists, Trees, TreesOptions};

    const COLUMNS: usize = 6;

    /// Values of all kinds: missing, zero, next to nothing, equal, far apart.
    fn value(seed: usize) -> f32 {
        let random = mix(seed as u64);
        match random % 10 {
            0 => f32::NAN,
            1 => 0.0,
            2 => 1e-36,
            3 => -0.0,
            4..=6 => (random >> 8) as f32 % 7.0,
            _ => ((random >> 8) as f32 / 1e12).sin() * 1e3,
        }
    }

    fn lists(count: usize) -> Lists {
        let columns = (0..COLUMNS).map(|place| format!("c{place}")).collect();
        let mut lists = Lists { columns, ..Lists::default() };
        for list in 0..count {
            let values: Vec<f32> = (0..12 * COLUMNS).map(|place| value(list * 101 + place)).collect();
            let worth = |row: usize| values[row * COLUMNS] + values[row * COLUMNS + 2].abs().sqrt();
            let clicked: Vec<bool> = (0..12).map(|row| worth(row) > 6.0 || row == list % 12).collect();
            lists.push(&values, &clicked);
        }
        lists
    }

    #[test]
    fn scores_are_the_librarys_to_the_bit() {
        let options = TreesOptions { trees: 60, rows_in_leaf: 5, leaves: 31, ..TreesOptions::default() };
        let trees = Trees::grow(&lists(400), &options, 60, &mut |_, _, _| {}).unwrap();
        let flat = FlatTrees::from_text(&trees.to_text().unwrap()).unwrap();
        assert_eq!((flat.count(), flat.columns().len()), (60, COLUMNS));
        let unseen = lists(900).values;
        let bits = |scores: Vec<f64>| scores.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
        assert_eq!(bits(flat.scores(&unseen)), bits(trees.scores(&unseen).unwrap()));

        let roots: f64 = flat.trees.iter().map(|tree| flat.means[tree.begin]).sum();
        for row in unseen.chunks_exact(COLUMNS).take(50) {
            let (added, score): (f64, f64) = (flat.added(row).iter().sum(), flat.scores(row)[0]);
            assert!((added + roots - score).abs() < 1e-9, "{added} + {roots} is not {score}");
        }
    }

    #[test]
    fn a_text_that_is_none_is_refused() {
        let options = TreesOptions { trees: 3, rows_in_leaf: 5, ..TreesOptions::default() };
        let text = Trees::grow(&lists(60), &options, 3, &mut |_, _, _| {}).unwrap().to_text().unwrap();
        assert!(FlatTrees::from_text(&text).is_ok());
        for (what, by) in [("tree\n", "wood\n"), ("num_cat=0", "num_cat=1"), ("left_child=1", "left_child=0")]
        {
            let text = text.replacen(what, by, 1);
            assert!(FlatTrees::from_text(&text).is_err(), "{what} became {by}");
        }
        assert!(FlatTrees::from_text("").is_err());
    }
}
