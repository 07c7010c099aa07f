//! From what was gathered to the report.

use std::collections::BTreeMap;

use super::bootstrap::{Table, interval, p_value, resample};
use super::collect::{Evaluation, Row};
use super::report::{
    BeyondAccuracy, Comparison, Difference, Estimate, Report, ReportRow, RetrievalComparison, RetrievalRow,
    RowKind, Slice, SliceFamily, Values,
};
use super::slices::partings;
use super::top::{DIVERSITY, KEPT, NOVELTY};
use super::{CHANCE, MEASURE_COUNT, MEASURES, SLICE_MEASURES, measure_index};

/// The totals of one draw of readers, as values of rows.
///
/// A line of the table of all impressions holds the impressions, those with an AUC, and for each row [`PER_ROW`] numbers: its sums, then
/// how many novelties and diversities are defined.
#[derive(Clone, Copy)]
struct Totals<'a>(&'a [f64]);

const COUNTS: usize = 2;
const PER_ROW: usize = KEPT + 2;
const AUC: usize = 0;

impl Totals<'_> {
    /// The mean of a measure, of novelty or of diversity.
    fn value(self, row: usize, value: usize) -> f64 {
        let of_row = &self.0[COUNTS + row * PER_ROW..][..PER_ROW];
        let count = match value {
            AUC => self.0[1],
            NOVELTY => of_row[KEPT],
            DIVERSITY => of_row[KEPT + 1],
            _ => self.0[0],
        };
        // 0/0 is not a number, which is what a mean over nothing is.
        of_row[value] / count
    }
}

/// The observed totals and those of the resamples.
struct Drawn {
    width: usize,
    observed: Vec<f64>,
    resampled: Vec<f64>,
}

