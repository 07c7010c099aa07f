//! A report as text, for the terminal.

use std::fmt::{self, Display, Formatter};

use super::report::{Difference, Report};
use super::{MEASURES, SLICE_MEASURES};

/// The measures whose intervals and tests the terminal has room for.
const SHOWN: [&str; 4] = ["auc", "mrr@10", "ndcg@10", "hr@10"];

impl Report {
    /// The report as a text table, some lines long.
    pub fn to_table(&self) -> String {
        Table(self).to_string()
    }
}

struct Table<'a>(&'a Report);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let names = report.rows.iter().map(|row| row.name.as_str());
        let width = names.chain(report.retrieval.iter().map(|row| row.name.as_str())).map(str::len).max();
        let width = width.unwrap_or(0).max(12);
        write!(f, "{:width$} {:>8}", "", "n")?;
        MEASURES.iter().try_for_each(|measure| write!(f, " {measure:>7}"))?;
        for row in &report.rows {
            write!(f, "\n{:width$} {:>8}", row.name, row.n)?;
            row.values.0.iter().try_for_each(|value| write!(f, " {value:>7.4}"))?;
        }
        if report.resamples > 0 {
            write!(
                f,
                "\n\n95 % intervals, {} resamples of {} readers\n{:width$}",
                report.resamples, report.readers, ""
            )?;
            SHOWN.iter().try_for_each(|measure| write!(f, " {measure:>16}"))?;
            for row in &report.rows {
                write!(f, "\n{:width$}", row.name)?;
                SHOWN.iter().try_for_each(|measure| {
                    write!(f, " {:>16}", row.ci.get(measure).map(interval).unwrap_or_default())
                })?;
            }
        }
        self.differences(f, width)?;
        self.beyond(f, width)?;
        self.retrieval(f, width)?;
        self.slices(f, width)?;
        self.unusual(f)
    }
}

impl Table<'_> {
    fn differences(&self, f: &mut Formatter<'_>, width: usize) -> fmt::Result {
        let tested = self.0.rows.iter().filter(|row| !row.against_best_baseline.is_empty());
        for (at, row) in tested.enumerate() {
            if at == 0 {
                write!(f, "\n\nagainst the best baseline of each measure: difference, 95 % interval, p")?;
            }
            write!(f, "\n{:width$}", row.name)?;
            for measure in SHOWN {
                if let Some(difference) = row.against_best_baseline.get(measure) {
                    write!(f, "\n{:width$}   {measure:<8} {}", "", tested_as(difference))?;
                }
            }
        }
        for comparison in &self.0.comparisons {
            write!(f, "\n\n{} against {}", comparison.row, comparison.against)?;
            for measure in SHOWN {
                if let Some(difference) = comparison.measures.get(measure) {
                    write!(f, "\n   {measure:<8} {}", tested_as(difference))?;
                }
            }
        }
        Ok(())
    }

    fn beyond(&self, f: &mut Formatter<'_>, width: usize) -> fmt::Result {
        write!(
            f,
            "\n\nfirst ten of each list\n{:width$} {:>8} {:>9} {:>9} {:>9} {:>22}",
            "", "articles", "coverage", "novelty", "diversity", "share of the oracle"
        )?;
        for row in &self.0.rows {
            write!(f, "\n{:width$}", row.name)?;
            match &row.beyond_accuracy {
                Some(beyond) => write!(
                    f,
                    " {:>8} {:>9.4} {:>9} {:>9}",
                    beyond.articles,
                    beyond.coverage,
                    or_dash(beyond.novelty.value),
                    or_dash(beyond.diversity.value)
                )?,
                None => write!(f, " {:>8} {:>9} {:>9} {:>9}", "-", "-", "-", "-")?,
            }
            if let Some(share) = row.oracle_share {
                let interval = share.ci.as_ref().map(interval).unwrap_or_default();
                write!(f, " {:>22}", format!("{} {interval}", or_dash(share.value)))?;
            }
        }
        Ok(())
    }

    fn retrieval(&self, f: &mut Formatter<'_>, width: usize) -> fmt::Result {
        if self.0.retrieval.is_empty() {
            return Ok(());
        }
        write!(f, "\n\nretrieval {:>1$} {2:>10}", "n", width - 1, "recall@100")?;
        for row in &self.0.retrieval {
            let interval = row.recall.ci.as_ref().map(interval).unwrap_or_default();
            write!(f, "\n{:width$} {:>8} {:>10.4} {interval}", row.name, row.n, row.recall.value)?;
        }
        for comparison in &self.0.retrieval_comparisons {
            write!(
                f,
                "\n{} against {}: {}",
                comparison.row,
                comparison.recall.against,
                tested_as(&comparison.recall)
            )?;
        }
        Ok(())
    }

    fn slices(&self, f: &mut Formatter<'_>, width: usize) -> fmt::Result {
        // The hours and days are for the page.
        for family in self.0.slices.iter().filter(|family| family.slices.len() <= 6) {
            for measure in SLICE_MEASURES.iter().filter(|measure| **measure == "ndcg@10") {
                write!(f, "\n\n{measure} by {}\n{:width$}", family.name, "")?;
                family.slices.iter().try_for_each(|slice| write!(f, " {:>17}", slice.label))?;
                write!(f, "\n{:width$}", "n")?;
                family.slices.iter().try_for_each(|slice| write!(f, " {:>17}", slice.n))?;
                for row in &self.0.rows {
                    write!(f, "\n{:width$}", row.name)?;
                    for slice in &family.slices {
                        let found = slice.rows.get(&row.name).and_then(|measures| measures.get(measure));
                        write!(f, " {:>17}", or_dash(found.map_or(f64::NAN, |found| found.value)))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn unusual(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let left_out = self.0.left_out;
        let counts = [
            (left_out.empty, "impressions without an article were left out"),
            (left_out.no_click, "impressions without a click were left out"),
            (left_out.no_auc, "impressions have no AUC: every article was clicked"),
            (left_out.several_clicks, "impressions have several clicks"),
        ];
        let mut apart = "\n";
        for (count, words) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{apart}\n{count} {words}")?;
            apart = "";
        }
        for missing in &self.0.missing {
            write!(f, "{apart}\nnot evaluated: {} ({})", missing.row, missing.reason)?;
            apart = "";
        }
        Ok(())
    }
}

fn interval(interval: &[f64; 2]) -> String {
    format!("[{:.4} {:.4}]", interval[0], interval[1])
}

fn or_dash(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4}") }
}

fn tested_as(difference: &Difference) -> String {
    let interval = difference.ci.map(|[low, high]| format!("[{low:+.4} {high:+.4}]")).unwrap_or_default();
    let p = if difference.p.is_nan() { String::new() } else { format!("p {:.3}", difference.p) };
    format!("{:+.4} {interval} {p}  {}", difference.difference, difference.against)
}
