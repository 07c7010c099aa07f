//! The ranker's trees: grown from the impressions of a pass.

use abovefold_models::trees::{Lists, Trees, TreesOptions};
use abovefold_operators::features::column_names;
use anyhow::Context;

use super::pass::Seen;
use crate::output::Output;

/// The lists of a pass, as trees take them.
#[derive(Debug)]
pub struct Growing {
    lists: Lists,
    most: usize,
}

impl Growing {
    /// Takes at most so many lists: the latest.
    pub fn new(most: usize) -> Self {
        let columns = column_names().iter().map(|column| column.name.to_owned()).collect();
        Self { lists: Lists { columns, ..Lists::default() }, most }
    }

    /// Adds an impression, if it has a click and a miss.
    pub fn add(&mut self, seen: &Seen) {
        let clicked: Vec<bool> =
            seen.row.in_view.iter().map(|article| seen.row.clicked.contains(article)).collect();
        if !clicked.contains(&true) || !clicked.contains(&false) {
            return;
        }
        self.lists.push(&seen.columns.values, &clicked);
        if self.lists.lengths.len() > self.most + self.most / 4 {
            self.lists.keep_last(self.most);
        }
    }

    /// Number of lists.
    pub fn len(&self) -> usize {
        self.lists.lengths.len()
    }

    /// Grows the trees; `without` leaves a group of columns out.
    ///
    /// # Errors
    /// When the library refuses, or the lists say nothing.
    pub fn grow(
        &mut self,
        options: &TreesOptions,
        without: Option<&str>,
        output: &Output,
    ) -> anyhow::Result<Trees> {
        self.lists.keep_last(self.most);
        let what = match without {
            Some(group) => format!("trees without {group}"),
            None => "trees".to_owned(),
        };
        let mut told = |tree: usize, trees: usize, loss: f64| {
            output.progress(&format!("{what}: loss {loss:.4}"), tree as u64, trees as u64);
        };
        let kept = columns_without(without);
        let trees = match without {
            None => Trees::train(&self.lists, options, &mut told),
            Some(_) => Trees::train(&self.lists.of_columns(&kept), options, &mut told),
        };
        output.end_progress();
        trees.with_context(|| format!("grow the ranker's {what} on {} lists", self.len()))
    }
}

/// Places of the columns that are left without a group.
pub fn columns_without(group: Option<&str>) -> Vec<usize> {
    let kept = column_names().iter().enumerate().filter(|(_, column)| Some(column.group) != group);
    kept.map(|(place, _)| place).collect()
}

/// The groups of columns that drop-one tables leave out.
pub fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = Vec::new();
    for column in column_names() {
        if !groups.contains(&column.group) {
            groups.push(column.group);
        }
    }
    groups
}
