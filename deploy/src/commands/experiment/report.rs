//! What is said of the arms: a table with its warnings, or JSON.

use abovefold_schemas::Timestamp;
use serde_json::{Value, json};

use super::{
    count::{Count, Group, Which},
    ratio::Estimate,
    sample_ratio::{SUSPICIOUS, SampleRatio},
};
use crate::{cli::ReportBy, config::ExperimentConfig};

/// With fewer readers than this in an arm, reads are too unevenly spread for a normal approximation.
const FEW_READERS: u64 = 30;
/// What stands for a group without a name.
const NO_ARM: &str = "(none)";

/// The report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    by: ReportBy,
    experiment: Option<String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    readers: u64,
    slates: u64,
    /// Arms in their configured order, those that only the log knows, and slates of no arm.
    rows: Vec<Row>,
    sample_ratio: Option<SampleRatio>,
    warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    group: Group,
    /// The share of the readers that it should have; `None` where the configuration does not know it.
    share: Option<f64>,
    reads_per_slate: Option<Estimate>,
    /// How many reads per slate it has more than the first arm.
    difference: Option<Estimate>,
}

impl Report {
    /// Compares what was counted.
    pub fn new(experiment: &ExperimentConfig, which: &Which, count: &Count, unreadable: u64) -> Self {
        let mut rows = rows(which, count);
        let mut report = Self {
            by: which.by,
            experiment: Some(experiment.name.clone()).filter(|_| which.experiment.is_some()),
            from: which.from,
            until: which.until,
            readers: count.readers,
            slates: rows.iter().map(|row| row.group.sums.slates).sum(),
            rows: Vec::new(),
            sample_ratio: None,
            warnings: Vec::new(),
        };
        if which.by == ReportBy::Arm {
            compare(&mut rows);
            let known = rows.iter().filter_map(|row| Some((row.group.sums.readers, row.share?)));
            let (readers, shares): (Vec<u64>, Vec<f64>) = known.unzip();
            report.sample_ratio = SampleRatio::test(&readers, &shares);
        }
        report.rows = rows;
        report.warnings = report.find_warnings(count, unreadable);
        report
    }

    /// What makes the numbers worth less than they seem.
    fn find_warnings(&self, count: &Count, unreadable: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.slates > 0 && self.by == ReportBy::Arm {
            self.warn_of_arms(count, &mut warnings);
        }
        if count.repeated > 0 {
            warnings.push(format!(
                "{} impressions are in the log more than once, and count once",
                count.repeated
            ));
        }
        if unreadable > 0 {
            warnings.push(format!(
                "{unreadable} records of the impressions' topic are none that this program reads; they are left out"
            ));
        }
        warnings
    }

    fn warn_of_arms(&self, count: &Count, warnings: &mut Vec<String>) {
        if let Some(ratio) = self.sample_ratio.as_ref().filter(|ratio| ratio.is_suspicious()) {
            let known = self.rows.iter().filter(|row| row.share.is_some());
            let arms = known.zip(&ratio.expected).map(|(row, expected)| {
                format!("{} has {} readers, expected {expected:.1}", row.group.name, row.group.sums.readers)
            });
            warnings.push(format!(
                "readers are not shared out as the weights say ({}; p = {}, below {SUSPICIOUS}): something loses or adds readers in one arm, or \
                 the weights were others once. Trust no difference until the cause is found; if the weights were changed, report --from then",
                arms.collect::<Vec<_>>().join(", "),
                probability(ratio.p)
            ));
        }
        let named = |row: &&Row| !row.group.name.is_empty();
        if let Some(experiment) = &self.experiment {
            let strange = self.rows.iter().filter(named).filter(|row| row.share.is_none());
            let strange: Vec<&str> = strange.map(|row| row.group.name.as_str()).collect();
            if !strange.is_empty() {
                warnings.push(format!("the experiment {experiment} has no arm {}", strange.join(", ")));
            }
            if count.moved > 0 {
                warnings.push(format!(
                    "{} slates were served in another arm than the configuration gives their reader: arms, weights or salt were others once, or \
                     are others in another process; report --from the last change",
                    count.moved
                ));
            }
        }
        if count.in_several > 0 {
            warnings.push(format!(
                "{} readers have slates of several arms, so that the arms are not of different readers",
                count.in_several
            ));
        }
        if self.rows.iter().filter(named).count() < 2 {
            warnings.push("there is nothing to compare: fewer than two arms".into());
        }
        for row in self.rows.iter().filter(named) {
            let Group { name, sums, .. } = &row.group;
            if sums.readers < FEW_READERS {
                warnings
                    .push(format!("{name} has {} readers, too few for an interval to trust", sums.readers));
            } else if row.reads_per_slate.is_some_and(|estimate| estimate.interval.is_none()) {
                warnings.push(format!("{name} has no interval: all its readers read alike"));
            }
        }
    }

    /// One JSON object.
    pub fn to_json(&self) -> Value {
        let time = |time: Option<Timestamp>| time.map(Timestamp::to_rfc3339);
        let rows: Vec<Value> = self.rows.iter().map(|row| row.to_json(self.by)).collect();
        let control = self.rows.first().map(|row| row.group.name.as_str());
        json!({
            "experiment": self.experiment,
            "from": time(self.from),
            "until": time(self.until),
            "readers": self.readers,
            "slates": self.slates,
            "control": control.filter(|name| self.by == ReportBy::Arm && !name.is_empty()),
            (match self.by { ReportBy::Arm => "arms", ReportBy::ServedBy => "served_by" }): rows,
            "sample_ratio": self.sample_ratio.as_ref().map(|ratio| json!({
                "expected": ratio.expected,
                "chi_square": ratio.chi_square,
                "degrees_of_freedom": ratio.degrees,
                "p": ratio.p,
                "mismatch": ratio.is_suspicious(),
            })),
            "warnings": self.warnings,
        })
    }

