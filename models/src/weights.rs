//! The numbers of both networks, under the names that PyTorch's `state_dict` gives them. Plain memory, no device.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::seed::uniform;
use crate::{LAYERS, WIDTH};

/// Width of the hidden layer that turns behaviour into a vector.
pub const FUSION: usize = 64;
/// Heads of the reranker's attention.
pub const HEADS: usize = 8;
/// Inputs of the profile network: device 16, gender 8, age 16, and two flags.
pub const PROFILE_INPUT: usize = 42;
/// Outputs of the profile network.
pub const PROFILE: usize = 128;
/// Hidden units of the score head.
pub const SCORE: usize = 128;

/// A tensor's name and its shape.
pub type Shape = (&'static str, &'static [usize]);

/// Every tensor of the session model.
pub const SESSION: &[Shape] = &[
    ("fusion.0.weight", &[FUSION, 3]),
    ("fusion.0.bias", &[FUSION]),
    ("fusion.2.weight", &[WIDTH, FUSION]),
    ("fusion.2.bias", &[WIDTH]),
    ("gru.weight_ih_l0", &[3 * WIDTH, WIDTH]),
    ("gru.weight_hh_l0", &[3 * WIDTH, WIDTH]),
    ("gru.bias_ih_l0", &[3 * WIDTH]),
    ("gru.bias_hh_l0", &[3 * WIDTH]),
    ("gru.weight_ih_l1", &[3 * WIDTH, WIDTH]),
    ("gru.weight_hh_l1", &[3 * WIDTH, WIDTH]),
    ("gru.bias_ih_l1", &[3 * WIDTH]),
    ("gru.bias_hh_l1", &[3 * WIDTH]),
];

/// Every tensor of the reranker.
pub const RERANKER: &[Shape] = &[
    ("device.weight", &[5, 16]),
    ("gender.weight", &[3, 8]),
    ("age.weight", &[10, 16]),
    ("profile.0.weight", &[64, PROFILE_INPUT]),
    ("profile.0.bias", &[64]),
    ("profile.2.weight", &[PROFILE, 64]),
    ("profile.2.bias", &[PROFILE]),
    ("query_norm.weight", &[PROFILE + WIDTH]),
    ("query_norm.bias", &[PROFILE + WIDTH]),
    ("query.weight", &[WIDTH, PROFILE + WIDTH]),
    ("query.bias", &[WIDTH]),
    ("attention.in_proj_weight", &[3 * WIDTH, WIDTH]),
    ("attention.in_proj_bias", &[3 * WIDTH]),
    ("attention.out_proj.weight", &[WIDTH, WIDTH]),
    ("attention.out_proj.bias", &[WIDTH]),
    ("score.0.weight", &[SCORE, WIDTH]),
    ("score.0.bias", &[SCORE]),
    ("score.2.weight", &[1, SCORE]),
    ("score.2.bias", &[1]),
];

/// One tensor's shape and numbers, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The numbers; as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// All tensors of a model, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(BTreeMap<String, Array>);

