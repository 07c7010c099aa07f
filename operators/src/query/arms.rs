//! The arms of an experiment: ways of serving that readers are shared out among by lot, each for good.
//!
//! The lot is a hash of the experiment's salt, the arm's name and the reader, so that every process draws the same one and nothing is kept.
//! Each arm draws a time from the exponential distribution whose rate is its weight, and the first one has the reader (weighted rendezvous
//! hashing: the "logarithmic method" of Schindelhauer and Schomaker, *Weighted distributed hash tables*, SPAA 2005). An arm is first with
//! a probability of its weight over all weights; and where a weight is raised, or an arm added, readers move to that arm and nowhere else.

use std::sync::Arc;

use abovefold_schemas::ReaderId;
use sha2::{Digest, Sha256};

use super::QuerySettings;

/// The greatest length of an arm's name, in bytes: it is in every impression, and labels metrics.
const MAX_NAME_BYTES: usize = 64;

/// Settings of [`QuerySettings`] that belong to the read path as a whole, so that an arm can't have its own.
pub const OF_THE_WHOLE: [&str; 13] = [
    "deadline_ms",
    "batch",
    "batches_in_flight",
    "waiting_requests",
    "queue_ms",
    "after_wait_ms",
    "state_limit_ms",
    "articles_limit_ms",
    "ranker_limit_ms",
    "edge_pause_ms",
    "trend_half_life",
    "trending_pool",
    "trends_every_ms",
];

/// A way of serving.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// By which impressions, answers and metrics name it; empty for the one that serves everybody where no experiment runs.
    pub name: String,
    /// Its share of the readers, relative to the other arms'.
    pub weight: f64,
    /// What its readers are served with. Those [of the whole](OF_THE_WHOLE) are not looked at.
    pub settings: QuerySettings,
}

impl Arm {
    /// The one that serves everybody where no experiment runs.
    pub(super) fn everybody(settings: QuerySettings) -> Self {
        Self { name: String::new(), weight: 1.0, settings }
    }

    /// Its name where it is an arm of an experiment.
    pub(super) fn of_experiment(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| !name.is_empty())
    }
}

/// Arms that readers are shared out among.
///
/// ```
/// use abovefold_operators::query::{Arm, Experiment, QuerySettings};
/// use abovefold_schemas::ReaderId;
///
/// let arm = |name: &str| Arm { name: name.into(), weight: 1.0, settings: QuerySettings::default() };
/// let experiment = Experiment::new("autumn", vec![arm("old"), arm("new")])?;
/// let ann = ReaderId::new("ann").expect("it is one");
/// assert_eq!(experiment.arm_of(&ann), experiment.arm_of(&ann), "a reader stays in its arm");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    salt: String,
    arms: Vec<Arc<Arm>>,
}

impl Experiment {
    /// Takes the arms, the first of which is what the others are compared with. Another salt shares the readers out anew.
    ///
    /// # Errors
    /// In words, when there is no arm, a name is empty, too long, not plain or there twice, or a weight is no positive number.
    pub fn new(salt: impl Into<String>, arms: Vec<Arm>) -> Result<Self, String> {
        if arms.is_empty() {
            return Err("it has no arm".into());
        }
        for (place, arm) in arms.iter().enumerate() {
            let name = &arm.name;
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
            if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(is_plain) {
                return Err(format!(
                    "the name {name:?} is none: use 1 to {MAX_NAME_BYTES} letters, digits, `_`, `-` and `.`"
                ));
            }
            if arms[..place].iter().any(|other| other.name == *name) {
                return Err(format!("two arms are called {name}"));
            }
            if !(arm.weight.is_finite() && arm.weight > 0.0) {
                return Err(format!("the weight of {name} is {}, use a number above 0", arm.weight));
            }
        }
        Ok(Self { salt: salt.into(), arms: arms.into_iter().map(Arc::new).collect() })
    }

    /// The arms, in the order in which they were given.
    pub fn arms(&self) -> &[Arc<Arm>] {
        &self.arms
    }

    /// The share of all readers that an arm should have, 0 to 1.
    pub fn share(&self, arm: &Arm) -> f64 {
        arm.weight / self.arms.iter().map(|arm| arm.weight).sum::<f64>()
    }

    /// The arm that a reader is in.
    pub fn arm_of(&self, reader: &ReaderId) -> &Arc<Arm> {
        let mut first = (f64::INFINITY, &self.arms[0]);
        for arm in &self.arms {
            let time = -self.lot(&arm.name, reader).ln() / arm.weight;
            if time < first.0 {
                first = (time, arm);
            }
        }
        first.1
    }

