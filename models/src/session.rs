//! The session model: one GRU step per read, in tiles of one fixed shape.
//!
//! A tile has one of a few numbers of rows, padded with zeros. The products then take the same path for every row, and a
//! row's bytes depend neither on its place nor on its neighbours. What is not a product is computed row by row here.
//!
//! Few rows take a smaller tile where that gives the same bits on this machine: it does where the library adds up a product in the same order
//! whatever the number of rows, which is tried with random numbers when the model is made.

use tch::{Device, Kind, Tensor};

use crate::card::{Precision, Scaling};
use crate::gates::{GateBiases, step_row};
use crate::seed::mix;
use crate::weights::{FUSION, Weights, numbers};
use crate::{HIDDEN, LAYERS, WIDTH};

/// What a reader did with one article.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Behaviour {
    /// Seconds on the page; `None` when unknown.
    pub read_seconds: Option<f32>,
    /// How far the page was scrolled, 0 to 100; `None` when unknown.
    pub scroll_percent: Option<f32>,
    /// The how-manieth read it is since the reader's last gap of 30 minutes; the first is 1.
    pub position: u32,
}

impl Behaviour {
    /// The three inputs of the fusion: `log1p(seconds) / log1p(600)`, `percent / 100`, `log1p(n) / log1p(50)`.
    ///
    /// What is missing, or is no number, takes the training mean.
    pub fn scaled(&self, scaling: &Scaling) -> [f32; 3] {
        let read = match self.read_seconds {
            Some(seconds) if seconds.is_finite() => scaled_read(seconds),
            _ => scaling.mean_read,
        };
        let scroll = match self.scroll_percent {
            Some(percent) if percent.is_finite() => scaled_scroll(percent),
            _ => scaling.mean_scroll,
        };
        let position = (f64::from(self.position).ln_1p() / 50f64.ln_1p()) as f32;
        [read, scroll, position]
    }
}

pub(crate) fn scaled_read(seconds: f32) -> f32 {
    (f64::from(seconds.max(0.0)).ln_1p() / 600f64.ln_1p()) as f32
}

pub(crate) fn scaled_scroll(percent: f32) -> f32 {
    percent.clamp(0.0, 100.0) / 100.0
}

/// One GRU layer, its weights laid out for two kinds of products: both gates from input and hidden state at once, so that their
/// sum is taken inside the product; and the candidate's two halves, which the reset gate keeps apart.
struct Layer {
    /// `[2 * WIDTH inputs, 2 * WIDTH]`, transposed view.
    reset_update: Tensor,
    /// `[WIDTH, WIDTH]`, transposed view.
    candidate_input: Tensor,
    /// `[WIDTH, WIDTH]`, transposed view.
    candidate_hidden: Tensor,
    biases: GateBiases,
}

impl Layer {
    fn new(weights: &Weights, layer: usize, kind: Kind, device: Device) -> Self {
        let part = |side: &str| weights.tensor(&format!("gru.weight_{side}_l{layer}"), device).to_kind(kind);
        let bias = |side: &str| numbers(&weights.tensor(&format!("gru.bias_{side}_l{layer}"), Device::Cpu));
        let (input, hidden) = (part("ih"), part("hh"));
        let (input_bias, hidden_bias) = (bias("ih"), bias("hh"));
        let (gates, width) = (2 * WIDTH as i64, WIDTH as i64);
        let both = Tensor::cat(&[input.narrow(0, 0, gates), hidden.narrow(0, 0, gates)], 1);
        Self {
            reset_update: both.contiguous().tr(),
            candidate_input: input.narrow(0, gates, width).contiguous().tr(),
            candidate_hidden: hidden.narrow(0, gates, width).contiguous().tr(),
            biases: GateBiases {
                reset_update: (0..2 * WIDTH).map(|unit| input_bias[unit] + hidden_bias[unit]).collect(),
                candidate_input: input_bias[2 * WIDTH..].to_vec(),
                candidate_hidden: hidden_bias[2 * WIDTH..].to_vec(),
            },
        }
    }
}

/// Parts of a tile that are tried for tiles of fewer rows.
const PARTS: [usize; 3] = [8, 4, 2];

/// Tensors and buffers that every tile of one number of rows reuses.
struct Scratch {
    rows: usize,
    /// Input and hidden state side by side, `[tile, 2 * WIDTH]`, in the products' precision.
    both: Tensor,
    reset_update: Tensor,
    input: Tensor,
    hidden: Tensor,
    host_both: Vec<f32>,
    host_reset_update: Vec<f32>,
    host_input: Vec<f32>,
    host_hidden: Vec<f32>,
    fused: Vec<f32>,
    behaviour: Vec<f32>,
}

