//! The GRU over many readers' reads, forward and backward.
//!
//! The formulas are those of `torch.nn.GRU` (as in `gates`), and the backward pass is written out: all that does not depend on the step before
//! is one product for all steps, and no tensor of a product is kept in two precisions. On a processor it is several times faster than what the
//! library derives, step by step, and it is the same code on a GPU. A test holds it to the library's own derivatives.
//!
//! Rows are *packed*: the readers are in the order of how many reads they have, most first, and step `t` has one row for each reader that
//! has more than `t`. So nothing is computed for a reader who has ended.

use tch::{Kind, Tensor};

use super::adam::Gradients;
use super::network::Parameters;
use crate::WIDTH;

const W: i64 = WIDTH as i64;

/// One layer's names, so that they need not be put together.
const NAMES: [[&str; 4]; 2] = [
    ["gru.weight_ih_l0", "gru.weight_hh_l0", "gru.bias_ih_l0", "gru.bias_hh_l0"],
    ["gru.weight_ih_l1", "gru.weight_hh_l1", "gru.bias_ih_l1", "gru.bias_hh_l1"],
];

/// A layer's pass over a chunk, with what the way back needs.
pub(super) struct Pass {
    /// Hidden state after each row, packed `[rows, WIDTH]`.
    pub(super) states: Tensor,
    /// The last hidden state of each reader, `[readers, WIDTH]`.
    pub(super) last: Tensor,
    saved: Option<Saved>,
}

struct Saved {
    layer: usize,
    input: Tensor,
    steps: Vec<SavedStep>,
}

struct SavedStep {
    /// Reset and update gate side by side.
    gates: Tensor,
    candidate: Tensor,
    /// The hidden state's part of the candidate, before the reset gate.
    hidden_part: Tensor,
    before: Tensor,
}

/// Runs one layer. `input` is packed `[rows, WIDTH]`, `counts` the rows of each step, `before` `[readers, WIDTH]`.
pub(super) fn forward(
    parameters: &Parameters,
    layer: usize,
    input: &Tensor,
    counts: &[i64],
    before: &Tensor,
    keep: bool,
) -> Pass {
    let _no_grad = tch::no_grad_guard();
    let [weight_ih, weight_hh, bias_ih, bias_hh] = NAMES[layer].map(|name| parameters.get(name));
    let input = parameters.low(input);
    let sums = parameters.times(&input, &parameters.low(weight_ih).tr()) + bias_ih;
    // Laid out anew once, since few rows times a transposed view is slow.
    let recurrent = parameters.low(weight_hh).tr().contiguous();
    let (mut states, mut steps) = (Vec::with_capacity(counts.len()), Vec::new());
    let mut ended = Vec::new();
    let mut state = before.shallow_clone();
    let mut row = 0;
    for &count in counts {
        if state.size()[0] > count {
            ended.push(state.narrow(0, count, state.size()[0] - count));
            state = state.narrow(0, 0, count);
        }
        let own = parameters.times(&parameters.low(&state), &recurrent) + bias_hh;
        let given = sums.narrow(0, row, count);
        let gates = (given.narrow(1, 0, 2 * W) + own.narrow(1, 0, 2 * W)).sigmoid();
        let hidden_part = own.narrow(1, 2 * W, W);
        let candidate = (given.narrow(1, 2 * W, W) + gates.narrow(1, 0, W) * &hidden_part).tanh();
        let after = candidate.lerp_tensor(&state, &gates.narrow(1, W, W));
        if keep {
            steps.push(SavedStep { gates, candidate, hidden_part, before: state });
        }
        state = after;
        states.push(state.shallow_clone());
        row += count;
    }
    ended.push(state);
    ended.reverse();
    Pass {
        states: Tensor::cat(&states, 0),
        last: Tensor::cat(&ended, 0),
        saved: keep.then_some(Saved { layer, input, steps }),
    }
}