    /// A number above 0 and below 1, evenly spread over readers: 53 bits of the SHA-256 over salt, arm and reader, each after its length.
    fn lot(&self, arm: &str, reader: &ReaderId) -> f64 {
        let mut hash = Sha256::new();
        for part in [self.salt.as_bytes(), arm.as_bytes(), reader.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let bits = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(salt: &str, weights: &[(&str, f64)]) -> Experiment {
        let arm = |(name, weight): &(&str, f64)| Arm {
            name: (*name).into(),
            weight: *weight,
            settings: QuerySettings::default(),
        };
        Experiment::new(salt, weights.iter().map(arm).collect()).unwrap()
    }

    fn readers() -> impl Iterator<Item = ReaderId> {
        (0..10_000).map(|number| ReaderId::new(number.to_string()).unwrap())
    }

    fn arms(experiment: &Experiment) -> Vec<String> {
        readers().map(|reader| experiment.arm_of(&reader).name.clone()).collect()
    }

    fn share(arms: &[String], name: &str) -> f64 {
        arms.iter().filter(|arm| *arm == name).count() as f64 / arms.len() as f64
    }

    #[test]
    fn readers_are_shared_out_as_the_weights_say() {
        let found = arms(&experiment("x", &[("a", 1.0), ("b", 2.0), ("c", 5.0)]));
        for (name, expected) in [("a", 0.125), ("b", 0.25), ("c", 0.625)] {
            // Three deviations of a share of 10,000.
            let allowed = 3.0 * (expected * (1.0 - expected) / 10_000.0_f64).sqrt();
            assert!((share(&found, name) - expected).abs() < allowed, "{name}: {}", share(&found, name));
        }
        let three = experiment("x", &[("a", 1.0), ("b", 2.0), ("c", 5.0)]);
        assert_eq!(three.share(&three.arms()[1]), 0.25);
    }

    #[test]
    fn the_lot_is_pinned_since_readers_stay_where_they_are() {
        let experiment = experiment("autumn", &[("old", 1.0), ("new", 1.0)]);
        let found: String = (0..32)
            .map(|number| ReaderId::new(format!("reader-{number}")).unwrap())
            .map(|reader| if experiment.arm_of(&reader).name == "old" { 'o' } else { 'n' })
            .collect();
        assert_eq!(found, PINNED);
        assert_eq!(experiment.lot("old", &ReaderId::new("ann").unwrap()), LOT_OF_ANN);
    }

    const PINNED: &str = "ooonnoonnononnnoonnnnoooonoonnno";
    const LOT_OF_ANN: f64 = 0.8398675651065077;

    #[test]
    fn a_raised_weight_and_a_new_arm_move_readers_only_to_that_arm() {
        let before = arms(&experiment("x", &[("a", 1.0), ("b", 1.0), ("c", 2.0)]));
        for now in [
            experiment("x", &[("a", 1.0), ("b", 2.0), ("c", 2.0)]),
            experiment("x", &[("d", 1.0), ("c", 2.0), ("b", 1.0), ("a", 1.0)]),
        ] {
            let grown = if now.arms().len() == 4 { "d" } else { "b" };
            let after = arms(&now);
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
            let moved: Vec<_> = moved.collect();
            assert!(moved.iter().all(|(_, after)| *after == grown));
            let gained = share(&after, grown) - share(&before, grown);
            assert!((moved.len() as f64 / 10_000.0 - gained).abs() < 1e-9 && gained > 0.1, "{gained}");
        }
    }

    #[test]
    fn another_salt_shares_out_anew() {
        let of = |salt: &str| arms(&experiment(salt, &[("a", 1.0), ("b", 1.0)]));
        let same = of("x").iter().zip(&of("y")).filter(|(one, other)| one == other).count();
        assert!((4_850..=5_150).contains(&same), "{same} of 10,000 have the arm that chance gives");
    }

    #[test]
    fn arms_that_are_none_are_refused_in_words() {
        let arm = |name: &str, weight| Arm { name: name.into(), weight, settings: QuerySettings::default() };
        for (arms, reason) in [
            (vec![], "no arm"),
            (vec![arm("", 1.0)], "use 1 to 64 letters"),
            (vec![arm("a b", 1.0)], "\"a b\""),
            (vec![arm("a", 1.0), arm("a", 2.0)], "two arms are called a"),
            (vec![arm("a", 0.0)], "the weight of a is 0"),
            (vec![arm("a", f64::NAN)], "the weight of a is NaN"),
        ] {
            let error = Experiment::new("x", arms).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn settings_of_the_whole_are_settings() {
        let serde_json::Value::Object(settings) = serde_json::to_value(QuerySettings::default()).unwrap()
        else {
            panic!("settings are a table");
        };
        assert!(OF_THE_WHOLE.iter().all(|name| settings.contains_key(*name)));
    }
}
