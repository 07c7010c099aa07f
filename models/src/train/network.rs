//! Both networks with gradients: the same formulas as in `session` and `rerank`, on whole chunks of sequences.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::weights::{HEADS, Shape, Weights};
use crate::{LAYERS, WIDTH};

/// The trained tensors of one network, by their names.
pub(super) struct Parameters {
    pub(super) store: VarStore,
    tensors: BTreeMap<&'static str, Tensor>,
    half: bool,
}

impl Parameters {
    pub(super) fn new(weights: &Weights, shapes: &[Shape], half: bool) -> Self {
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let tensors = shapes
            .iter()
            // The library keeps the dot for itself.
            .map(|(name, _)| {
                (*name, root.var_copy(&name.replace('.', "|"), &weights.tensor(name, Device::Cpu)))
            })
            .collect();
        Self { store, tensors, half }
    }

    /// A tensor by name.
    pub(super) fn get(&self, name: &str) -> &Tensor {
        self.tensors.get(name).expect("the network's names are those of its shapes")
    }

    /// Whether products run in bf16.
    pub(super) fn half(&self) -> bool {
        self.half
    }

    /// Writes the tensors back.
    pub(super) fn save_to(&self, weights: &mut Weights) {
        for (name, tensor) in &self.tensors {
            weights.set_from(name, tensor);
        }
    }

    /// `input x weight^T` in the products' precision, as `f32`.
    pub(super) fn product(&self, input: &Tensor, weight: &Tensor) -> Tensor {
        if self.half {
            let (input, weight) = (input.to_kind(Kind::BFloat16), weight.to_kind(Kind::BFloat16));
            input.matmul(&weight.tr()).to_kind(Kind::Float)
        } else {
            input.matmul(&weight.tr())
        }
    }

    fn affine(&self, input: &Tensor, name: &str) -> Tensor {
        self.product(input, self.get(&format!("{name}.weight"))) + self.get(&format!("{name}.bias"))
    }

    /// Runs a chunk of `reads` reads of `readers` readers through fusion and GRU.
    ///
    /// `behaviours` is `[reads * readers, 3]`, `vectors` `[reads * readers, WIDTH]`, both read by read; `hidden` one `[readers, WIDTH]` a
    /// layer. Gives the top layer's hidden state after each read, and the last hidden states.
    pub(super) fn session(
        &self,
        behaviours: &Tensor,
        vectors: &Tensor,
        hidden: &[Tensor],
        mut dropped: impl FnMut(&Tensor) -> Tensor,
    ) -> (Tensor, Vec<Tensor>) {
        let readers = hidden[0].size()[0];
        let width = WIDTH as i64;
        let fused = behaviours.matmul(&self.get("fusion.0.weight").tr()) + self.get("fusion.0.bias");
        let mut input = vectors + self.affine(&fused.relu(), "fusion.2");
        let mut last = Vec::with_capacity(LAYERS);
        for (layer, before) in hidden.iter().enumerate() {
            let part = |kind: &str| self.get(&format!("gru.{kind}_l{layer}"));
            let sums = self.product(&input, part("weight_ih")) + part("bias_ih");
            let recurrent = if self.half {
                part("weight_hh").to_kind(Kind::BFloat16)
            } else {
                part("weight_hh").shallow_clone()
            };
            let recurrent = recurrent.tr();
            let kind = recurrent.kind();
            let mut state = before.shallow_clone();
            let mut states = Vec::new();
            for read in sums.split(readers, 0) {
                let own = state.to_kind(kind).matmul(&recurrent).to_kind(Kind::Float) + part("bias_hh");
                let gates = (read.narrow(1, 0, 2 * width) + own.narrow(1, 0, 2 * width)).sigmoid();
                let (reset, update) = (gates.narrow(1, 0, width), gates.narrow(1, width, width));
                let candidate =
                    (read.narrow(1, 2 * width, width) + reset * own.narrow(1, 2 * width, width)).tanh();
                state = &candidate + update * (&state - &candidate);
                states.push(state.shallow_clone());
            }
            last.push(state);
            input = Tensor::cat(&states, 0);
            if layer + 1 < LAYERS {
                input = dropped(&input);
            }
        }
        (input, last)
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
        dropped: impl FnOnce(&Tensor) -> Tensor,
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
        let scores = dropped(&units).matmul(&self.get("score.2.weight").tr()) + self.get("score.2.bias");
        scores.view([batch, count])
    }
}

/// Zeros a share of the units and lifts the rest, from our own seed: the library's generator is shared by all threads.
pub(super) fn dropout(units: &Tensor, share: f64, random: &mut ChaCha8Rng) -> Tensor {
    let limit = (share * 256.0).round() as u8;
    if limit == 0 {
        return units.shallow_clone();
    }
    let kept = 256.0 / (256.0 - f64::from(limit));
    let mut bytes = vec![0u8; units.numel()];
    random.fill_bytes(&mut bytes);
    bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte >= limit));
    let mask = Tensor::from_slice(&bytes).view(units.size().as_slice()).to_kind(Kind::Float) * kept;
    units * mask
}
