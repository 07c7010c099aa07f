//! A report as one page that needs nothing else: no script, no request to anywhere, light and dark.

use std::fmt::{self, Display, Formatter};

use super::plots::{Dot, Line, Scale, class, dots, escaped, lines};
use super::report::{Difference, Estimate, Report, ReportRow, RowKind, Slice, SliceFamily};
use super::{CHANCE, MEASURES};

const STYLE: &str = include_str!("page.css");
/// The measures that are plotted.
const PLOTTED: [&str; 4] = ["ndcg@10", "mrr@10", "hr@10", "auc"];
/// The measure of which parts of the impressions are shown.
const OF_PARTS: &str = "ndcg@10";
/// With more parts than these a family is a line plot.
const MOST_PANELS: usize = 6;

impl Report {
    /// The report as one HTML page with tables and plots.
    pub fn to_html(&self) -> String {
        Page(self).to_string()
    }
}

struct Page<'a>(&'a Report);

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let n = report.rows.first().map_or(0, |row| row.n);
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Abovefold: evaluation</title>\n<style>\n{STYLE}</style>\n<h1>Evaluation</h1>\n\
             <p>{n} impressions of {} readers. Intervals are 95 %, from {} resamples of readers; equal scores count their expected value.</p>\n",
            report.readers, report.resamples
        )?;
        self.facts(f)?;
        self.rows(f)?;
        self.plots(f)?;
        self.tests(f)?;
        self.retrieval(f)?;
        report.slices.iter().try_for_each(|family| self.slices(f, family))?;
        self.beyond(f)?;
        self.unusual(f)?;
        f.write_str("</html>\n")
    }
}