impl Scratch {
    fn new(rows: usize, kind: Kind, device: Device) -> Self {
        let tensor = |columns: usize| Tensor::zeros([rows as i64, columns as i64], (kind, device));
        Self {
            rows,
            both: tensor(2 * WIDTH),
            reset_update: tensor(2 * WIDTH),
            input: tensor(WIDTH),
            hidden: tensor(WIDTH),
            host_both: vec![0.0; rows * 2 * WIDTH],
            host_reset_update: vec![0.0; rows * 2 * WIDTH],
            host_input: vec![0.0; rows * WIDTH],
            host_hidden: vec![0.0; rows * WIDTH],
            fused: vec![0.0; rows * WIDTH],
            behaviour: vec![0.0; rows * FUSION],
        }
    }
}

/// The session model on one device, ready to step.
pub struct SessionModel {
    device: Device,
    scaling: Scaling,
    fusion_in: Vec<f32>,
    fusion_in_bias: Vec<f32>,
    /// `[FUSION, WIDTH]`, transposed view, always `f32`: it is small.
    fusion_out: Tensor,
    fusion_out_bias: Vec<f32>,
    layers: Vec<Layer>,
    /// One for each number of rows, the fewest first.
    tiles: Vec<Scratch>,
}

impl SessionModel {
    /// Lays the weights out on a device.
    ///
    /// # Panics
    /// When `tile` is less than two (one row takes another kernel, whose last bits differ), or the weights are not whole.
    pub fn new(
        weights: &Weights,
        scaling: Scaling,
        precision: Precision,
        tile: usize,
        device: Device,
    ) -> Self {
        assert!(tile >= 2, "a tile has at least two rows");
        let kind = match precision {
            Precision::F32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
        };
        let host = |name: &str| numbers(&weights.tensor(name, Device::Cpu));
        let mut model = Self {
            device,
            scaling,
            fusion_in: host("fusion.0.weight"),
            fusion_in_bias: host("fusion.0.bias"),
            fusion_out: weights.tensor("fusion.2.weight", device).tr(),
            fusion_out_bias: host("fusion.2.bias"),
            layers: (0..LAYERS).map(|layer| Layer::new(weights, layer, kind, device)).collect(),
            tiles: vec![Scratch::new(tile, kind, device)],
        };
        let smaller = PARTS.map(|part| tile / part).into_iter().filter(|rows| *rows >= 2);
        let smaller = smaller.map(|rows| Scratch::new(rows, kind, device));
        let same: Vec<Scratch> = smaller.filter_map(|smaller| model.if_same_bits(smaller)).collect();
        model.tiles.splice(0..0, same);
        let rows: Vec<usize> = model.tiles.iter().map(|scratch| scratch.rows).collect();
        tracing::info!(?rows, "tiles of the session model");
        model
    }

