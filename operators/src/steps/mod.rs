//! Stateless steps between the window and the key, written in the configuration as DataFusion expressions.
//!
//! ```toml
//! [[steps]]
//! filter = "read_time >= 1"
//! [[steps]]
//! derive = { read_time = "least(read_time, 600.0)" }
//! ```
//!
//! They see the columns of an event batch ([`abovefold_schemas::batch`]), one row a read, and run in their order. Preferences, profiles and
//! `forget` pass by untouched: a filter must not be able to lose what a reader asked for.
//!
//! - A *filter* keeps the reads for which it is true. Where it is false or null, as in SQL, the read folds to nothing.
//! - *derive* gives columns new values; all its expressions see the row as it was before. The type of a column stays. What a column cannot hold
//!   (a `read_time` below 0 or not finite, a `scroll_pct` above 100, an unknown device) is as unknown as in an event that lacks it.
//! - An expression that fails on a row (a division by zero, an integer that overflows) is null there.
//!
//! Steps are part of what defines a fold, so they must be pure: only immutable functions are taken, and their texts stand in the namespace's
//! record. There are operators, `CASE`, `CAST`, `coalesce`, `nullif`, `least`, `greatest`, and the functions on texts and times; none of
//! mathematics.

mod compile;
mod operator;

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::Result;
use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use compile::Step;
pub use operator::ApplySteps;

/// One step as the configuration has it: either a filter or what is derived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// Keeps the reads for which this expression is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// New values by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub derive: BTreeMap<String, String>,
}

/// Steps that were checked against the schema of event batches. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    steps: Arc<Vec<Step>>,
}

impl Steps {
    /// Reads and checks steps.
    ///
    /// # Errors
    /// In one line: which expression, and what is wrong with it (no SQL, an unknown column or function, a wrong type, not pure, a column that
    /// cannot be derived).
    pub fn new(configured: &[StepConfig]) -> Result<Self> {
        Ok(Self { steps: Arc::new(compile::compile(configured)?) })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps in words, as a namespace's record keeps them.
    pub fn texts(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.text.clone()).collect()
    }

    /// Runs the steps over a batch of events.
    ///
    /// # Errors
    /// When Arrow or DataFusion breaks a promise of theirs; never because of what a row holds.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut batch = batch.clone();
        for step in self.steps.iter() {
            batch = step.apply(&batch)?;
        }
        Ok(batch)
    }
}