impl Drawn {
    fn estimate(&self, value: impl Fn(Totals<'_>) -> f64) -> Estimate {
        Estimate { value: value(Totals(&self.observed)), ci: interval(&self.resamples(&value)) }
    }

    fn resamples(&self, value: impl Fn(Totals<'_>) -> f64) -> Vec<f64> {
        self.resampled.chunks_exact(self.width).map(|totals| value(Totals(totals))).collect()
    }

    fn difference(&self, against: &str, value: impl Fn(Totals<'_>) -> f64) -> Difference {
        let resamples = self.resamples(&value);
        Difference {
            against: against.to_owned(),
            difference: value(Totals(&self.observed)),
            ci: interval(&resamples),
            p: p_value(&resamples),
        }
    }
}

impl Evaluation {
    /// Makes the report. Intervals and tests come from `resamples` draws of readers (0: none), drawn from `seed`.
    pub fn finish(self, resamples: usize, seed: u64) -> Report {
        let mut order: Vec<usize> = (0..self.kept.len()).collect();
        order.sort_by_key(|place| self.kept[*place].reader);
        // Readers by number, from 0, in the order of their ids.
        let mut readers = 0u32;
        let mut numbers = Vec::with_capacity(order.len());
        for (at, place) in order.iter().enumerate() {
            if at > 0 && self.kept[*place].reader != self.kept[order[at - 1]].reader {
                readers += 1;
            }
            numbers.push(readers);
        }
        let readers = if order.is_empty() { 0 } else { readers as usize + 1 };
        let mut tables = vec![self.whole(&order, &numbers)];
        let partings = partings(&self.kept);
        let mut counts: Vec<Vec<usize>> = Vec::new();
        for parting in &partings {
            let mut parts =
                vec![Table::new(COUNTS + self.rows.len() * SLICE_MEASURES.len()); parting.labels.len()];
            let mut count = vec![0; parting.labels.len()];
            for (place, number) in order.iter().zip(&numbers) {
                let part = (parting.label_of)(&self.kept[*place]);
                count[part] += 1;
                self.add_slice(*place, parts[part].line(*number));
            }
            tables.append(&mut parts);
            counts.push(count);
        }
        let mut resampled = resample(&tables, readers, resamples, seed);
        let parts_resampled = resampled.split_off(1);
        let drawn = Drawn {
            width: COUNTS + self.rows.len() * PER_ROW,
            observed: tables[0].totals(),
            resampled: resampled.pop().unwrap_or_default(),
        };
        let mut slices = Vec::new();
        let mut next = tables[1..].iter().zip(parts_resampled);
        for (parting, counts) in partings.iter().zip(counts) {
            let mut family = SliceFamily { name: parting.name.to_owned(), slices: Vec::new() };
            for (label, n) in parting.labels.iter().zip(counts) {
                let Some((table, resampled)) = next.next() else { break };
                if n > 0 {
                    family.slices.push(self.slice(label, n, table, &resampled));
                }
            }
            slices.push(family);
        }
        let (retrieval, retrieval_comparisons) = self.retrieval(resamples, seed);
        Report {
            rows: (0..self.rows.len()).map(|row| self.report_row(row, &drawn)).collect(),
            comparisons: self.pairs.iter().map(|pair| self.comparison(*pair, &drawn)).collect(),
            slices,
            retrieval,
            retrieval_comparisons,
            missing: self.missing,
            facts: self.facts,
            left_out: self.left_out,
            readers,
            resamples,
            seed,
        }
    }

    /// The sums of every reader over all impressions.
    fn whole(&self, order: &[usize], numbers: &[u32]) -> Table {
        let mut table = Table::new(COUNTS + self.rows.len() * PER_ROW);
        for (place, number) in order.iter().zip(numbers) {
            let line = table.line(*number);
            line[0] += 1.0;
            line[1] += f64::from(u8::from(!self.rows[0].values[*place][AUC].is_nan()));
            for (row, sums) in self.rows.iter().zip(line[COUNTS..].chunks_exact_mut(PER_ROW)) {
                let values = &row.values[*place];
                for (sum, value) in sums.iter_mut().zip(values).filter(|(_, value)| !value.is_nan()) {
                    *sum += f64::from(*value);
                }
                sums[KEPT] += f64::from(u8::from(!values[NOVELTY].is_nan()));
                sums[KEPT + 1] += f64::from(u8::from(!values[DIVERSITY].is_nan()));
            }
        }
        table
    }

    /// Adds an impression to a line of a slice: the impressions, those with an AUC, and for each row the measures of slices.
    fn add_slice(&self, place: usize, line: &mut [f64]) {
        line[0] += 1.0;
        line[1] += f64::from(u8::from(!self.rows[0].values[place][AUC].is_nan()));
        for (row, sums) in self.rows.iter().zip(line[COUNTS..].chunks_exact_mut(SLICE_MEASURES.len())) {
            for (sum, measure) in sums.iter_mut().zip(SLICE_MEASURES) {
                let value = measure_index(measure).map_or(f32::NAN, |index| row.values[place][index]);
                *sum += if value.is_nan() { 0.0 } else { f64::from(value) };
            }
        }
    }

    fn slice(&self, label: &str, n: usize, table: &Table, resampled: &[f64]) -> Slice {
        let width = COUNTS + self.rows.len() * SLICE_MEASURES.len();
        let observed = table.totals();
        let rows = self.rows.iter().enumerate().map(|(row, Row { name, .. })| {
            let estimates = SLICE_MEASURES.iter().enumerate().map(|(place, measure)| {
                let value = |totals: &[f64]| {
                    let count = if *measure == MEASURES[AUC] { totals[1] } else { totals[0] };
                    totals[COUNTS + row * SLICE_MEASURES.len() + place] / count
                };
                let samples: Vec<f64> = resampled.chunks_exact(width).map(value).collect();
                (*measure, Estimate { value: value(&observed), ci: interval(&samples) })
            });
            (name.clone(), estimates.collect())
        });
        Slice { label: label.to_owned(), n, readers: table.readers(), rows: rows.collect() }
    }

    fn report_row(&self, row: usize, drawn: &Drawn) -> ReportRow {
        let Row { name, kind, shown, .. } = &self.rows[row];
        let mut values = Values([f64::NAN; MEASURE_COUNT]);
        let mut ci = BTreeMap::new();
        let mut against_best_baseline = BTreeMap::new();
        for (measure, measure_name) in MEASURES.into_iter().enumerate() {
            let estimate = drawn.estimate(|totals| totals.value(row, measure));
            values.0[measure] = estimate.value;
            ci.extend(estimate.ci.map(|interval| (measure_name, interval)));
            if matches!(kind, RowKind::Model | RowKind::Oracle) {
                let best = self.best_baseline(measure, drawn);
                let difference = drawn.difference(&self.rows[best].name, |totals| {
                    totals.value(row, measure) - totals.value(best, measure)
                });
                against_best_baseline.insert(measure_name, difference);
            }
        }
        ReportRow {
            name: name.clone(),
            kind: *kind,
            n: self.kept.len(),
            values,
            ci,
            against_best_baseline,
            oracle_share: self.oracle_share(row, drawn),
            beyond_accuracy: (name != CHANCE).then(|| BeyondAccuracy {
                articles: shown.len(),
                coverage: shown.len() as f64 / self.candidates.len() as f64,
                novelty: drawn.estimate(|totals| totals.value(row, NOVELTY)),
                diversity: drawn.estimate(|totals| totals.value(row, DIVERSITY)),
            }),
        }
    }

    /// The baseline with the greatest mean of a measure; chance where there are no baselines.
    fn best_baseline(&self, measure: usize, drawn: &Drawn) -> usize {
        let worth = |row: usize| Totals(&drawn.observed).value(row, measure);
        (0..self.rows.len())
            .filter(|row| self.rows[*row].kind == RowKind::Baseline)
            .max_by(|a, b| worth(*a).total_cmp(&worth(*b)))
            .unwrap_or(0)
    }

    fn oracle_share(&self, row: usize, drawn: &Drawn) -> Option<Estimate> {
        let oracle = self.rows.iter().position(|row| row.kind == RowKind::Oracle)?;
        let measure = measure_index("ndcg@10")?;
        Some(drawn.estimate(|totals| {
            let chance = totals.value(0, measure);
            (totals.value(row, measure) - chance) / (totals.value(oracle, measure) - chance)
        }))
    }

    fn comparison(&self, (row, against): (usize, usize), drawn: &Drawn) -> Comparison {
        let name = &self.rows[against].name;
        let measures = MEASURES.into_iter().enumerate().map(|(measure, measure_name)| {
            let difference =
                drawn.difference(name, |totals| totals.value(row, measure) - totals.value(against, measure));
            (measure_name, difference)
        });
        Comparison { row: self.rows[row].name.clone(), against: name.clone(), measures: measures.collect() }
    }

    /// Rows of retrieval, hits and tries of each side by side in one table, so that tests are paired.
    fn retrieval(&self, resamples: usize, seed: u64) -> (Vec<RetrievalRow>, Vec<RetrievalComparison>) {
        let mut by_reader: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (row, (_, hits)) in self.retrieval.iter().enumerate() {
            for (reader, (hits, tries)) in hits {
                let line = by_reader.entry(*reader).or_insert_with(|| vec![0.0; 2 * self.retrieval.len()]);
                line[2 * row] += f64::from(*hits);
                line[2 * row + 1] += f64::from(*tries);
            }
        }
        let mut table = Table::new(2 * self.retrieval.len());
        for (number, line) in (0u32..).zip(by_reader.values()) {
            table.line(number).copy_from_slice(line);
        }
        let readers = table.readers();
        let drawn = Drawn {
            width: (2 * self.retrieval.len()).max(1),
            observed: table.totals(),
            resampled: resample(&[table], readers, resamples, seed).pop().unwrap_or_default(),
        };
        let recall = |Totals(totals): Totals<'_>, row: usize| totals[2 * row] / totals[2 * row + 1];
        let rows = self.retrieval.iter().enumerate().map(|(row, (name, _))| RetrievalRow {
            name: name.clone(),
            n: drawn.observed[2 * row + 1] as u64,
            recall: drawn.estimate(|totals| recall(totals, row)),
        });
        let place = |wanted: &String| self.retrieval.iter().position(|(name, _)| name == wanted);
        let comparisons = self.retrieval_pairs.iter().filter_map(|(row, against)| {
            let (first, second) = (place(row)?, place(against)?);
            let recall = drawn.difference(against, |totals| recall(totals, first) - recall(totals, second));
            Some(RetrievalComparison { row: row.clone(), recall })
        });
        (rows.collect(), comparisons.collect())
    }
}
