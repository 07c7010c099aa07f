//! A model on disk: `model.safetensors` with PyTorch's names, and the card `model.json`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::card::{Card, Dimensions, Precision, Scaling};
use crate::text::TextVectors;
use crate::trees::TREES_FILE;
use crate::weights::{RERANKER, SESSION, Weights};

/// File of the networks' numbers.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// File of the card.
pub const CARD_FILE: &str = "model.json";
/// File of the text vectors' word weights, where there are any.
pub const TEXT_FILE: &str = "text.safetensors";

/// A model: its card, its numbers, and how it makes article vectors from text, if it does.
///
/// ```
/// use abovefold_models::ModelFolder;
/// # let folder = tempfile::tempdir()?;
/// let model = ModelFolder::untrained(7);
/// model.save(folder.path())?;
/// assert_eq!(ModelFolder::load(folder.path())?.digest(), model.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFolder {
    /// What to know beside the numbers.
    pub card: Card,
    /// The numbers of both networks.
    pub weights: Weights,
    /// Article vectors from text.
    pub text: Option<TextVectors>,
    /// The ranker's trees, in LightGBM's text; see [`crate::trees`].
    pub ranker: Option<String>,
}

impl ModelFolder {
    /// Reads a model folder and checks that both networks are whole.
    ///
    /// # Errors
    /// One line that names the file, and the tensor if one is missing or has a wrong shape.
    pub fn load(dir: &Path) -> Result<Self, FolderError> {
        let card_path = dir.join(CARD_FILE);
        let card_bytes = read(&card_path)?;
        let card: Card = serde_json::from_slice(&card_bytes)
            .map_err(|error| FolderError::Malformed { path: card_path.clone(), reason: error.to_string() })?;
        if card.dimensions != Dimensions::default() {
            let reason = format!("dimensions {:?} are not those that this version runs", card.dimensions);
            return Err(FolderError::Malformed { path: card_path, reason });
        }

        let weights_path = dir.join(WEIGHTS_FILE);
        let bytes = read(&weights_path)?;
        let malformed = |reason: String| FolderError::Malformed { path: weights_path.clone(), reason };
        let weights = parse(&bytes).map_err(malformed)?;
        if let Some(fault) = weights.fault() {
            return Err(malformed(fault));
        }
        if !card.weights_digest.is_empty() && card.weights_digest != hex(Sha256::digest(&bytes).as_slice()) {
            return Err(malformed(format!(
                "it is not the file that {CARD_FILE} describes; train or copy the folder again"
            )));
        }

        let text = match card.files.get("text") {
            Some(name) => Some(TextVectors::load(&dir.join(name))?),
            None => None,
        };
        let ranker = match card.files.get("ranker") {
            Some(name) => {
                let path = dir.join(name);
                let text = String::from_utf8(read(&path)?);
                let malformed = |reason: String| FolderError::Malformed { path: path.clone(), reason };
                Some(text.map_err(|error| malformed(error.to_string()))?)
            }
            None => None,
        };
        Ok(Self { card, weights, text, ranker })
    }

    /// Writes the folder. The card goes last and names the hash of the numbers, so that a folder written by halves is refused.
    ///
    /// # Errors
    /// When a file can't be written; the line names it.
    pub fn save(&self, dir: &Path) -> Result<(), FolderError> {
        fs::create_dir_all(dir).map_err(|source| FolderError::Write { path: dir.to_owned(), source })?;
        let mut card = self.card.clone();
        if let Some(text) = &self.text {
            text.save(&dir.join(TEXT_FILE))?;
            card.files.insert("text".to_owned(), TEXT_FILE.to_owned());
        }
        if let Some(ranker) = &self.ranker {
            write_whole(&dir.join(TREES_FILE), ranker.as_bytes())?;
            card.files.insert("ranker".to_owned(), TREES_FILE.to_owned());
        }
        let weights_path = dir.join(WEIGHTS_FILE);
        let bytes = serialise(&self.weights)
            .map_err(|reason| FolderError::Malformed { path: weights_path.clone(), reason })?;
        card.weights_digest = hex(Sha256::digest(&bytes).as_slice());
        write_whole(&weights_path, &bytes)?;
        let card_path = dir.join(CARD_FILE);
        let card_text = serde_json::to_string_pretty(&card)
            .map_err(|error| FolderError::Malformed { path: card_path.clone(), reason: error.to_string() })?;
        write_whole(&card_path, format!("{card_text}\n").as_bytes())
    }

    /// Both networks before training; see [`Weights::untrained`].
    pub fn untrained(seed: u64) -> Self {
        let card = Card {
            version: format!("untrained-{seed}"),
            dimensions: Dimensions::default(),
            precision: Precision::F32,
            scaling: Scaling::default(),
            data_digest: String::new(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            weights_digest: String::new(),
            metrics: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        Self { card, weights: Weights::untrained(seed), text: None, ranker: None }
    }

    /// Hash of what defines a fold: the session model's numbers, its sizes and the scaling of its inputs. In hex.
    pub fn session_digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"abovefold session model 1");
        hash.update(format!("{:?}", self.card.dimensions).as_bytes());
        hash.update(self.card.scaling.mean_read.to_le_bytes());
        hash.update(self.card.scaling.mean_scroll.to_le_bytes());
        self.weights.hash_part(SESSION, &mut hash);
        hex(hash.finalize().as_slice())
    }

    /// Hash of the whole model: the session part, the reranker, the text vectors and the trees. In hex.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.session_digest().as_bytes());
        self.weights.hash_part(RERANKER, &mut hash);
        if let Some(text) = &self.text {
            text.hash(&mut hash);
        }
        if let Some(ranker) = &self.ranker {
            hash.update(ranker.as_bytes());
        }
        hex(hash.finalize().as_slice())
    }
}

/// Why a model folder can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file is missing or unreadable.
    #[error("model file {} can't be read: {source}; train a model into that folder, or give another with --model", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file can't be written.
    #[error("model file {} can't be written: {source}", .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there, and is not what it should be.
    #[error("model file {} is not usable: {reason}", .path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, naming the tensor or field.
        reason: String,
    },
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    fs::read(path).map_err(|source| FolderError::Read { path: path.to_owned(), source })
}

/// Writes beside the target and renames, so that no reader ever sees half a file.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let wrap = |source| FolderError::Write { path: path.to_owned(), source };
    let beside = path.with_extension("part");
    fs::write(&beside, bytes).map_err(wrap)?;
    fs::rename(&beside, path).map_err(wrap)
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Weights, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut weights = Weights::default();
    for (name, view) in file.tensors() {
        let data: Vec<f32> = match view.dtype() {
            Dtype::F32 => {
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            Dtype::BF16 => view
                .data()
                .chunks_exact(2)
                .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
                .collect(),
            other => return Err(format!("tensor {name} is of type {other:?}, expected F32 or BF16")),
        };
        weights.insert(&name, view.shape(), data);
    }
    Ok(weights)
}

pub(crate) fn serialise(weights: &Weights) -> Result<Vec<u8>, String> {
    let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|(name, array)| {
            let bytes = array.data.iter().flat_map(|number| number.to_le_bytes()).collect();
            (name.to_owned(), array.shape.clone(), bytes)
        })
        .collect();
    let mut views = Vec::with_capacity(arrays.len());
    for (name, shape, bytes) in &arrays {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(|error| error.to_string())?;
        views.push((name.clone(), view));
    }
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
