//! From texts to expressions over event batches, and their evaluation.

use std::sync::Arc;

use abovefold_engine::{EngineError, Result};
use abovefold_schemas::{EventKind, batch::event_schema, event::MAX_TOKEN_BYTES};
use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt8Array, new_null_array},
    compute::{CastOptions, cast_with_options, concat, filter_record_batch, kernels::zip::zip},
    datatypes::{DataType, Field, Float32Type, UInt8Type},
};
use datafusion::{
    common::{DFSchema, tree_node::TreeNode, tree_node::TreeNodeRecursion},
    error::DataFusionError,
    logical_expr::{Expr, Volatility},
    physical_expr::PhysicalExpr,
    prelude::SessionContext,
};

use super::StepConfig;

/// The columns that can be derived. The others say where an event stands, whose it is, and what it is a copy of.
const DERIVABLE: [&str; 6] = ["article_id", "read_time", "scroll_pct", "device_type", "view_id", "seq"];
/// Functions that are called immutable and are not: they tell of the program or of files.
const NOT_PURE: [&str; 3] = ["version", "input_file_name", "file_row_index"];
/// The longest time on a page that an event may claim, in seconds.
const MAX_READ_TIME: f32 = 1e9;
/// The greatest number of a device.
const MAX_DEVICE: u8 = 4;

/// A step that can be run.
#[derive(Debug)]
pub(super) struct Step {
    /// What it does, in words.
    pub text: String,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Filter(Expression),
    /// Column numbers and their new values.
    Derive(Vec<(usize, Expression)>),
}

#[derive(Debug)]
struct Expression {
    physical: Arc<dyn PhysicalExpr>,
    data_type: DataType,
}

/// Checks and compiles all steps.
pub(super) fn compile(configured: &[StepConfig]) -> Result<Vec<Step>> {
    if configured.is_empty() {
        return Ok(Vec::new());
    }
    let compiler = Compiler::new()?;
    configured.iter().zip(1..).map(|(step, number)| compiler.step(number, step)).collect()
}

struct Compiler {
    context: SessionContext,
    schema: DFSchema,
}

impl Compiler {
    fn new() -> Result<Self> {
        let schema = DFSchema::try_from(event_schema())
            .map_err(|error| EngineError::ours("name the columns of an event batch", error))?;
        Ok(Self { context: SessionContext::new(), schema })
    }

    fn step(&self, number: usize, step: &StepConfig) -> Result<Step> {
        match (&step.filter, step.derive.is_empty()) {
            (Some(text), true) => {
                let refused = |reason| refuse(number, &format!("filter = {text:?}"), reason);
                let expression = self.expression(text).map_err(refused)?;
                if expression.data_type != DataType::Boolean {
                    let reason =
                        format!("it is {}, and a filter has to be true or false", expression.data_type);
                    return Err(refused(reason));
                }
                Ok(Step { text: format!("filter {}", text.trim()), action: Action::Filter(expression) })
            }
            (None, false) => {
                let mut texts = Vec::new();
                let mut derived = Vec::new();
                for (column, text) in &step.derive {
                    let refused = |reason| refuse(number, &format!("derive {column} = {text:?}"), reason);
                    let place = derivable(column).map_err(refused)?;
                    let expression = self.expression(text).map_err(refused)?;
                    fits(event_schema().field(place), &expression.data_type).map_err(refused)?;
                    derived.push((place, expression));
                    texts.push(format!("{column} = {}", text.trim()));
                }
                Ok(Step { text: format!("derive {}", texts.join(", ")), action: Action::Derive(derived) })
            }
            _ => Err(refuse(number, "it", "a step has either `filter` or `derive`".into())),
        }
    }

    /// An expression over event batches, or why there is none.
    fn expression(&self, text: &str) -> Result<Expression, String> {
        let expression = self.context.parse_sql_expr(text, &self.schema).map_err(in_one_line)?;
        check_pure(&expression)?;
        let physical = self.context.create_physical_expr(expression, &self.schema).map_err(in_one_line)?;
        let data_type = physical.data_type(self.schema.as_arrow()).map_err(in_one_line)?;
        // What fails without any row, such as a constant that is no number, fails on every one.
        let nothing = RecordBatch::new_empty(event_schema());
        physical.evaluate(&nothing).map_err(in_one_line)?;
        Ok(Expression { physical, data_type })
    }
}

fn refuse(number: usize, what: &str, reason: String) -> EngineError {
    EngineError::user(format!("read [[steps]] of the configuration, step {number}, {what}"), reason)
}

