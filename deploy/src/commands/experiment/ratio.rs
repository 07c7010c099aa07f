//! Reads per slate with its interval, where readers are what was drawn by lot.
//!
//! Slates of one reader resemble one another, so that an interval over slates would be too narrow. Over readers, reads per slate is the ratio of
//! two means, reads and slates a reader, both by chance, and the delta method gives its variance: with Y reads and N slates of each of n readers
//! and R = sum Y / sum N,
//!
//! ```text
//! var R = n/(n - 1) * sum (Y - R N)^2 / (sum N)^2
//! ```
//!
//! (Deng, Knoblich and Lu, *Applying the Delta Method in Metric Analytics*, KDD 2018; it is the ratio estimator of Cochran, *Sampling
//! Techniques*, 1977, chapter 6, and the sandwich over clusters of Liang and Zeger 1986.) Arms have different readers, so that the variance of a
//! difference is the sum of theirs. Intervals are Student's, with n - 1 degrees of freedom, and with those of Welch for a difference.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Where an interval that holds what is true in 95 of 100 cases ends.
const PROBABILITY: f64 = 0.975;
/// The same of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;
/// From so many degrees of freedom on the expansion is exact to nine digits.
const MANY: f64 = 200.0;
/// A variance below this share of the squares that it is the difference of is what rounding leaves of none.
const ROUNDING: f64 = 1e-12;

/// What is summed over the readers of a group. Whole numbers, so that their order changes nothing up to 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Readers with a slate.
    pub readers: u64,
    /// Their slates.
    pub slates: u64,
    /// Their reads of what was on those.
    pub reads: u64,
    slates_squared: f64,
    reads_squared: f64,
    products: f64,
}

/// A number and its 95 % interval; no interval where nothing tells how far off the number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its ends.
    pub interval: Option<[f64; 2]>,
}

impl Sums {
    /// Adds a reader.
    pub fn add(&mut self, slates: u64, reads: u64) {
        self.readers += 1;
        self.slates += slates;
        self.reads += reads;
        let (slates, reads) = (slates as f64, reads as f64);
        self.slates_squared += slates * slates;
        self.reads_squared += reads * reads;
        self.products += slates * reads;
    }

    /// Reads per slate; `None` without a slate.
    pub fn reads_per_slate(&self) -> Option<Estimate> {
        let value = self.ratio()?;
        let interval = self.variance().and_then(|variance| around(value, variance, self.degrees()));
        Some(Estimate { value, interval })
    }

    /// How many reads per slate this group has more than another, of other readers; `None` where one has no slate.
    pub fn more_than(&self, other: &Self) -> Option<Estimate> {
        let value = self.ratio()? - other.ratio()?;
        let interval = self.variance().zip(other.variance()).and_then(|(here, there)| {
            // Welch and Satterthwaite.
            let parts = here * here / self.degrees() + there * there / other.degrees();
            around(value, here + there, (here + there).powi(2) / parts)
        });
        Some(Estimate { value, interval })
    }

    fn ratio(&self) -> Option<f64> {
        (self.slates > 0).then(|| self.reads as f64 / self.slates as f64)
    }

    fn degrees(&self) -> f64 {
        self.readers as f64 - 1.0
    }

    /// The variance of reads per slate; `None` for fewer than two readers, or where all of them are alike.
    fn variance(&self) -> Option<f64> {
        let ratio = self.ratio().filter(|_| self.readers > 1)?;
        let residuals =
            self.reads_squared - 2.0 * ratio * self.products + ratio * ratio * self.slates_squared;
        let differ = residuals > ROUNDING * self.reads_squared;
        let correction = self.readers as f64 / self.degrees();
        differ.then(|| correction * residuals / (self.slates as f64).powi(2))
    }
}

/// The interval around a value; `None` where the degrees of freedom are none.
fn around(value: f64, variance: f64, degrees: f64) -> Option<[f64; 2]> {
    let half = student(degrees)? * variance.sqrt();
    half.is_finite().then_some([value - half, value + half])
}

