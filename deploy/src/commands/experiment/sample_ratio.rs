//! Whether readers are shared out among the arms as the weights say.
//!
//! Where they are not, something loses or adds readers in one arm only, and then the arms' readers differ in more than how they are served.
//! Pearson's chi-square test, as in Fabijan and others, *Diagnosing Sample Ratio Mismatch in Online Controlled Experiments*, KDD 2019.

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// A mismatch this improbable is no accident (Kohavi, Tang and Xu, *Trustworthy Online Controlled Experiments*, 2020, chapter 21).
pub const SUSPICIOUS: f64 = 0.001;
/// The approximation holds from so many expected readers in each arm on (Cochran 1952).
const FEWEST: f64 = 5.0;

/// The test's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRatio {
    /// Readers that each arm should have.
    pub expected: Vec<f64>,
    /// The sum of squared differences, each over what is expected.
    pub chi_square: f64,
    /// Arms less one.
    pub degrees: usize,
    /// How probable a mismatch at least this great is if the lot is fair.
    pub p: f64,
}

impl SampleRatio {
    /// Tests the readers of each arm against its share, 0 to 1. `None` for fewer than two arms, or too few readers to tell anything.
    pub fn test(readers: &[u64], shares: &[f64]) -> Option<Self> {
        debug_assert_eq!(readers.len(), shares.len());
        let all = readers.iter().sum::<u64>() as f64;
        let expected: Vec<f64> = shares.iter().map(|share| share * all).collect();
        if readers.len() < 2 || expected.iter().any(|expected| *expected < FEWEST) {
            return None;
        }
        let off = |(readers, expected): (&u64, &f64)| (*readers as f64 - expected).powi(2) / expected;
        let chi_square = readers.iter().zip(&expected).map(off).sum();
        let degrees = readers.len() - 1;
        let p = ChiSquared::new(degrees as f64).ok()?.sf(chi_square);
        Some(Self { expected, chi_square, degrees, p })
    }

    /// Whether what the arms' numbers say can't be trusted.
    pub fn is_suspicious(&self) -> bool {
        self.p < SUSPICIOUS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_tables() {
        for (readers, shares, chi_square, p) in [
            (vec![500, 500], vec![0.5, 0.5], 0.0, 1.0),
            // 10.8276 is the quantile of 0.999 for one degree of freedom, 5.9915 that of 0.95 for two.
            (vec![552, 448], vec![0.5, 0.5], 10.816, 0.001_006),
            (vec![553, 447], vec![0.5, 0.5], 11.236, 0.000_802),
            (vec![245, 250, 505], vec![0.25, 0.25, 0.5], 0.15, 0.927_743),
            (vec![900, 100], vec![0.9, 0.1], 0.0, 1.0),
        ] {
            let found = SampleRatio::test(&readers, &shares).unwrap();
            assert!((found.chi_square - chi_square).abs() < 1e-9, "{found:?}");
            assert!((found.p - p).abs() < 2e-6, "{found:?}");
            assert_eq!((found.degrees, found.is_suspicious()), (readers.len() - 1, p < 0.001));
        }
    }

    #[test]
    fn few_readers_and_single_arms_tell_nothing() {
        assert_eq!(SampleRatio::test(&[], &[]), None);
        assert_eq!(SampleRatio::test(&[1_000], &[1.0]), None);
        assert_eq!(SampleRatio::test(&[9, 0], &[0.5, 0.5]), None, "4.5 are expected");
        let nobody = SampleRatio::test(&[40, 0], &[0.5, 0.5]).unwrap();
        assert!(nobody.is_suspicious(), "an arm that nobody is in counts as well: {nobody:?}");
    }
}
