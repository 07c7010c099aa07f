//! What is kept of the events of a window.

use std::fmt;

/// What is kept of the events of a window: something that events are added to, and that can be merged.
///
/// Both have to be pure, and the bytes have to say all of it: an aggregate goes to the store with every epoch and comes back after a restart.
pub trait Aggregate: Clone + Default + fmt::Debug + Send + Sync + 'static {
    /// What an event brings.
    type Item: Send + 'static;

    /// Takes an event in.
    fn add(&mut self, item: &Self::Item);

    /// Takes in what `other` has: sessions that became one (`other` began later), or partial sums of other partitions.
    fn merge(&mut self, other: &Self);

    /// Its bytes; the same value gives the same bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads what [`Aggregate::to_bytes`] wrote; `None` for any other bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// How many events there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u64);

impl Aggregate for Count {
    type Item = ();

    fn add(&mut self, _item: &()) {
        self.0 += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

/// Number, sum, least and greatest of measurements. The sum runs in the order of the log, so that the same log gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least; positive infinity where there is none.
    pub least: f64,
    /// The greatest; negative infinity where there is none.
    pub greatest: f64,
}

impl Default for Measured {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, least: f64::INFINITY, greatest: f64::NEG_INFINITY }
    }
}

impl Measured {
    /// Their mean; not a number where there is none.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

impl Aggregate for Measured {
    type Item = f64;

    fn add(&mut self, item: &f64) {
        self.merge(&Self { count: 1, sum: *item, least: *item, greatest: *item });
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }

    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.count, self.sum.to_bits(), self.least.to_bits(), self.greatest.to_bits()];
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let &[count, sum, least, greatest] = numbers else { return None };
        let number = |bytes| f64::from_bits(u64::from_be_bytes(bytes));
        Some(Self {
            count: u64::from_be_bytes(count),
            sum: number(sum),
            least: number(least),
            greatest: number(greatest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_come_back_from_their_bytes() {
        let mut measured = Measured::default();
        assert_eq!(Measured::from_bytes(&measured.to_bytes()), Some(measured));
        [2.0, -1.0, 0.25].iter().for_each(|number| measured.add(number));
        assert_eq!(Measured::from_bytes(&measured.to_bytes()), Some(measured));
        assert_eq!((measured.count, measured.sum, measured.least, measured.greatest), (3, 1.25, -1.0, 2.0));
        assert_eq!(Count::from_bytes(&Count(7).to_bytes()), Some(Count(7)));
        assert_eq!(Measured::from_bytes(b"short"), None);
        assert_eq!(Count::from_bytes(b"short"), None);
    }
}