/// Student's quantile: by halving where degrees of freedom are few, as the library's own inverse is wrong or comes to no end where they are many;
/// else by the normal's and powers of 1/degrees (Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.5).
fn student(degrees: f64) -> Option<f64> {
    if degrees > MANY {
        let power = |exponent| NORMAL.powi(exponent);
        let first = (power(3) + NORMAL) / 4.0;
        let second = (5.0 * power(5) + 16.0 * power(3) + 3.0 * NORMAL) / 96.0;
        let third = (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * NORMAL) / 384.0;
        return Some(NORMAL + first / degrees + second / degrees.powi(2) + third / degrees.powi(3));
    }
    let distribution = StudentsT::new(0.0, 1.0, degrees).ok()?;
    // One degree of freedom has its quantile at 12.7; Welch's are never fewer.
    let (mut low, mut high) = (0.0, 16.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if distribution.cdf(middle) < PROBABILITY { low = middle } else { high = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(readers: &[(u64, u64)]) -> Sums {
        let mut sums = Sums::default();
        readers.iter().for_each(|(slates, reads)| sums.add(*slates, *reads));
        sums
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{found}, not {expected}");
    }

    #[test]
    fn the_interval_is_the_one_computed_by_hand() {
        // R = 4/10. Residuals Y - R N: 0.2, -0.8, 0.6, squares 0.04 + 0.64 + 0.36 = 1.04; var = 3/2 * 1.04 / 100 = 0.0156;
        // t(2) = 4.30265273.
        let estimate = sums(&[(2, 1), (2, 0), (6, 3)]).reads_per_slate().unwrap();
        let [low, high] = estimate.interval.unwrap();
        close(estimate.value, 0.4);
        close(high - 0.4, 4.302_652_73 * 0.0156_f64.sqrt());
        close(0.4 - low, high - 0.4);
    }

    #[test]
    fn with_one_slate_a_reader_it_is_students_interval_of_a_mean() {
        let readers: Vec<(u64, u64)> = (0..11).map(|reader| (1, u64::from(reader < 4))).collect();
        let [low, high] = sums(&readers).reads_per_slate().unwrap().interval.unwrap();
        let mean = 4.0 / 11.0;
        let deviation = (mean * (1.0 - mean) * 11.0 / 10.0_f64).sqrt();
        // t(10) = 2.22813885
        close((high - low) / 2.0, 2.228_138_85 * deviation / 11.0_f64.sqrt());
    }

    #[test]
    fn a_difference_is_welchs() {
        // Means 1/2 and 1/4 of one slate each; var 0.25 * 4/3 / 4 = 1/12 and 0.1875 * 8/7 / 8 = 3/112; degrees of freedom
        // (1/12 + 3/112)^2 / ((1/12)^2/3 + (3/112)^2/7) = 5.0164; t(5.0164) = 2.568055866.
        let here = sums(&[(1, 1), (1, 1), (1, 0), (1, 0)]);
        let there = sums(&[(1, 1), (1, 1), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)]);
        let estimate = here.more_than(&there).unwrap();
        let [low, high] = estimate.interval.unwrap();
        close(estimate.value, 0.25);
        close((low + high) / 2.0, 0.25);
        close((high - low) / 2.0, 2.568_055_866 * (1.0 / 12.0 + 3.0 / 112.0_f64).sqrt());
        let back = there.more_than(&here).unwrap();
        close(back.value, -0.25);
        close(back.interval.unwrap()[0], -high);
    }

    #[test]
    fn a_reader_who_comes_often_widens_the_interval() {
        let alike: Vec<(u64, u64)> = (0..100).map(|reader| (10, 2 * (reader % 2))).collect();
        let apart: Vec<(u64, u64)> = (0..100).map(|reader| (10, 10 * u64::from(reader % 10 == 0))).collect();
        let half = |readers: &[(u64, u64)]| {
            let estimate = sums(readers).reads_per_slate().unwrap();
            close(estimate.value, 0.1);
            estimate.interval.unwrap()[1] - estimate.value
        };
        assert!(half(&apart) > 2.9 * half(&alike), "{} {}", half(&apart), half(&alike));
    }

    #[test]
    fn where_nothing_tells_how_far_off_it_is_there_is_no_interval() {
        assert_eq!(sums(&[]).reads_per_slate(), None);
        for readers in [
            &[(4, 1)][..],
            &[(5, 0), (2, 0)],
            // A third has no exact binary fraction.
            &[(3, 1), (6, 2), (9, 3), (300, 100)],
        ] {
            let found = sums(readers);
            assert_eq!(found.reads_per_slate().unwrap().interval, None, "{readers:?}");
            let other = sums(&[(1, 1), (1, 0)]);
            assert_eq!(found.more_than(&other).unwrap().interval, None);
        }
        assert_eq!(sums(&[(1, 1)]).more_than(&sums(&[])), None);
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (degrees, quantile) in [
            (1.0, 12.706_205),
            (2.0, 4.302_653),
            (10.0, 2.228_139),
            (100.0, 1.983_972),
            (1_000.0, 1.962_339),
            (1e5, 1.959_988),
            (1e7, 1.959_964),
            (1e12, 1.959_964),
        ] {
            let found = student(degrees).unwrap();
            assert!((found - quantile).abs() < 1e-6, "{degrees}: {found}");
        }
        assert!((student(MANY).unwrap() - student(MANY + 1e-9).unwrap()).abs() < 1e-7, "both ways meet");
        assert_eq!(student(0.0), None);
    }
}
