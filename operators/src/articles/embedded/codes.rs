//! Vectors at a byte a number, one behind the other: a quarter of the memory to read where many are looked at one by one.

use abovefold_models::WIDTH;

/// So many more than are asked for are taken by their codes, besides as many again, before the whole vectors decide.
const MORE: usize = 50;

/// The code of each key: the direction's numbers as shares of the greatest, in 127ths.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// [`WIDTH`] numbers a key.
    numbers: Vec<i8>,
    /// What one step is worth, a key.
    steps: Vec<f32>,
}

impl Codes {
    /// Adds the code of the next key.
    pub(super) fn push(&mut self, direction: &[f32]) {
        let (code, step) = coded(direction);
        self.numbers.extend(code);
        self.steps.push(step);
    }

    /// Of these keys, those that are nearest by their codes, somewhat more than `k`, in no particular order.
    pub(super) fn nearest(&self, direction: &[f32], keys: impl Iterator<Item = u32>, k: usize) -> Vec<u32> {
        let (query, _) = coded(direction);
        let near = |key: u32| {
            let at = key as usize * WIDTH;
            let steps = self.numbers.get(at..at + WIDTH).map_or(0, |code| product(&query, code));
            self.steps.get(key as usize).map_or(0.0, |step| steps as f32 * step)
        };
        let mut found: Vec<(f32, u32)> = keys.map(|key| (near(key), key)).collect();
        let most = 2 * k + MORE;
        if found.len() > most {
            found.select_nth_unstable_by(most, |one, other| other.0.total_cmp(&one.0));
            found.truncate(most);
        }
        found.into_iter().map(|(_, key)| key).collect()
    }
}

/// A direction's code, and what one step is worth.
fn coded(direction: &[f32]) -> (Vec<i8>, f32) {
    let greatest = direction.iter().fold(0.0_f32, |greatest, number| greatest.max(number.abs()));
    let step = greatest.max(f32::MIN_POSITIVE) / 127.0;
    (direction.iter().map(|number| (number / step).round() as i8).collect(), step)
}

fn product(one: &[i8], other: &[i8]) -> i32 {
    one.iter().zip(other).map(|(one, other)| i32::from(*one) * i32::from(*other)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_by_code_are_among_those_that_are_taken() {
        let mut codes = Codes::default();
        let direction = |angle: f32| {
            let mut direction = vec![0.0; WIDTH];
            (direction[0], direction[1]) = (angle.cos(), angle.sin());
            direction
        };
        for key in 0..1_000 {
            codes.push(&direction(key as f32 * 0.003));
        }
        let found = codes.nearest(&direction(0.9), (0..1_000_u32).filter(|key| key.is_multiple_of(2)), 20);
        assert_eq!(found.len(), 90);
        // 0.9 is key 300; of every second one, the 20 nearest are 280 to 320.
        assert!((280..=320_u32).filter(|key| key.is_multiple_of(2)).all(|key| found.contains(&key)));
        assert!(found.iter().all(|key| key.is_multiple_of(2)));
        assert_eq!(codes.nearest(&direction(0.9), 7..9, 20), [7, 8], "few are all taken");
    }
}