impl Page<'_> {
    fn facts(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<dl>")?;
        for (name, value) in &self.0.facts {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(f, "<dt>{}<dd>{}", escaped(name), escaped(&value))?;
        }
        f.write_str("</dl>\n")
    }

    fn rows(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<h2>All rows</h2>\n<div class=wide><table><thead><tr><th>row")?;
        MEASURES.iter().try_for_each(|measure| write!(f, "<th>{measure}"))?;
        if self.has_oracle() {
            f.write_str("<th>share of the oracle")?;
        }
        f.write_str("<tbody>")?;
        for row in &self.0.rows {
            write!(f, "\n<tr><td>{}", name(row))?;
            for (measure, value) in MEASURES.iter().zip(row.values.0) {
                let best = if self.is_best(row, measure) { " class=best" } else { "" };
                let estimate = Estimate { value, ci: row.ci.get(measure).copied() };
                write!(f, "<td{best}>{}", cell(&estimate))?;
            }
            if let Some(share) = &row.oracle_share {
                write!(f, "<td>{}", cell(share))?;
            }
        }
        f.write_str("</table></div>\n")
    }

    fn plots(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(
            "<p class=legend><span class=chance><i></i>chance</span><span class=baseline><i></i>baseline</span>\
             <span class=model><i></i>model</span><span class=oracle><i></i>oracle</span></p>\n<div class=plots>",
        )?;
        for measure in PLOTTED {
            let rows: Vec<Dot<'_>> = self.0.rows.iter().map(|row| dot(row, estimate(row, measure))).collect();
            let scale = Scale::of(rows.iter().map(|row| &row.estimate));
            let chance = self.0.row(CHANCE).map(|row| row.values.of(measure));
            f.write_str(&dots(measure, &rows, scale, chance))?;
        }
        f.write_str("</div>\n")
    }

    fn tests(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tested: Vec<&ReportRow> =
            self.0.rows.iter().filter(|row| !row.against_best_baseline.is_empty()).collect();
        if !tested.is_empty() {
            f.write_str(
                "<h2>Against the best baseline</h2>\n<p>The difference to the baseline that is best in the measure, on the same resamples.</p>\n",
            )?;
            let rows = tested.iter().map(|row| (row.name.as_str(), &row.against_best_baseline));
            differences(f, "row", rows, true)?;
        }
        if !self.0.comparisons.is_empty() {
            f.write_str("<h2>Pairs</h2>\n<p>The difference of two rows, on the same resamples.</p>\n")?;
            let names: Vec<String> = self
                .0
                .comparisons
                .iter()
                .map(|pair| format!("{} against {}", pair.row, pair.against))
                .collect();
            let rows = names.iter().zip(&self.0.comparisons);
            differences(f, "pair", rows.map(|(name, pair)| (name.as_str(), &pair.measures)), false)?;
        }
        Ok(())
    }

    fn retrieval(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.retrieval.is_empty() {
            return Ok(());
        }
        f.write_str("<h2>Retrieval</h2>\n<p>How often the article that was read next is among the 100 found.</p>\n<div class=plots>")?;
        let kind = RowKind::Model;
        let rows: Vec<Dot<'_>> =
            self.0.retrieval.iter().map(|row| Dot { label: &row.name, kind, estimate: row.recall }).collect();
        let scale = Scale::of(rows.iter().map(|row| &row.estimate));
        f.write_str(&dots("recall@100", &rows, scale, None))?;
        f.write_str("<table><thead><tr><th>row<th>n<th>recall@100<tbody>")?;
        for row in &self.0.retrieval {
            write!(f, "\n<tr><td>{}<td>{}<td>{}", escaped(&row.name), row.n, cell(&row.recall))?;
        }
        for pair in &self.0.retrieval_comparisons {
            let name = format!("{} against {}", pair.row, pair.recall.against);
            write!(f, "\n<tr><td>{}<td><td>{}", escaped(&name), tested(&pair.recall))?;
        }
        f.write_str("</table></div>\n")
    }

    fn slices(&self, f: &mut Formatter<'_>, family: &SliceFamily) -> fmt::Result {
        let parts = &family.slices;
        if parts.len() < 2 {
            return Ok(());
        }
        write!(
            f,
            "<h2>By {}</h2>\n<p>{OF_PARTS} of each part.</p>\n<div class=plots>",
            escaped(&family.name)
        )?;
        let of = |part: &Slice, row: &ReportRow| {
            let found = part.rows.get(&row.name).and_then(|measures| measures.get(OF_PARTS));
            found.copied().unwrap_or(Estimate { value: f64::NAN, ci: None })
        };
        if parts.len() > MOST_PANELS {
            let labels: Vec<&str> = parts.iter().map(|part| part.label.as_str()).collect();
            let counts: Vec<usize> = parts.iter().map(|part| part.n).collect();
            let shown: Vec<Line<'_>> = self
                .leaders()
                .into_iter()
                .map(|row| Line {
                    label: &row.name,
                    kind: row.kind,
                    estimates: parts.iter().map(|part| of(part, row)).collect(),
                })
                .collect();
            f.write_str(&lines(OF_PARTS, &labels, &counts, &shown))?;
        } else {
            let panels: Vec<Vec<Dot<'_>>> = parts
                .iter()
                .map(|part| self.0.rows.iter().map(|row| dot(row, of(part, row))).collect())
                .collect();
            let scale = Scale::of(panels.iter().flatten().map(|dot| &dot.estimate));
            for (part, rows) in parts.iter().zip(&panels) {
                let title = format!("{} · {} impressions, {} readers", part.label, part.n, part.readers);
                let chance = rows.iter().find(|row| row.label == CHANCE).map(|row| row.estimate.value);
                f.write_str(&dots(&title, rows, scale, chance))?;
            }
        }
        f.write_str("</div>\n")
    }

    fn beyond(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(
            "<h2>Beyond accuracy</h2>\n<p>The first ten of each list. Coverage: the share of all articles in view that were ever among them. \
             Novelty: the mean of -log2 of an article's share of reads, in bits. Diversity: the mean over pairs of 1 - cosine.</p>\n\
             <div class=wide><table><thead><tr><th>row<th>articles<th>coverage<th>novelty<th>diversity<tbody>",
        )?;
        for row in &self.0.rows {
            let Some(beyond) = &row.beyond_accuracy else { continue };
            write!(
                f,
                "\n<tr><td>{}<td>{}<td>{}<td>{}<td>{}",
                name(row),
                beyond.articles,
                number(beyond.coverage),
                cell(&beyond.novelty),
                cell(&beyond.diversity)
            )?;
        }
        f.write_str("</table></div>\n")
    }

    fn unusual(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let left_out = self.0.left_out;
        write!(
            f,
            "<h2>What was left out</h2>\n<dl><dt>without a click<dd>{}<dt>without an article<dd>{}\
             <dt>no AUC (every article was clicked)<dd>{}<dt>of one article<dd>{}<dt>with several clicks (counted once)<dd>{}",
            left_out.no_click, left_out.empty, left_out.no_auc, left_out.one_article, left_out.several_clicks
        )?;
        for missing in &self.0.missing {
            write!(f, "<dt>{}<dd>not evaluated: {}", escaped(&missing.row), escaped(&missing.reason))?;
        }
        f.write_str("</dl>\n")
    }

    /// The rows that a line plot has room for: chance, the best baseline, the best model, the oracle.
    fn leaders(&self) -> Vec<&ReportRow> {
        let kinds = [RowKind::Oracle, RowKind::Model, RowKind::Baseline];
        let worth = |row: &ReportRow| row.values.of(OF_PARTS);
        let best = |kind| {
            let rows = self.0.rows.iter().filter(move |row| row.kind == kind);
            rows.max_by(|a, b| worth(a).total_cmp(&worth(b)))
        };
        kinds.into_iter().filter_map(best).chain(self.0.row(CHANCE)).collect()
    }

    fn has_oracle(&self) -> bool {
        self.0.rows.iter().any(|row| row.oracle_share.is_some())
    }

    /// Whether no row but the oracle is better in a measure.
    fn is_best(&self, row: &ReportRow, measure: &str) -> bool {
        let rivals = self.0.rows.iter().filter(|row| row.kind != RowKind::Oracle);
        let best = rivals.map(|row| row.values.of(measure)).fold(f64::NEG_INFINITY, f64::max);
        row.kind != RowKind::Oracle && row.values.of(measure) >= best
    }
}