/// The first line of what DataFusion says.
fn in_one_line(error: DataFusionError) -> String {
    let text = error.strip_backtrace();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Refuses whatever is no pure function of the row.
fn check_pure(expression: &Expr) -> Result<(), String> {
    let mut refused = None;
    let walked = expression.apply(|node| {
        let reason = match node {
            Expr::Column(_)
            | Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_) => None,
            Expr::ScalarFunction(call) => {
                let pure = call.func.signature().volatility == Volatility::Immutable
                    && !NOT_PURE.contains(&call.func.name());
                (!pure).then(|| {
                    format!(
                        "{}() is no pure function of the row, so that a replay would fold otherwise",
                        call.func.name()
                    )
                })
            }
            other => Some(format!("{other} is more than a function of one row")),
        };
        let go_on = reason.is_none();
        refused = reason;
        Ok(if go_on { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.map_err(in_one_line)?;
    refused.map_or(Ok(()), Err)
}

/// The place of a column that can be derived.
fn derivable(column: &str) -> Result<usize, String> {
    if DERIVABLE.contains(&column) {
        return event_schema().index_of(column).map_err(|error| error.to_string());
    }
    let what =
        if event_schema().column_with_name(column).is_some() { "cannot be derived" } else { "is no column" };
    Err(format!("{column} {what}; those that can be derived are {}", DERIVABLE.join(", ")))
}

/// Whether values of a type can stand in a column without becoming something else.
fn fits(column: &Field, found: &DataType) -> Result<(), String> {
    let fits = *found == DataType::Null
        || match column.data_type() {
            DataType::Float32 => found.is_numeric(),
            wanted if wanted.is_integer() => found.is_integer(),
            _ => matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        };
    if fits {
        return Ok(());
    }
    Err(format!("it is {found}, and {} has to stay {}; use CAST", column.name(), column.data_type()))
}

impl Step {
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_rows() == 0 {
            return Ok(batch.clone());
        }
        let failed = |error| EngineError::ours(format!("run the step {:?}", self.text), error);
        let reads = reads(batch);
        match &self.action {
            Action::Filter(expression) => {
                let found = expression.evaluate(batch).map_err(failed)?;
                let wanted = found.as_boolean();
                let keep: BooleanArray = (0..batch.num_rows())
                    .map(|row| Some(!reads.value(row) || (wanted.is_valid(row) && wanted.value(row))))
                    .collect();
                filter_record_batch(batch, &keep).map_err(|error| failed(error.into()))
            }
            Action::Derive(derived) => {
                let mut columns = batch.columns().to_vec();
                for (place, expression) in derived {
                    let found = expression.evaluate(batch).map_err(failed)?;
                    let new = to_column(batch.schema().field(*place), &found).map_err(failed)?;
                    columns[*place] =
                        zip(&reads, &new, &columns[*place]).map_err(|error| failed(error.into()))?;
                }
                RecordBatch::try_new(batch.schema(), columns).map_err(|error| failed(error.into()))
            }
        }
    }
}

/// Which rows are reads.
fn reads(batch: &RecordBatch) -> BooleanArray {
    let kinds = batch
        .column_by_name("kind")
        .and_then(|column| column.as_primitive_opt::<UInt8Type>())
        .expect("an event batch has the column kind of its schema");
    kinds.values().iter().map(|kind| Some(*kind == EventKind::Read as u8)).collect()
}

impl Expression {
    /// The values of all rows. Where the rows together fail, each is tried alone, and the one that fails is null: what a row gives does not
    /// depend on its neighbours.
    fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        if let Ok(values) = self.try_evaluate(batch) {
            return Ok(values);
        }
        let rows: Vec<ArrayRef> = (0..batch.num_rows())
            .map(|row| {
                self.try_evaluate(&batch.slice(row, 1)).unwrap_or_else(|_| new_null_array(&self.data_type, 1))
            })
            .collect();
        let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
        Ok(concat(&rows)?)
    }

    fn try_evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, DataFusionError> {
        self.physical.evaluate(batch)?.into_array(batch.num_rows())
    }
}

/// Values as a column holds them; what it cannot hold is unknown.
fn to_column(column: &Field, values: &ArrayRef) -> Result<ArrayRef, DataFusionError> {
    let cast =
        cast_with_options(values, column.data_type(), &CastOptions { safe: true, ..CastOptions::default() })?;
    Ok(match column.name().as_str() {
        "read_time" => within(&cast, MAX_READ_TIME),
        "scroll_pct" => within(&cast, 100.0),
        "device_type" => {
            let devices = cast.as_primitive::<UInt8Type>();
            let known =
                devices.iter().map(|device| device.filter(|device| *device <= MAX_DEVICE).unwrap_or(0));
            Arc::new(UInt8Array::from_iter_values(known))
        }
        "view_id" => {
            let texts = cast.as_string::<i32>();
            let short = texts.iter().map(|text| text.filter(|text| text.len() <= MAX_TOKEN_BYTES));
            Arc::new(short.collect::<StringArray>())
        }
        _ => cast,
    })
}

/// The numbers from 0 to `most`.
fn within(values: &ArrayRef, most: f32) -> ArrayRef {
    let numbers = values.as_primitive::<Float32Type>();
    Arc::new(
        numbers
            .iter()
            .map(|number| number.filter(|number| (0.0..=most).contains(number)))
            .collect::<arrow::array::Float32Array>(),
    )
}