impl Weights {
    /// Adds a tensor, or replaces it.
    ///
    /// # Panics
    /// When `data` does not fill `shape`.
    pub fn insert(&mut self, name: &str, shape: &[usize], data: Vec<f32>) {
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "{name}: the numbers do not fill the shape {shape:?}"
        );
        self.0.insert(name.to_owned(), Array { shape: shape.to_vec(), data });
    }

    /// A tensor's shape and numbers.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.0.get(name)
    }

    /// Every tensor, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.0.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// What is missing or has another shape, in words; `None` when both networks are whole.
    pub fn fault(&self) -> Option<String> {
        for (name, shape) in SESSION.iter().chain(RERANKER) {
            match self.get(name) {
                None => return Some(format!("tensor {name} is missing")),
                Some(array) if array.shape != *shape => {
                    return Some(format!("tensor {name} has shape {:?}, expected {shape:?}", array.shape));
                }
                Some(array) if !array.data.iter().all(|number| number.is_finite()) => {
                    return Some(format!("tensor {name} holds a number that is not finite"));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// A tensor on a device, in `f32`.
    ///
    /// # Panics
    /// When there is no such tensor: [`Weights::fault`] is asked first.
    pub fn tensor(&self, name: &str, device: Device) -> Tensor {
        let array = self.get(name).expect("weights are checked by name before they are used");
        let shape: Vec<i64> = array.shape.iter().map(|&length| length as i64).collect();
        Tensor::from_slice(&array.data).view(shape.as_slice()).to_device(device)
    }

    /// Takes a tensor's numbers back from a device.
    pub fn set_from(&mut self, name: &str, tensor: &Tensor) {
        let shape: Vec<usize> = tensor.size().iter().map(|&length| length as usize).collect();
        self.insert(name, &shape, numbers(tensor));
    }

    /// Takes every tensor named in `shapes` from `other`.
    pub fn take_part(&mut self, shapes: &[Shape], other: &Weights) {
        for (name, _) in shapes {
            if let Some(array) = other.get(name) {
                self.0.insert((*name).to_owned(), array.clone());
            }
        }
    }

    /// Feeds names, shapes and numbers of a part into a hash.
    pub(crate) fn hash_part(&self, shapes: &[Shape], hash: &mut Sha256) {
        for (name, _) in shapes {
            let Some(array) = self.get(name) else { continue };
            hash.update(name.as_bytes());
            hash.update(format!("{:?}", array.shape).as_bytes());
            let bytes: Vec<u8> = array.data.iter().flat_map(|number| number.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    }

    /// Both networks before any training.
    ///
    /// The GRU starts as what one would write by hand: each layer keeps a moving average of what it is fed (an update gate
    /// that takes a third of the new, candidates that pass their input through), so that an untrained session embedding
    /// points where the reader's last articles are, and training starts from there. The reranker starts as the product of session
    /// embedding and candidate. All else is small and random, most of it PyTorch's own start, uniform within `1 / sqrt(inputs)`.
    pub fn untrained(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = Self::default();
        for (name, shape) in SESSION.iter().chain(RERANKER) {
            let count = shape.iter().product();
            let inputs = shape.last().copied().unwrap_or(1);
            let bound = match *name {
                "device.weight" | "gender.weight" | "age.weight" => 0.5,
                // The behaviour starts as a whisper beside the article's vector, whose entries are near 0.04.
                name if name.starts_with("fusion.2") => 0.005,
                name if name.starts_with("gru.") => 0.2 / (WIDTH as f32).sqrt(),
                "score.0.weight" | "score.2.weight" => 0.02,
                "query.weight" => 0.2 / (inputs as f32).sqrt(),
                _ if shape.len() == 1 => 0.0,
                _ => 1.0 / (inputs as f32).sqrt(),
            };
            let mut data: Vec<f32> = (0..count).map(|_| uniform(&mut random, bound)).collect();
            match *name {
                "query_norm.weight" => data.fill(1.0),
                name if name.starts_with("gru.bias") => data.fill(0.0),
                _ => {}
            }
            weights.insert(name, shape, data);
        }
        for layer in 0..LAYERS {
            weights.start_as_moving_average(layer);
        }
        weights.start_as_cosine();
        weights
    }

    /// Lets both layers' moving averages reach far back: the lower keeps 0.88 of what it has at each read, the upper passes on what it is fed.
    /// Training starts here, since to attend to the last reads is learned sooner than to remember.
    pub(crate) fn remember_long(&mut self) {
        for (layer, keep_logit) in [(0, 2.0), (1, -2.0)] {
            if let Some(array) = self.0.get_mut(&format!("gru.bias_ih_l{layer}")) {
                array.data[WIDTH..2 * WIDTH].fill(keep_logit);
            }
        }
    }

    /// The query passes the session embedding on; half of the score head's units add up its product with the candidate, the
    /// other half the negative of it, so that the score is a straight line in the product.
    fn start_as_cosine(&mut self) {
        const SLOPE: f32 = 0.2;
        if let Some(array) = self.0.get_mut("query.weight") {
            for unit in 0..WIDTH {
                array.data[unit * (PROFILE + WIDTH) + PROFILE + unit] += 1.0;
            }
        }
        for unit in 0..SCORE {
            let sign = if unit < SCORE / 2 { 1.0 } else { -1.0 };
            if let Some(array) = self.0.get_mut("score.0.weight") {
                array.data[unit * WIDTH..][..WIDTH].iter_mut().for_each(|number| *number += sign * SLOPE);
            }
            if let Some(array) = self.0.get_mut("score.2.weight") {
                array.data[unit] += sign * 2.0 / SCORE as f32;
            }
        }
    }

    fn start_as_moving_average(&mut self, layer: usize) {
        // Entries of a unit vector are near 1 / sqrt(768); the first layer lifts them to where tanh is still almost straight.
        let gain = if layer == 0 { 8.0 } else { 1.0 };
        let keep_logit = [0.7, 0.0][layer.min(1)];
        if let Some(array) = self.0.get_mut(&format!("gru.weight_ih_l{layer}")) {
            for unit in 0..WIDTH {
                array.data[(2 * WIDTH + unit) * WIDTH + unit] += gain;
            }
        }
        if let Some(array) = self.0.get_mut(&format!("gru.bias_ih_l{layer}")) {
            array.data[WIDTH..2 * WIDTH].fill(keep_logit);
        }
    }
}

/// A tensor's numbers on the host, row by row.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut data = vec![0.0f32; tensor.numel()];
    let count = data.len();
    tensor.copy_data(&mut data, count);
    data
}
