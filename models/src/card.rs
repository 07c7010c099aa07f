//! The card of a model: what stands in `model.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::weights::{HEADS, PROFILE_INPUT};
use crate::{LAYERS, WIDTH};

/// What a reader of the model folder must know beside the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The model's name among others, such as `2026-03-01-a1b2c3d4`.
    pub version: String,
    /// Sizes of both networks.
    pub dimensions: Dimensions,
    /// In which precision the session model's products are meant to run.
    pub precision: Precision,
    /// What stands in for missing inputs.
    pub scaling: Scaling,
    /// Hash of the training data, in hex; empty for an untrained model.
    #[serde(default)]
    pub data_digest: String,
    /// Version of the code that trained it.
    #[serde(default)]
    pub code_version: String,
    /// Hash of `model.safetensors`, in hex: it tells a folder that was written by halves. Empty: not checked.
    #[serde(default)]
    pub weights_digest: String,
    /// Figures from training, by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Files beside these two that belong to the model, by what they are.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// Sizes of both networks. There is one set of sizes that this version can run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    /// Width of an article's vector.
    pub vector: usize,
    /// Width of a GRU layer.
    pub hidden: usize,
    /// Number of GRU layers.
    pub layers: usize,
    /// Heads of the reranker's attention.
    pub heads: usize,
    /// Inputs of the profile network.
    pub profile: usize,
}

impl Default for Dimensions {
    fn default() -> Self {
        Self { vector: WIDTH, hidden: WIDTH, layers: LAYERS, heads: HEADS, profile: PROFILE_INPUT }
    }
}

/// Precision of the weights and inputs of the session model's products. Hidden states and gates are `f32` in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits: agrees with PyTorch within 1e-4.
    #[default]
    F32,
    /// bfloat16: several times faster where the processor has it, at about three decimal digits.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            other => Err(format!("unknown precision {other}, expected f32 or bf16")),
        }
    }
}

/// Scaling of a read's behaviour: `log1p(seconds) / log1p(600)`, `percent / 100`, `log1p(n) / log1p(50)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Mean of the scaled read time in training: stands in for a missing one.
    pub mean_read: f32,
    /// Mean of the scaled scroll percentage in training: stands in for a missing one.
    pub mean_scroll: f32,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { mean_read: 0.55, mean_scroll: 0.6 }
    }
}