fn differences<'a>(
    f: &mut Formatter<'_>,
    head: &str,
    rows: impl Iterator<Item = (&'a str, &'a std::collections::BTreeMap<&'static str, Difference>)>,
    name_baseline: bool,
) -> fmt::Result {
    write!(f, "<div class=wide><table><thead><tr><th>{head}")?;
    MEASURES.iter().try_for_each(|measure| write!(f, "<th>{measure}"))?;
    f.write_str("<tbody>")?;
    for (name, differences) in rows {
        write!(f, "\n<tr><td>{}", escaped(name))?;
        for measure in MEASURES {
            match differences.get(measure) {
                Some(difference) if name_baseline => {
                    write!(f, "<td>{}<small>{}</small>", tested(difference), escaped(&difference.against))?;
                }
                Some(difference) => write!(f, "<td>{}", tested(difference))?,
                None => f.write_str("<td>")?,
            }
        }
    }
    f.write_str("</table></div>\n")
}

fn dot(row: &ReportRow, estimate: Estimate) -> Dot<'_> {
    Dot { label: &row.name, kind: row.kind, estimate }
}

fn estimate(row: &ReportRow, measure: &str) -> Estimate {
    Estimate { value: row.values.of(measure), ci: row.ci.get(measure).copied() }
}

fn name(row: &ReportRow) -> String {
    format!("<span class=\"dot {}\"></span>{}", class(row.kind), escaped(&row.name))
}

fn number(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.4}") }
}

fn cell(estimate: &Estimate) -> String {
    let interval = estimate.ci.filter(|_| !estimate.value.is_nan());
    let interval = interval.map(|[low, high]| format!("<small>{low:.4} – {high:.4}</small>"));
    format!("{}{}", number(estimate.value), interval.unwrap_or_default())
}

fn tested(difference: &Difference) -> String {
    let interval =
        difference.ci.map(|[low, high]| format!("<small>{low:+.4} – {high:+.4}</small>")).unwrap_or_default();
    let p =
        if difference.p.is_nan() { String::new() } else { format!("<small>p {:.3}</small>", difference.p) };
    format!("{:+.4}{interval}{p}", difference.difference)
}