    /// A smaller tile, if its rows have the bits that they have in a whole one.
    fn if_same_bits(&mut self, mut smaller: Scratch) -> Option<Scratch> {
        let rows = smaller.rows;
        // Each number of its own, and none of them round: another order of adding up shows in some last bit of a thousand sums.
        let number = |place: usize| (mix(place as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let hidden: Vec<f32> = (0..rows * HIDDEN).map(number).collect();
        let vectors: Vec<f32> = (0..rows * WIDTH).map(|place| number(!place)).collect();
        let behaviours: Vec<Behaviour> = (0..rows as u32)
            .map(|row| Behaviour {
                read_seconds: Some(7.0 * row as f32),
                scroll_percent: None,
                position: row,
            })
            .collect();
        let mut whole = vec![0.0; hidden.len()];
        let mut part = whole.clone();
        self.step_tile(&hidden, &vectors, &behaviours, &mut whole);
        std::mem::swap(&mut self.tiles[0], &mut smaller);
        self.step_tile(&hidden, &vectors, &behaviours, &mut part);
        std::mem::swap(&mut self.tiles[0], &mut smaller);
        let same = whole.iter().zip(&part).all(|(a, b)| a.to_bits() == b.to_bits());
        same.then_some(smaller)
    }

    /// The most rows of a tile.
    pub fn tile(&self) -> usize {
        self.tiles.last().map_or(0, |scratch| scratch.rows)
    }

    /// Steps up to a tile of readers by one read each.
    ///
    /// `hidden` is flat `[n, LAYERS, WIDTH]`, `vectors` flat `[n, WIDTH]`; the new hidden states go to `after`, of `hidden`'s shape.
    ///
    /// # Panics
    /// When there are more rows than a tile has, or the lengths do not fit one another.
    pub fn step_tile(
        &mut self,
        hidden: &[f32],
        vectors: &[f32],
        behaviours: &[Behaviour],
        after: &mut [f32],
    ) {
        let rows = behaviours.len();
        assert!(rows <= self.tile(), "{rows} rows do not fit a tile of {}", self.tile());
        assert_eq!(hidden.len(), rows * HIDDEN, "hidden states and behaviours differ in number");
        assert_eq!(vectors.len(), rows * WIDTH, "vectors and behaviours differ in number");
        assert_eq!(after.len(), hidden.len(), "old and new hidden states differ in number");
        let _no_grad = tch::no_grad_guard();

        let Some(place) = self.tiles.iter().position(|scratch| rows <= scratch.rows) else { return };
        let scratch = &mut self.tiles[place];
        let fusion = (&self.fusion_in[..], &self.fusion_in_bias[..], &self.fusion_out);
        fuse(scratch, fusion, &self.scaling, self.device, behaviours);
        scratch.host_both[rows * 2 * WIDTH..].fill(0.0);
        for row in 0..rows {
            let (input, before) = scratch.host_both[row * 2 * WIDTH..][..2 * WIDTH].split_at_mut(WIDTH);
            let (vector, fused) = (&vectors[row * WIDTH..][..WIDTH], &scratch.fused[row * WIDTH..][..WIDTH]);
            for unit in 0..WIDTH {
                input[unit] = vector[unit] + (fused[unit] + self.fusion_out_bias[unit]);
            }
            before.copy_from_slice(&hidden[row * HIDDEN..][..WIDTH]);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                for row in 0..rows {
                    let (input, before) =
                        scratch.host_both[row * 2 * WIDTH..][..2 * WIDTH].split_at_mut(WIDTH);
                    input.copy_from_slice(&after[row * HIDDEN + (index - 1) * WIDTH..][..WIDTH]);
                    before.copy_from_slice(&hidden[row * HIDDEN + index * WIDTH..][..WIDTH]);
                }
            }
            multiply(layer, scratch);
            for row in 0..rows {
                let at = row * HIDDEN + index * WIDTH;
                step_row(
                    &layer.biases,
                    &scratch.host_reset_update[row * 2 * WIDTH..],
                    &scratch.host_input[row * WIDTH..],
                    &scratch.host_hidden[row * WIDTH..],
                    &hidden[at..],
                    &mut after[at..],
                );
            }
        }
    }
}

/// `Linear(3 -> 64) -> ReLU -> Linear(64 -> 768)`, its last bias left out, into `scratch.fused`.
fn fuse(
    scratch: &mut Scratch,
    (weights_in, bias_in, weights_out): (&[f32], &[f32], &Tensor),
    scaling: &Scaling,
    device: Device,
    behaviours: &[Behaviour],
) {
    scratch.behaviour.fill(0.0);
    for (behaviour, units) in behaviours.iter().zip(scratch.behaviour.chunks_exact_mut(FUSION)) {
        let [read, scroll, position] = behaviour.scaled(scaling);
        for (unit, value) in units.iter_mut().enumerate() {
            let weight = &weights_in[unit * 3..][..3];
            let sum = weight[0] * read + weight[1] * scroll + weight[2] * position + bias_in[unit];
            *value = sum.max(0.0);
        }
    }
    let units = Tensor::from_slice(&scratch.behaviour).view([scratch.rows as i64, FUSION as i64]);
    let fused = units.to_device(device).mm(weights_out);
    fetch(&fused, &mut scratch.fused);
}

/// The three products of one layer, from `host_both` to the other host buffers.
fn multiply(layer: &Layer, scratch: &mut Scratch) {
    let (tile, width) = (scratch.rows as i64, WIDTH as i64);
    scratch.both.copy_(&Tensor::from_slice(&scratch.host_both).view([tile, 2 * width]));
    let (input, hidden) = (scratch.both.narrow(1, 0, width), scratch.both.narrow(1, width, width));
    let _ = scratch.both.mm_out(&scratch.reset_update, &layer.reset_update);
    let _ = input.mm_out(&scratch.input, &layer.candidate_input);
    let _ = hidden.mm_out(&scratch.hidden, &layer.candidate_hidden);
    fetch(&scratch.reset_update, &mut scratch.host_reset_update);
    fetch(&scratch.input, &mut scratch.host_input);
    fetch(&scratch.hidden, &mut scratch.host_hidden);
}

/// Copies a tensor to the host as `f32`.
fn fetch(tensor: &Tensor, host: &mut [f32]) {
    let count = host.len();
    tensor.to_device(Device::Cpu).to_kind(Kind::Float).copy_data(host, count);
}
