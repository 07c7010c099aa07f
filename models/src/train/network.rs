//! Both networks with gradients: the same formulas as in `session` and `rerank`, on whole batches. The GRU is in `gru`.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tch::{Device, Kind, Tensor};

use super::adam::Gradients;
use crate::WIDTH;
use crate::weights::{HEADS, Shape, Weights};

/// The trained tensors of one network, by their names: `f32`, whatever the products run in.
pub(super) struct Parameters {
    tensors: BTreeMap<&'static str, Tensor>,
    device: Device,
    half: bool,
}

impl Parameters {
    pub(super) fn new(weights: &Weights, shapes: &[Shape], device: Device, half: bool) -> Self {
        let tensors = shapes
            .iter()
            .map(|(name, _)| (*name, weights.tensor(name, device).copy().set_requires_grad(true)))
            .collect();
        Self { tensors, device, half }
    }

    /// A tensor by name.
    pub(super) fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).expect("the network's names are those of its shapes")
    }

    /// Every tensor, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (*name, tensor))
    }

    /// Where the tensors are.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// Writes the tensors back.
    pub(super) fn save_to(&self, weights: &mut Weights) {
        for (name, tensor) in &self.tensors {
            weights.set_from(name, tensor);
        }
    }

    /// The gradients that the library derived since the last call.
    pub(super) fn take_gradients(&self) -> Gradients {
        let mut gradients = Gradients::new();
        for (name, tensor) in &self.tensors {
            let mut gradient = tensor.grad();
            if gradient.defined() {
                gradients.insert(*name, gradient.copy());
                let _ = tch::no_grad(|| gradient.zero_());
            }
        }
        gradients
    }

    /// A tensor in the products' precision.
    pub(super) fn low(&self, tensor: &Tensor) -> Tensor {
        if self.half { tensor.to_kind(Kind::BFloat16) } else { tensor.shallow_clone() }
    }

    /// The product of two tensors in the products' precision, as `f32`.
    pub(super) fn times(&self, left: &Tensor, right: &Tensor) -> Tensor {
        left.matmul(right).to_kind(Kind::Float)
    }

    /// `input x weight^T` in the products' precision, as `f32`.
    pub(super) fn product(&self, input: &Tensor, weight: &Tensor) -> Tensor {
        self.times(&self.low(input), &self.low(weight).tr())
    }

    fn affine(&self, input: &Tensor, name: &str) -> Tensor {
        self.product(input, self.get(&format!("{name}.weight"))) + self.get(&format!("{name}.bias"))
    }

    /// What behaviour adds to the article's vector: `[rows, 3]` to `[rows, WIDTH]`.
    pub(super) fn fusion(&self, behaviours: &Tensor) -> Tensor {
        let units = behaviours.matmul(&self.get("fusion.0.weight").tr()) + self.get("fusion.0.bias");
        self.affine(&units.relu(), "fusion.2")
    }

    /// Scores of candidates, `[B, N]`, from profiles `[B, 42]`, session embeddings `[B, WIDTH]` and candidates `[B, N, WIDTH]`.
    /// `absent` is `[B, 1, N]`: zero for a candidate, a large negative number for padding.
    pub(super) fn rerank(
        &self,
        rows: [&Tensor; 3],
        flags: &Tensor,
        sessions: &Tensor,
        candidates: &Tensor,
        absent: &Tensor,
        mask: impl FnOnce(&Tensor) -> Option<Tensor>,
    ) -> Tensor {
        let (heads, width) = (HEADS as i64, WIDTH as i64);
        let head = width / heads;
        let [device, gender, age] = rows;
        let known = Tensor::cat(
            &[
                self.get("device.weight").index_select(0, device),
                self.get("gender.weight").index_select(0, gender),
                self.get("age.weight").index_select(0, age),
                flags.shallow_clone(),
            ],
            1,
        );
        let profile = self.affine(&self.affine(&known, "profile.0").relu(), "profile.2");
        let joined = Tensor::cat(&[profile, sessions.shallow_clone()], 1);
        let (scale, shift) = (self.get("query_norm.weight"), self.get("query_norm.bias"));
        let normed = joined.layer_norm([joined.size()[1]], Some(scale), Some(shift), 1e-5, false);
        let query = self.affine(&normed, "query");

        let projections = self.get("attention.in_proj_weight").split(width, 0);
        let biases = self.get("attention.in_proj_bias").split(width, 0);
        let projected = (self.product(&query, &projections[0]) + &biases[0]).view([-1, heads, head]);
        let keys = projected.transpose(0, 1).bmm(&projections[1].view([heads, head, width])).transpose(0, 1);
        let shares = (keys.matmul(&candidates.transpose(1, 2)) / (head as f64).sqrt() + absent)
            .softmax(-1, Kind::Float);
        let means = shares.matmul(candidates);
        let values = means
            .transpose(0, 1)
            .bmm(&projections[2].view([heads, head, width]).transpose(1, 2))
            .transpose(0, 1);
        let attended = self.affine(&(values.reshape([-1, width]) + &biases[2]), "attention.out_proj");

        let query = (query + attended).unsqueeze(1);
        let (batch, count) = (candidates.size()[0], candidates.size()[1]);
        let units = self.affine(&(candidates * query).view([batch * count, width]), "score.0").relu();
        let units = match mask(&units) {
            Some(mask) => units * mask,
            None => units,
        };
        let scores = units.matmul(&self.get("score.2.weight").tr()) + self.get("score.2.bias");
        scores.view([batch, count])
    }
}

/// A mask that zeros a share of the units and lifts the rest, from our own seed: the library's generator is shared by all threads.
pub(super) fn dropout(units: &Tensor, share: f64, random: &mut ChaCha8Rng) -> Option<Tensor> {
    let limit = (share * 256.0).round() as u8;
    if limit == 0 {
        return None;
    }
    let kept = 256.0 / (256.0 - f64::from(limit));
    let mut bytes = vec![0u8; units.numel()];
    random.fill_bytes(&mut bytes);
    bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte >= limit));
    let mask = Tensor::from_slice(&bytes).view(units.size().as_slice());
    Some(mask.to_device(units.device()).to_kind(Kind::Float) * kept)
}