    /// A table, and what is to be said of it.
    pub fn to_lines(&self) -> Vec<String> {
        if self.slates == 0 {
            let when = if self.from.or(self.until).is_some() { "in that time" } else { "yet" };
            return [format!("no slate was served {when}")].into_iter().chain(self.warning_lines()).collect();
        }
        let (by, what) = match self.by {
            ReportBy::Arm => ("arm", "arm"),
            ReportBy::ServedBy => ("what served", "served by"),
        };
        let of = self.experiment.as_ref().map_or(String::new(), |name| format!("experiment {name}: "));
        let mut lines =
            vec![format!("{of}reads per slate by {by}, {} slates of {} readers", self.slates, self.readers)];
        let width = self.rows.iter().map(|row| row.label().len()).max().unwrap_or(0).max(what.len());
        let control = self.rows.first().filter(|_| self.by == ReportBy::Arm && self.rows.len() > 1);
        let against = control.map_or(String::new(), |row| format!("more than {}", row.label()));
        let head = format!(
            "{what:<width$} {:>9} {:>9} {:>9}  {:<34}{against}",
            "readers", "slates", "reads", "reads per slate (95 %)"
        );
        lines.push(head.trim_end().to_owned());
        for row in &self.rows {
            let Group { sums, .. } = &row.group;
            let line = format!(
                "{:<width$} {:>9} {:>9} {:>9}  {:<34}{}",
                row.label(),
                sums.readers,
                sums.slates,
                sums.reads,
                row.reads_per_slate.map_or(String::new(), |estimate| estimate_text(&estimate, false)),
                row.difference.map_or(String::new(), |estimate| estimate_text(&estimate, true))
            );
            lines.push(line.trim_end().to_owned());
        }
        if let Some(ratio) = self.sample_ratio.as_ref().filter(|ratio| !ratio.is_suspicious()) {
            lines.push(format!(
                "readers are shared out as the weights say: chi-square {:.2}, degrees of freedom {}, p = {}",
                ratio.chi_square,
                ratio.degrees,
                probability(ratio.p)
            ));
        }
        lines.extend(self.warning_lines());
        lines
    }

    fn warning_lines(&self) -> impl Iterator<Item = String> {
        self.warnings.iter().map(|warning| format!("warning: {warning}"))
    }
}

impl Row {
    fn label(&self) -> &str {
        if self.group.name.is_empty() { NO_ARM } else { &self.group.name }
    }

    fn to_json(&self, by: ReportBy) -> Value {
        let Group { name, sums, clicked } = &self.group;
        let key = match by {
            ReportBy::Arm => "arm",
            ReportBy::ServedBy => "served_by",
        };
        json!({
            (key): name,
            "share": self.share,
            "readers": sums.readers,
            "slates": sums.slates,
            "clicked": clicked,
            "reads": sums.reads,
            "reads_per_slate": self.reads_per_slate.map(|estimate| estimate.value),
            "ci": self.reads_per_slate.and_then(|estimate| estimate.interval),
            "difference": self.difference.map(|estimate| json!({"value": estimate.value, "ci": estimate.interval})),
        })
    }
}

/// A row for each group: configured arms in their order, also those that served nobody; then others by their names, that without one last.
fn rows(which: &Which, count: &Count) -> Vec<Row> {
    let experiment = which.experiment.as_ref().filter(|_| which.by == ReportBy::Arm);
    let configured = experiment.map_or(&[][..], |experiment| experiment.arms());
    let mut groups: Vec<(Group, Option<f64>)> = Vec::new();
    for arm in configured {
        let found = count.groups.iter().find(|group| group.name == arm.name).cloned();
        let group = found.unwrap_or_else(|| Group { name: arm.name.clone(), ..Group::default() });
        groups.push((group, experiment.map(|experiment| experiment.share(arm))));
    }
    let mut others: Vec<&Group> = count.groups.iter().collect();
    others.retain(|group| configured.iter().all(|arm| arm.name != group.name));
    others.sort_by_key(|group| (group.name.is_empty(), &group.name));
    groups.extend(others.into_iter().map(|group| (group.clone(), None)));
    let row = |(group, share): (Group, Option<f64>)| {
        let reads_per_slate = group.sums.reads_per_slate();
        Row { group, share, reads_per_slate, difference: None }
    };
    groups.into_iter().map(row).collect()
}

/// Compares each arm with the first one. Slates of no arm are compared with nothing: no lot was drawn.
fn compare(rows: &mut [Row]) {
    let Some((first, others)) = rows.split_first_mut() else { return };
    for row in others.iter_mut().filter(|row| !row.group.name.is_empty()) {
        row.difference = row.group.sums.more_than(&first.group.sums);
    }
}

fn estimate_text(estimate: &Estimate, is_difference: bool) -> String {
    let number = |number: f64| if is_difference { format!("{number:+.4}") } else { format!("{number:.4}") };
    let interval = estimate.interval.map(|[low, high]| format!(" ({} to {})", number(low), number(high)));
    format!("{}{}", number(estimate.value), interval.unwrap_or_default())
}

fn probability(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") }
}
