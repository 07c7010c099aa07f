//! The ranker's trees: grown from the impressions of a pass.

use std::path::Path;

use abovefold_models::{
    Inference, InferenceOptions, ModelFolder,
    trees::{Lists, Trees, TreesOptions},
};
use abovefold_operators::features::column_names;
use abovefold_schemas::{
    Timestamp,
    tables::{ArticleRow, DataFolder},
};
use anyhow::Context;

use super::{
    pass::{Pass, Seen},
    stream::Stream,
};
use crate::{
    dataset::{self, Vectors},
    output::Output,
};

/// What the ranker is grown from.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The data folder.
    pub data: &'a DataFolder,
    /// Its articles.
    pub articles: &'a [ArticleRow],
    /// Their vectors.
    pub vectors: &'a Vectors,
    /// The networks whose scores are columns.
    pub model: &'a ModelFolder,
    /// How they run.
    pub inference: InferenceOptions,
    /// The networks have not learned from the impressions since this moment; for those before, their columns are missing.
    pub unseen_from: Option<Timestamp>,
    /// Nothing from this moment on is used.
    pub until: Option<Timestamp>,
    /// The most lists: the latest are taken.
    pub most: usize,
}

/// The ranker's trees, and those of the drop-one table.
#[derive(Debug)]
pub struct Grown {
    /// All columns.
    pub ranker: Trees,
    /// Each without a group of columns.
    pub without: Vec<(&'static str, Trees)>,
    /// Lists that they were grown from.
    pub lists: usize,
}

impl Grown {
    /// Writes the trees of the drop-one table into a model folder; `evaluate` shows what each group brings.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn save_drop_one(&self, dir: &Path) -> anyhow::Result<()> {
        let dir = dir.join(DROP_ONE_FOLDER);
        if dir.exists() {
            std::fs::remove_dir_all(&dir).with_context(|| format!("replace {}", dir.display()))?;
        }
        if self.without.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        for (group, trees) in &self.without {
            let file = dir.join(without_file(group));
            std::fs::write(&file, trees.to_text()?).with_context(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }
}

/// Grows the ranker in one pass over the data; nothing where no impression has both a click and a miss.
///
/// # Errors
/// When a table can't be read, or the networks or the library fail.
pub fn grow(
    ground: &Ground<'_>,
    options: &TreesOptions,
    drop_one: bool,
    output: &Output,
) -> anyhow::Result<Option<Grown>> {
    let Ground { data, articles, vectors, model, .. } = ground;
    let inference = Inference::start(model, ground.inference.clone())?;
    let mut growing = Growing::new(ground.most);
    let pass = Pass {
        stream: Stream::open(data, &data.splits(), ground.unseen_from, ground.until)?,
        vectors: vectors.as_of(dataset::published(articles)),
        published: dataset::newsroom_times(articles),
        categories: dataset::categories(articles),
        inference: Some(&inference),
        unseen_from: ground.unseen_from,
        from: None,
        together: None,
        search: false,
        output,
        what: "folding, reads",
    };
    pass.run(&mut |chunk| {
        chunk.seen.iter().for_each(|seen| growing.add(seen));
        Ok(())
    })?;
    if growing.len() == 0 {
        return Ok(None);
    }
    let ranker = growing.grow(options, output)?;
    let mut without = Vec::new();
    if drop_one {
        // As many trees as the ranker has, so that only the columns differ.
        for group in groups() {
            without.push((group, growing.grow_without(group, ranker.count(), options, output)?));
        }
    }
    Ok(Some(Grown { ranker, without, lists: growing.len() }))
}

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
        let clicked = seen.clicked();
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

    /// Grows trees on the columns that are served; how many is chosen on the last lists.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn grow(&mut self, options: &TreesOptions, output: &Output) -> anyhow::Result<Trees> {
        self.lists.keep_last(self.most);
        let lists = self.lists.of_columns(&places(|group| group != NOT_SERVED));
        let trees = Trees::train(&lists, options, &mut told("trees", output));
        output.end_progress();
        trees.with_context(|| format!("grow the ranker's trees on {} lists", self.len()))
    }

    /// Grows so many trees without a group of columns; with those that are not served where that is the group.
    fn grow_without(
        &self,
        group: &str,
        count: usize,
        options: &TreesOptions,
        output: &Output,
    ) -> anyhow::Result<Trees> {
        let kept = match group {
            NOT_SERVED => places(|_| true),
            _ => places(|column| column != group && column != NOT_SERVED),
        };
        let what = format!("trees {}", row_of(group));
        let trees = Trees::grow(&self.lists.of_columns(&kept), options, count, &mut told(&what, output));
        output.end_progress();
        trees.with_context(|| format!("grow the ranker's {what}"))
    }
}

fn told(what: &str, output: &Output) -> impl FnMut(usize, usize, f64) {
    move |tree, trees, loss| output.progress(&format!("{what}, loss {loss:.4}"), tree as u64, trees as u64)
}

/// Where, within a model folder, the trees lie that lack a group of columns.
pub const DROP_ONE_FOLDER: &str = "drop-one";

/// The group of columns that the read path can't compute yet, since impressions are not folded: the ranker that serves has learned
/// without it, and a row of the table says what it would bring.
const NOT_SERVED: &str = "exposures";

/// The row of the trees that lack a group, or that have the one which is not served.
pub fn row_of(group: &str) -> String {
    let with = if group == NOT_SERVED { "with" } else { "without" };
    format!("{with} {group}")
}

/// The file of the trees that lack a group.
pub fn without_file(group: &str) -> String {
    format!("{}.txt", row_of(group).replace(' ', "-"))
}

fn places(keep: impl Fn(&str) -> bool) -> Vec<usize> {
    let kept = column_names().iter().enumerate().filter(|(_, column)| keep(column.group));
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