/// The way back through a layer. `upper` is the gradient of the loss by [`Pass::states`]. Adds the gradients of the layer's
/// tensors, and gives that of its input. The hidden state from before the chunk is taken as given.
pub(super) fn backward(
    parameters: &Parameters,
    pass: Pass,
    upper: &Tensor,
    gradients: &mut Gradients,
) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let Some(Saved { layer, input, steps }) = pass.saved else {
        unreachable!("a pass that is gone back through was made to be");
    };
    let [weight_ih, weight_hh] = [0, 1].map(|place| parameters.low(parameters.get(NAMES[layer][place])));
    let (mut given, mut own) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
    let mut carried: Option<Tensor> = None;
    let mut end = upper.size()[0];
    for step in steps.iter().rev() {
        let count = step.before.size()[0];
        let by_state = upper.narrow(0, end - count, count).copy();
        end -= count;
        if let Some(carried) = carried {
            let mut going_on = by_state.narrow(0, 0, carried.size()[0]);
            let _ = going_on.g_add_(&carried);
        }
        let (reset, update) = (step.gates.narrow(1, 0, W), step.gates.narrow(1, W, W));
        let kept = &by_state * &update;
        let by_candidate = (&by_state - &kept) * (1.0 - step.candidate.square());
        let by_update = (&step.before - &step.candidate) * &kept * (1.0 - &update);
        let by_hidden_part = &by_candidate * &reset;
        let by_reset = &by_hidden_part * &step.hidden_part * (1.0 - &reset);
        given.push(parameters.low(&Tensor::cat(&[&by_reset, &by_update, &by_candidate], 1)));
        let by_own = parameters.low(&Tensor::cat(&[&by_reset, &by_update, &by_hidden_part], 1));
        carried = Some(kept + parameters.times(&by_own, &weight_hh));
        own.push(by_own);
    }
    given.reverse();
    own.reverse();
    let (given, own) = (Tensor::cat(&given, 0), Tensor::cat(&own, 0));
    let before: Vec<Tensor> = steps.iter().map(|step| parameters.low(&step.before)).collect();
    let sum = |rows: &Tensor| rows.sum_dim_intlist(0, false, Kind::Float);
    let found = [
        parameters.times(&given.tr(), &input),
        parameters.times(&own.tr(), &Tensor::cat(&before, 0)),
        sum(&given),
        sum(&own),
    ];
    for (name, gradient) in NAMES[layer].into_iter().zip(found) {
        gradients.insert(name, gradient);
    }
    parameters.times(&given, &weight_ih)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::weights::{SESSION, Weights};

    fn parameters() -> Parameters {
        let mut weights = Weights::untrained(5);
        for name in NAMES.iter().flatten() {
            // Far enough from the start that every gate does something.
            let noise =
                Tensor::arange(weights.tensor(name, Device::Cpu).numel() as i64, (Kind::Float, Device::Cpu));
            let noise = (noise * 0.7).sin().view_as(&weights.tensor(name, Device::Cpu)) * 0.03;
            let changed = weights.tensor(name, Device::Cpu) + noise;
            weights.set_from(name, &changed);
        }
        Parameters::new(&weights, SESSION, Device::Cpu, false)
    }

    fn some(rows: i64, from: i64) -> Tensor {
        (Tensor::arange(rows * W, (Kind::Float, Device::Cpu)) + from).sin().view([rows, W]) * 0.5
    }

    /// The same layer as the library derives it, reader by reader.
    fn derived(parameters: &Parameters, input: &Tensor, before: &Tensor) -> Tensor {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = NAMES[0].map(|name| parameters.get(name));
        let mut state = before.shallow_clone();
        let mut states = Vec::new();
        for read in input.split(1, 0) {
            let given = read.matmul(&weight_ih.tr()) + bias_ih;
            let own = state.matmul(&weight_hh.tr()) + bias_hh;
            let gates = (given.narrow(1, 0, 2 * W) + own.narrow(1, 0, 2 * W)).sigmoid();
            let candidate =
                (given.narrow(1, 2 * W, W) + gates.narrow(1, 0, W) * own.narrow(1, 2 * W, W)).tanh();
            state = &candidate + gates.narrow(1, W, W) * (&state - &candidate);
            states.push(state.shallow_clone());
        }
        Tensor::cat(&states, 0)
    }

    fn farthest(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn states_and_gradients_are_those_that_the_library_derives() {
        let parameters = parameters();
        // Three readers of three, two and one reads: rows 0 1 2, 3 4, 5.
        let counts = [3, 2, 1];
        let rows_of = [vec![0i64, 3, 5], vec![1, 4], vec![2]];
        let (input, before) = (some(6, 0), some(3, 9_000));
        let upper = some(6, 777);

        let given = input.copy().set_requires_grad(true);
        let mut loss = Tensor::zeros([], (Kind::Float, Device::Cpu));
        let mut expected_last = Vec::new();
        for (reader, rows) in rows_of.iter().enumerate() {
            let rows = Tensor::from_slice(rows);
            let states =
                derived(&parameters, &given.index_select(0, &rows), &before.narrow(0, reader as i64, 1));
            expected_last.push(states.narrow(0, states.size()[0] - 1, 1).detach());
            loss += (states * upper.index_select(0, &rows)).sum(Kind::Float);
        }
        loss.backward();

        let pass = forward(&parameters, 0, &input, &counts, &before, true);
        assert!(farthest(&pass.last, &Tensor::cat(&expected_last, 0)) < 1e-5);
        let mut gradients = Gradients::new();
        let by_input = backward(&parameters, pass, &upper, &mut gradients);
        assert!(farthest(&by_input, &given.grad()) < 1e-4);
        for name in NAMES[0] {
            let expected = parameters.get(name).grad();
            let scale = expected.abs().max().double_value(&[]).max(1e-3);
            assert!(farthest(&gradients[name], &expected) / scale < 1e-4, "{name}");
        }
    }

    #[test]
    fn a_state_carried_over_gives_what_the_whole_gives() {
        let parameters = parameters();
        let (input, before) = (some(10, 3), some(2, 50));
        let whole = forward(&parameters, 1, &input, &[2, 2, 2, 2, 2], &before, false);
        let first = forward(&parameters, 1, &input.narrow(0, 0, 6), &[2, 2, 2], &before, false);
        let second = forward(&parameters, 1, &input.narrow(0, 6, 4), &[2, 2], &first.last, false);
        assert!(farthest(&whole.last, &second.last) < 1e-6);
        assert!(farthest(&whole.states.narrow(0, 6, 4), &second.states) < 1e-6);
    }

    #[test]
    fn bf16_products_stay_near() {
        let mut weights = Weights::default();
        let exact = parameters();
        exact.save_to(&mut weights);
        let rough = Parameters::new(&weights, SESSION, Device::Cpu, true);
        let (input, before) = (some(4, 1), some(2, 2));
        let run = |parameters: &Parameters| forward(parameters, 0, &input, &[2, 2], &before, false).states;
        assert!(farthest(&run(&exact), &run(&rough)) < 0.05);
    }
}
