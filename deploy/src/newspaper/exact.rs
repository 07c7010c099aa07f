//! `exp` and `ln` by additions and multiplications only, so that equal seeds make equal bytes on every
//! machine.
//!
//! The ones of the standard library go to the system's, whose last bits differ between processors.

use std::f64::consts::{LN_2, SQRT_2};

/// e to the power of `x`, within a few units in the last place for |x| < 700; 0 below, capped above.
pub(super) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let doublings = (x.min(700.0) / LN_2).round();
    let rest = x.min(700.0) - doublings * LN_2;
    // Taylor's series; |rest| <= ln(2)/2, so the 14th term is below 1e-17.
    let mut sum = 1.0;
    for n in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(n);
    }
    sum * f64::from_bits(((doublings as i64 + 1023) as u64) << 52)
}

/// The natural logarithm of `x`, a positive normal number, within 1e-14.
pub(super) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut doublings = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | (1023 << 52));
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        doublings += 1;
    }
    // ln(m) = 2 artanh((m - 1) / (m + 1)), where the fraction is below 0.172.
    let fraction = (mantissa - 1.0) / (mantissa + 1.0);
    let square = fraction * fraction;
    let mut sum = 0.0;
    for n in (0..10).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    doublings as f64 * LN_2 + 2.0 * fraction * sum
}

/// 1 / (1 + e^-x).
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_standard_library() {
        for step in -3000..3000 {
            let x = f64::from(step) / 100.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-13, "exp({x})");
            let y = x.exp();
            assert!((ln(y) - y.ln()).abs() < 1e-13, "ln({y})");
        }
        assert_eq!((exp(-1e9), exp(0.0), ln(1.0)), (0.0, 1.0, 0.0));
    }
}
