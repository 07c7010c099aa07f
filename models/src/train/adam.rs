//! Adam (Kingma and Ba 2015, with its corrections for the start), over named tensors, so that its moments can be written down.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::network::Parameters;
use crate::weights::Weights;

const FIRST: f64 = 0.9;
const SECOND: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Gradients by the names of their tensors.
pub(super) type Gradients = BTreeMap<&'static str, Tensor>;

/// The optimiser of one network. Moments are `f32` and lie where the weights lie.
pub(super) struct Adam {
    first: Gradients,
    second: Gradients,
    step: u64,
}

impl Adam {
    pub(super) fn new(parameters: &Parameters) -> Self {
        let zeros = || parameters.iter().map(|(name, tensor)| (name, tensor.zeros_like())).collect();
        let (first, second) = tch::no_grad(|| (zeros(), zeros()));
        Self { first, second, step: 0 }
    }

    /// Moves every tensor against its gradient. Gradients longer than `longest`, taken together, are shortened to that.
    pub(super) fn step(&mut self, parameters: &Parameters, gradients: &Gradients, rate: f64, longest: f64) {
        let _no_grad = tch::no_grad_guard();
        let squares: Vec<Tensor> = gradients.values().map(|gradient| gradient.norm().square()).collect();
        let length = Tensor::stack(&squares, 0).sum(Kind::Float).double_value(&[]).sqrt();
        if !length.is_finite() {
            // One step that bf16 could not hold is left out.
            tracing::debug!(step = self.step, "a gradient is not finite; the step is left out");
            return;
        }
        let scale = if length > longest { longest / length } else { 1.0 };
        self.step += 1;
        let (first_seen, second_seen) =
            (1.0 - FIRST.powi(self.step as i32), 1.0 - SECOND.powi(self.step.min(100_000) as i32));
        for (name, gradient) in gradients {
            let (Some(first), Some(second)) = (self.first.get_mut(name), self.second.get_mut(name)) else {
                continue;
            };
            let gradient = if scale < 1.0 { gradient * scale } else { gradient.shallow_clone() };
            let _ = first.lerp_(&gradient, 1.0 - FIRST);
            let _ = second.lerp_(&gradient.square(), 1.0 - SECOND);
            let mut divisor = second.sqrt();
            let _ = divisor.g_add_scalar_(EPSILON * second_seen.sqrt());
            let change = first.g_div(&divisor) * (-rate * second_seen.sqrt() / first_seen);
            let mut tensor = parameters.get(name).shallow_clone();
            let _ = tensor.g_add_(&change);
        }
    }

    /// Moments as weights, under the tensors' names with `first.` and `second.` before them, and the number of steps.
    pub(super) fn state(&self) -> (Weights, u64) {
        let mut weights = Weights::default();
        for (kind, moments) in [("first", &self.first), ("second", &self.second)] {
            for (name, tensor) in moments {
                weights.set_from(&format!("{kind}.{name}"), tensor);
            }
        }
        (weights, self.step)
    }

    /// Goes on from [`Adam::state`].
    pub(super) fn restore(&mut self, weights: &Weights, step: u64, device: Device) {
        for (kind, moments) in [("first", &mut self.first), ("second", &mut self.second)] {
            for (name, tensor) in moments.iter_mut() {
                let key = format!("{kind}.{name}");
                if weights.get(&key).is_some() {
                    *tensor = weights.tensor(&key, device);
                }
            }
        }
        self.step = step;
    }
}
