//! Article vectors from text, where none are given: TF-IDF weighted words, brought to [`WIDTH`] numbers by a truncated SVD (`basis.rs`).
//!
//! Words are lower-cased runs of letters and digits. A word weighs `(1 + ln count) * idf`, where a word of the title counts three
//! times and of the subtitle twice. Where there are too few texts for a decomposition, and for a text of whose words it knows none, each
//! word's hash names a few coordinates and signs instead (a sparse random projection), so that inner products survive. Labels (section, topics)
//! make a part of their own, of fixed weight, by such a projection. With one fitted model the same text gives the same bytes everywhere.

mod basis;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use sha2::{Digest, Sha256};

use self::basis::{Basis, Weighted};
use crate::WIDTH;
use crate::folder::{FolderError, parse, read, serialise, write_whole};
use crate::seed::mix;
use crate::weights::Weights;

/// Words share this many slots of document counts.
const SLOTS: usize = 1 << 16;
/// Coordinates that a word touches.
const SPREAD: u64 = 24;
/// Share of the squared length that belongs to the labels, where there are both labels and words.
const LABEL_SHARE: f64 = 0.3;
const TITLE_COUNT: f64 = 3.0;
const SUBTITLE_COUNT: f64 = 2.0;
/// Names of the tensors in the file; their ends are the format's version.
const TENSOR: &str = "idf.v1";
const SLOTS_TENSOR: &str = "basis.slots.v1";
const BASIS_TENSOR: &str = "basis.v1";
/// The most texts that the decomposition is of; of more, every second, fourth, ...
const MOST_TEXTS: usize = 40_000;

/// The text of an article.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a> {
    /// Headline.
    pub title: &'a str,
    /// Teaser.
    pub subtitle: &'a str,
    /// Body.
    pub body: &'a str,
    /// Section and topics; each is one name, not split into words.
    pub labels: Vec<&'a str>,
}

/// How much each word tells, learned from a corpus; makes vectors from text.
///
/// ```
/// use abovefold_models::{Text, TextVectors};
/// fn text(title: &str) -> Text<'_> {
///     Text { title, ..Text::default() }
/// }
/// let vectors = TextVectors::fit([text("storm over the bay"), text("the cup final"), text("the budget vote")]);
/// let dot = |a: &str, b: &str| -> f32 {
///     vectors.vector(&text(a)).iter().zip(vectors.vector(&text(b))).map(|(x, y)| x * y).sum()
/// };
/// assert!(dot("the storm", "storm warning") > dot("the storm", "the final"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TextVectors {
    idf: Vec<f32>,
    /// Nothing where it was fitted to too few texts.
    basis: Option<Basis>,
}

