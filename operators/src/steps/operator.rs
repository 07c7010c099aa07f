//! The operator `steps`.

use abovefold_engine::{Emitter, Epoch, Feed, Operator, Result};

use super::Steps;
use crate::{decode::DecodedRun, metrics::READS_FILTERED};

/// Runs the configured steps over the batches of an epoch, after it was cut: which records an epoch covers does not depend on them.
#[derive(Debug)]
pub struct ApplySteps {
    steps: Steps,
}

impl ApplySteps {
    /// An operator that runs these steps.
    pub fn new(steps: Steps) -> Self {
        Self { steps }
    }

    fn apply(&self, mut epoch: Epoch<DecodedRun>) -> Result<Epoch<DecodedRun>> {
        for run in &mut epoch.runs {
            let before = run.batch.num_rows();
            run.batch = self.steps.apply(&run.batch)?;
            metrics::counter!(READS_FILTERED).increment((before - run.batch.num_rows()) as u64);
        }
        Ok(epoch)
    }
}

impl Operator for ApplySteps {
    type In = Feed<Epoch<DecodedRun>>;
    type Out = Feed<Epoch<DecodedRun>>;

    fn name(&self) -> &'static str {
        "steps"
    }

    fn rows(&self, input: &Self::In) -> usize {
        input.rows(Epoch::records)
    }

    async fn handle(&mut self, input: Self::In, out: &mut Emitter<Self::Out>) -> Result<()> {
        let applied = input.try_map(|_, epoch| self.apply(epoch))?;
        out.emit(applied).await
    }
}
