//! A table row by row: as it is published, followed and taken up again.

use abovefold_schemas::{ArticleId, ReaderId};

use super::LEARNED_WIDTH;
use super::table::{Learned, Table};

/// Which row of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// An article as a page that one comes from (`P`).
    From(ArticleId),
    /// An article as one that is gone to (`Q`), with its bias (`B`).
    To(ArticleId),
    /// A reader (`W`).
    Reader(ReaderId),
    /// A device (`D`), 0 to 3.
    Device(u8),
    /// An hour of the day (`R`), 0 to 23.
    Hour(u8),
}

/// The numbers of a row, exactly as the learner has them: it can go on from them.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The vector.
    pub vector: [f32; LEARNED_WIDTH],
    /// Adagrad's sum of squares.
    pub squares: f32,
    /// The bias; 0 where the row is not [`RowKey::To`].
    pub bias: f32,
    /// The sum of squares of the bias.
    pub bias_squares: f32,
}

impl Row {
    /// Numbers of a row: the vector, its squares, the bias and its squares.
    const NUMBERS: usize = LEARNED_WIDTH + 3;

    /// Little-endian `f32`: the vector, its squares, the bias and its squares.
    pub fn to_bytes(&self) -> Vec<u8> {
        let rest = [self.squares, self.bias, self.bias_squares];
        self.vector.iter().chain(&rest).flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Reads what [`Row::to_bytes`] wrote; `None` for bytes of another length, or with a number that is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 4 * Self::NUMBERS {
            return None;
        }
        let mut numbers = [0.0; Self::NUMBERS];
        for (number, four) in numbers.iter_mut().zip(bytes.chunks_exact(4)) {
            *number = f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        }
        let mut vector = [0.0; LEARNED_WIDTH];
        vector.copy_from_slice(&numbers[..LEARNED_WIDTH]);
        let [.., squares, bias, bias_squares] = numbers;
        numbers.iter().all(|number| number.is_finite()).then_some(Self {
            vector,
            squares,
            bias,
            bias_squares,
        })
    }

    /// How far apart two rows are: the distance of their vectors, or of their biases where that is more.
    pub fn distance(&self, other: &Self) -> f32 {
        let square: f32 = self.vector.iter().zip(&other.vector).map(|(a, b)| (a - b) * (a - b)).sum();
        square.sqrt().max((self.bias - other.bias).abs())
    }

    fn of(learned: &Learned) -> Self {
        Self { vector: learned.vector, squares: learned.squares, bias: 0.0, bias_squares: 0.0 }
    }

    fn learned(&self) -> Learned {
        Learned { vector: self.vector, squares: self.squares }
    }
}

impl Table {
    /// A row; `None` where its article or reader is not known, or there is no such device or hour.
    pub fn row(&self, key: &RowKey) -> Option<Row> {
        Some(match key {
            RowKey::From(article) => Row::of(&self.known(*article)?.from),
            RowKey::To(article) => {
                let article = self.known(*article)?;
                let (bias, bias_squares) = (article.bias, article.bias_squares);
                Row { bias, bias_squares, ..Row::of(&article.to) }
            }
            RowKey::Reader(reader) => Row::of(&self.readers[*self.reader_places.get(reader)? as usize]),
            RowKey::Device(device) => Row::of(self.devices.get(usize::from(*device))?),
            RowKey::Hour(hour) => Row::of(self.hours.get(usize::from(*hour))?),
        })
    }

    /// Puts a row in the place of what is there. An article that is not known yet has its other row as it starts.
    pub fn put(&mut self, key: &RowKey, row: &Row) {
        let learned = row.learned();
        match key {
            RowKey::From(article) => {
                let place = self.article(*article);
                self.articles[place].from = learned;
            }
            RowKey::To(article) => {
                let place = self.article(*article);
                let article = &mut self.articles[place];
                (article.to, article.bias, article.bias_squares) = (learned, row.bias, row.bias_squares);
            }
            RowKey::Reader(reader) => {
                let place = self.reader(reader);
                self.readers[place] = learned;
            }
            RowKey::Device(device) => {
                self.devices
                    .iter_mut()
                    .skip(usize::from(*device))
                    .take(1)
                    .for_each(|at| *at = learned.clone());
            }
            RowKey::Hour(hour) => {
                self.hours.iter_mut().skip(usize::from(*hour)).take(1).for_each(|at| *at = learned.clone());
            }
        }
    }

    /// Forgets an article (by either of its rows) or a reader. A device or an hour stays.
    pub fn remove(&mut self, key: &RowKey) {
        match key {
            RowKey::From(article) | RowKey::To(article) => {
                self.free_articles.extend(self.article_places.remove(article));
            }
            RowKey::Reader(reader) => self.free_readers.extend(self.reader_places.remove(reader)),
            RowKey::Device(_) | RowKey::Hour(_) => {}
        }
    }

    /// The keys of all rows, in their order.
    pub fn keys(&self) -> Vec<RowKey> {
        let articles = self.article_places.keys().flat_map(|id| [RowKey::From(*id), RowKey::To(*id)]);
        let readers = self.reader_places.keys().cloned().map(RowKey::Reader);
        let devices = (0..self.devices.len() as u8).map(RowKey::Device);
        let hours = (0..self.hours.len() as u8).map(RowKey::Hour);
        let mut keys: Vec<RowKey> = articles.chain(readers).chain(devices).chain(hours).collect();
        keys.sort();
        keys
    }

    /// All rows, in the order of their keys.
    pub fn rows(&self) -> Vec<(RowKey, Row)> {
        self.keys().into_iter().filter_map(|key| self.row(&key).map(|row| (key, row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_make_the_same_table() {
        let mut table = Table::new(3);
        let reader = ReaderId::new("ann").unwrap();
        let mut row = table.row(&RowKey::Hour(5)).unwrap();
        (row.vector[7], row.squares, row.bias) = (0.1 + f32::EPSILON, 3.0, -0.5);
        for key in [RowKey::To(ArticleId(7)), RowKey::Reader(reader.clone()), RowKey::Device(2)] {
            table.put(&key, &row);
        }
        assert_eq!(table.row(&RowKey::To(ArticleId(7))), Some(row.clone()));
        assert_eq!(Row::from_bytes(&row.to_bytes()), Some(row));
        let mut other = Table::new(3);
        for (key, row) in table.rows() {
            other.put(&key, &Row::from_bytes(&row.to_bytes()).unwrap());
        }
        assert_eq!(other.rows(), table.rows());

        other.remove(&RowKey::From(ArticleId(7)));
        other.remove(&RowKey::Reader(reader));
        assert_eq!((other.articles(), other.readers()), (0, 0));
        let fresh = other.article(ArticleId(8));
        assert_eq!(fresh, 0, "a place that is free is taken again");
        assert_eq!(other.articles[0].bias, 0.0);
        assert_eq!(Row::from_bytes(&[0; 12]), None);
    }
}