impl TextVectors {
    /// Counts in how many texts each word occurs, and finds what words have in common.
    pub fn fit<'a>(texts: impl IntoIterator<Item = Text<'a>>) -> Self {
        let mut counts = vec![0u32; SLOTS];
        let mut texts_seen = 0u32;
        let (mut kept, mut every): (Vec<Weighted>, u32) = (Vec::new(), 1);
        for text in texts {
            texts_seen += 1;
            let counted = counted(&text);
            let slots: Weighted = by_slot(counted.values().map(|(count, slot)| (*slot, *count as f32)));
            slots.iter().for_each(|(slot, _)| counts[*slot as usize] += 1);
            if texts_seen.is_multiple_of(every) {
                kept.push(slots);
            }
            if kept.len() > MOST_TEXTS {
                every *= 2;
                let mut place = 0u32;
                kept.retain(|_| {
                    place += 1;
                    place.is_multiple_of(2)
                });
            }
        }
        let all = f64::from(texts_seen) + 1.0;
        let idf: Vec<f32> =
            counts.iter().map(|&count| ((all / (f64::from(count) + 1.0)).ln() + 0.1) as f32).collect();
        let mut in_kept = vec![0u32; SLOTS];
        for text in &mut kept {
            for (slot, weight) in text.iter_mut() {
                in_kept[*slot as usize] += 1;
                *weight = (1.0 + weight.ln()) * idf[*slot as usize];
            }
            let length = text.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
            text.iter_mut().for_each(|(_, weight)| *weight /= length.max(f32::MIN_POSITIVE));
        }
        let basis = Basis::fit(&kept, &in_kept);
        Self { idf, basis }
    }

    /// The vector of a text, of unit length; zeros when it has neither words nor labels.
    pub fn vector(&self, text: &Text<'_>) -> Vec<f32> {
        let counts = counted(text);
        let weight = |count: f64, slot: u32| (1.0 + count.ln()) * f64::from(self.idf[slot as usize]);
        let in_basis = self.basis.as_ref().and_then(|basis| {
            let slots = by_slot(counts.values().map(|(count, slot)| (*slot, *count as f32)));
            let weighted: Weighted =
                slots.iter().map(|(slot, count)| (*slot, weight(f64::from(*count), *slot) as f32)).collect();
            basis.project(&weighted).and_then(unit)
        });
        let weighted: Vec<(u64, f64)> =
            counts.into_iter().map(|(word, (count, slot))| (word, weight(count, slot))).collect();
        let labels = text.labels.iter().filter(|label| !label.is_empty()).map(|label| {
            // A label is not the word of the same letters.
            (mix(hash(&label.to_lowercase()) ^ 0x6c61_6265_6c00_0000), 1.0)
        });
        let words_part = in_basis.or_else(|| project(weighted));
        let labels_part = project(labels.collect());
        let (words_share, labels_share) = match (&words_part, &labels_part) {
            (Some(_), Some(_)) => ((1.0 - LABEL_SHARE).sqrt(), LABEL_SHARE.sqrt()),
            _ => (1.0, 1.0),
        };
        let mut sum = vec![0.0f64; WIDTH];
        for (part, share) in [(words_part, words_share), (labels_part, labels_share)] {
            for (total, number) in sum.iter_mut().zip(part.unwrap_or_default()) {
                *total += number * share;
            }
        }
        unit(sum).unwrap_or_else(|| vec![0.0; WIDTH]).into_iter().map(|number| number as f32).collect()
    }

    /// Writes the counts to a file.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, file: &Path) -> Result<(), FolderError> {
        let mut tensors = Weights::default();
        tensors.insert(TENSOR, &[SLOTS], self.idf.clone());
        if let Some(Basis { slots, numbers }) = &self.basis {
            // Numbers below 65,536 are exact.
            tensors.insert(SLOTS_TENSOR, &[slots.len()], slots.iter().map(|slot| *slot as f32).collect());
            tensors.insert(BASIS_TENSOR, &[slots.len(), WIDTH], numbers.clone());
        }
        let bytes =
            serialise(&tensors).map_err(|reason| FolderError::Malformed { path: file.to_owned(), reason })?;
        write_whole(file, &bytes)
    }

    /// Reads what [`TextVectors::save`] wrote.
    ///
    /// # Errors
    /// When the file can't be read, or is something else.
    pub fn load(file: &Path) -> Result<Self, FolderError> {
        let bytes = read(file)?;
        let malformed = |reason: String| FolderError::Malformed { path: file.to_owned(), reason };
        let tensors = parse(&bytes).map_err(malformed)?;
        let of_shape = |name: &str, shape: &[usize]| match tensors.get(name) {
            Some(array) if array.shape == shape => Ok(array.data.clone()),
            Some(array) => {
                Err(malformed(format!("tensor {name} has shape {:?}, expected {shape:?}", array.shape)))
            }
            None => Err(malformed(format!("tensor {name} is missing"))),
        };
        let idf = of_shape(TENSOR, &[SLOTS])?;
        let basis = match tensors.get(SLOTS_TENSOR) {
            None => None,
            Some(array) => {
                let slots: Vec<u32> = array.data.iter().map(|slot| *slot as u32).collect();
                if !slots.is_sorted() || slots.last().is_some_and(|slot| *slot as usize >= SLOTS) {
                    return Err(malformed(format!("tensor {SLOTS_TENSOR} holds no rising slots")));
                }
                let numbers = of_shape(BASIS_TENSOR, &[slots.len(), WIDTH])?;
                if !numbers.iter().all(|number| number.is_finite()) {
                    return Err(malformed(format!(
                        "tensor {BASIS_TENSOR} holds a number that is not finite"
                    )));
                }
                Some(Basis { slots, numbers })
            }
        };
        Ok(Self { idf, basis })
    }

    /// Feeds the counts into a hash.
    pub(crate) fn hash(&self, hash: &mut Sha256) {
        hash.update(TENSOR.as_bytes());
        let bytes: Vec<u8> = self.idf.iter().flat_map(|number| number.to_le_bytes()).collect();
        hash.update(&bytes);
        if let Some(Basis { slots, numbers }) = &self.basis {
            hash.update(BASIS_TENSOR.as_bytes());
            let slots = slots.iter().flat_map(|slot| slot.to_le_bytes());
            let bytes: Vec<u8> =
                slots.chain(numbers.iter().flat_map(|number| number.to_le_bytes())).collect();
            hash.update(&bytes);
        }
    }
}

/// Calls `each` with every word: runs of letters and digits, lower-cased, of at least two bytes.
fn words(text: &str, mut each: impl FnMut(&str)) {
    let mut lower = String::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        if word.len() < 2 {
            continue;
        }
        lower.clear();
        lower.extend(word.chars().flat_map(char::to_lowercase));
        each(&lower);
    }
}

/// FNV-1a, then mixed.
fn hash(word: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325u64;
    mix(word.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

fn slot(word: &str) -> u32 {
    (hash(word) as usize & (SLOTS - 1)) as u32
}

/// The words of a text by their hash: how often each occurs, counted more in titles, and its slot.
fn counted(text: &Text<'_>) -> HashMap<u64, (f64, u32)> {
    let mut counts: HashMap<u64, (f64, u32)> = HashMap::new();
    for (part, weight) in [(text.title, TITLE_COUNT), (text.subtitle, SUBTITLE_COUNT), (text.body, 1.0)] {
        words(part, |word| counts.entry(hash(word)).or_insert((0.0, slot(word))).0 += weight);
    }
    counts
}

/// The sum of the counts of each slot, slots rising.
fn by_slot(counts: impl Iterator<Item = (u32, f32)>) -> Weighted {
    // Counts are whole, so that their sum does not depend on the order.
    let mut slots: BTreeMap<u32, f32> = BTreeMap::new();
    counts.for_each(|(slot, count)| *slots.entry(slot).or_default() += count);
    slots.into_iter().collect()
}

/// The weighted sum of the words' random directions, at unit length; `None` when there is no word.
fn project(mut weighted: Vec<(u64, f64)>) -> Option<Vec<f64>> {
    // Sums of floats need one order.
    weighted.sort_unstable_by_key(|(word, _)| *word);
    let mut sum = vec![0.0f64; WIDTH];
    for (word, weight) in weighted {
        for turn in 0..SPREAD {
            let random = mix(word.wrapping_add(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            let coordinate = ((random >> 32) * WIDTH as u64) >> 32;
            let sign = if random & 1 == 0 { weight } else { -weight };
            sum[coordinate as usize] += sign;
        }
    }
    unit(sum)
}

fn unit(mut vector: Vec<f64>) -> Option<Vec<f64>> {
    let length = vector.iter().map(|number| number * number).sum::<f64>().sqrt();
    if length <= 1e-12 {
        return None;
    }
    vector.iter_mut().for_each(|number| *number /= length);
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(title: &'a str, labels: &[&'a str]) -> Text<'a> {
        Text { title, labels: labels.to_vec(), ..Text::default() }
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn vectors_have_unit_length_and_only_the_empty_text_has_none() {
        let vectors = TextVectors::fit([text("one two", &[]), text("three four", &["World"])]);
        for text in [text("one", &[]), text("never seen before", &["World"]), text("", &["World"])] {
            let vector = vectors.vector(&text);
            assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-5, "{text:?}");
        }
        assert_eq!(vectors.vector(&text("", &[])), vec![0.0; WIDTH]);
        assert_eq!(vectors.vector(&text("... - a", &[""])), vec![0.0; WIDTH]);
    }

    #[test]
    fn case_and_punctuation_do_not_matter_and_order_does_not_either() {
        let vectors = TextVectors::fit([text("Storm over Aarhus", &[])]);
        let plain = vectors.vector(&text("storm over aarhus", &["world"]));
        assert_eq!(plain, vectors.vector(&text("Aarhus: STORM, over!", &["World"])));
    }

    #[test]
    fn texts_of_one_section_are_nearer_than_texts_of_two() {
        let texts = ["alpha beta gamma", "delta epsilon zeta", "eta theta iota"];
        let vectors = TextVectors::fit(texts.iter().map(|title| text(title, &[])));
        let world = vectors.vector(&text(texts[0], &["World"]));
        let world_too = vectors.vector(&text(texts[1], &["World"]));
        let sport = vectors.vector(&text(texts[2], &["Sport"]));
        assert!(cosine(&world, &world_too) > cosine(&world, &sport) + 0.15);
    }

    #[test]
    fn many_texts_are_decomposed_and_their_cosines_stay() {
        let company = [["storm", "rain"], ["storm", "wind"], ["final", "goal"], ["final", "cup"]];
        let titles: Vec<String> = (0..basis::FEWEST_TEXTS)
            .map(|place| format!("{} number{}", company[place % 4].join(" "), place % 97))
            .collect();
        let vectors = TextVectors::fit(titles.iter().map(|title| text(title, &[])));
        assert!(vectors.basis.is_some());
        let like = |one: &str, other: &str| {
            cosine(&vectors.vector(&text(one, &[])), &vectors.vector(&text(other, &[])))
        };
        assert!(like("storm rain", "storm wind") > 0.15);
        assert!(like("storm rain", "final cup").abs() < 0.01, "words without a word in common");
        assert!(
            cosine(&vectors.vector(&text("unheard", &[])), &vectors.vector(&text("unheard", &[]))) > 0.99
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text.safetensors");
        vectors.save(&file).unwrap();
        assert_eq!(TextVectors::load(&file).unwrap(), vectors);
    }

    #[test]
    fn the_file_gives_the_same_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text.safetensors");
        let vectors = TextVectors::fit([text("one two", &[]), text("two three", &[])]);
        vectors.save(&file).unwrap();
        assert_eq!(TextVectors::load(&file).unwrap(), vectors);
        std::fs::write(&file, b"nonsense").unwrap();
        assert!(TextVectors::load(&file).unwrap_err().to_string().contains("text.safetensors"));
    }
}
