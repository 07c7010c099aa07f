//! The plots of a page, as inline SVG. Colours come from the page's style, by the kind of a row.

use std::fmt::Write;

use super::report::{Estimate, RowKind};

/// One row of a dot plot.
pub(super) struct Dot<'a> {
    pub(super) label: &'a str,
    pub(super) kind: RowKind,
    pub(super) estimate: Estimate,
}

/// One line of a line plot, with a value for each place of the x axis (NaN: none).
pub(super) struct Line<'a> {
    pub(super) label: &'a str,
    pub(super) kind: RowKind,
    pub(super) estimates: Vec<Estimate>,
}

/// A range of values, and the distance of its ticks.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

const LINE: f64 = 22.0;
const CHARACTER: f64 = 6.7;

impl Scale {
    /// A scale that holds all estimates with their intervals, from tick to tick.
    pub(super) fn of<'a>(estimates: impl Iterator<Item = &'a Estimate>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for estimate in estimates.filter(|estimate| estimate.value.is_finite()) {
            let [from, until] = estimate.ci.unwrap_or([estimate.value; 2]);
            low = low.min(from.min(estimate.value));
            high = high.max(until.max(estimate.value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // A span of nothing would be all of the plot.
        let rough = ((high - low) / 4.0).max(0.005);
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(power);
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self { low, high: if high > low { high } else { low + step }, step }
    }

    fn place(self, value: f64, from: f64, until: f64) -> f64 {
        from + (value - self.low) / (self.high - self.low) * (until - from)
    }

    fn ticks(self) -> impl Iterator<Item = (f64, String)> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        (0..=count).map(move |tick| {
            let value = self.low + tick as f64 * self.step;
            (value, format!("{value:.decimals$}"))
        })
    }
}

/// Makes text safe within HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The class of a kind, for its colour.
pub(super) fn class(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Chance => "chance",
        RowKind::Baseline => "baseline",
        RowKind::Model => "model",
        RowKind::Oracle => "oracle",
    }
}

/// Rows under one another, each a dot with its interval; a thin line marks `reference`.
pub(super) fn dots(title: &str, rows: &[Dot<'_>], scale: Scale, reference: Option<f64>) -> String {
    let longest = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
    let left = longest as f64 * CHARACTER + 12.0;
    let width = (left + 330.0).max(title.chars().count() as f64 * 1.1 * CHARACTER);
    let top = 26.0;
    let bottom = top + rows.len() as f64 * LINE;
    let (from, until) = (left + 8.0, width - 22.0);
    let mut svg = open(title, width, bottom + 24.0);
    put(&mut svg, format_args!("<text class=title x=0 y=15>{}</text>", escaped(title)));
    for (value, label) in scale.ticks() {
        let x = scale.place(value, from, until);
        put(&mut svg, format_args!("<line class=grid x1={x:.1} x2={x:.1} y1={top:.1} y2={bottom:.1} />"));
        put(
            &mut svg,
            format_args!(
                "<text class=tick x={x:.1} y={:.1} text-anchor=middle>{label}</text>",
                bottom + 15.0
            ),
        );
    }
    if let Some(value) = reference.filter(|value| value.is_finite()) {
        let x = scale.place(value, from, until);
        put(
            &mut svg,
            format_args!("<line class=reference x1={x:.1} x2={x:.1} y1={top:.1} y2={bottom:.1} />"),
        );
    }
    for (place, row) in rows.iter().enumerate() {
        let y = top + (place as f64 + 0.5) * LINE;
        put(
            &mut svg,
            format_args!(
                "<text class=label x={left:.1} y={:.1} text-anchor=end>{}</text>",
                y + 4.0,
                escaped(row.label)
            ),
        );
        if !row.estimate.value.is_finite() {
            continue;
        }
        let x = scale.place(row.estimate.value, from, until);
        put(&mut svg, format_args!("<g class={}>", class(row.kind)));
        put(&mut svg, format_args!("<title>{}</title>", escaped(&said(row.label, &row.estimate))));
        if let Some([low, high]) = row.estimate.ci {
            let (low, high) = (scale.place(low, from, until), scale.place(high, from, until));
            put(
                &mut svg,
                format_args!("<line class=interval x1={low:.1} x2={high:.1} y1={y:.1} y2={y:.1} />"),
            );
        }
        put(&mut svg, format_args!("<circle cx={x:.1} cy={y:.1} r=4 /></g>"));
    }
    svg.push_str("</svg>");
    svg
}

/// Lines over the places of an x axis, with bars of how many impressions there are below.
pub(super) fn lines(title: &str, labels: &[&str], counts: &[usize], lines: &[Line<'_>]) -> String {
    let scale = Scale::of(lines.iter().flat_map(|line| &line.estimates));
    let longest = lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
    let (left, right) = (48.0, longest as f64 * CHARACTER + 14.0);
    let width = left + 620.0 + right;
    let (top, bottom, foot) = (30.0, 220.0, 262.0);
    let (from, until) = (left + 8.0, width - right - 8.0);
    let spacing = (until - from) / (labels.len().max(2) - 1) as f64;
    let at = |place: usize| from + place as f64 * spacing;
    let mut svg = open(title, width, foot + 22.0);
    put(&mut svg, format_args!("<text class=title x=0 y=15>{}</text>", escaped(title)));
    for (value, label) in scale.ticks() {
        let y = scale.place(value, bottom, top);
        put(&mut svg, format_args!("<line class=grid x1={left:.1} x2={until:.1} y1={y:.1} y2={y:.1} />"));
        put(
            &mut svg,
            format_args!(
                "<text class=tick x={:.1} y={:.1} text-anchor=end>{label}</text>",
                left - 6.0,
                y + 4.0
            ),
        );
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let label_width = labels.iter().map(|label| label.len()).max().unwrap_or(0) as f64 * CHARACTER + 8.0;
    let every = (label_width / spacing).ceil().max(1.0) as usize;
    for (place, (label, count)) in labels.iter().zip(counts).enumerate() {
        let (x, height) = (at(place), *count as f64 / most * 30.0);
        put(
            &mut svg,
            format_args!(
                "<rect class=count x={:.1} y={:.1} width={:.1} height={height:.1}><title>{}: {count} impressions</title></rect>",
                x - spacing * 0.4,
                foot - height,
                spacing * 0.8,
                escaped(label)
            ),
        );
        if place.is_multiple_of(every) {
            put(
                &mut svg,
                format_args!(
                    "<text class=tick x={x:.1} y={:.1} text-anchor=middle>{}</text>",
                    foot + 14.0,
                    escaped(label)
                ),
            );
        }
    }
    let mut taken: Vec<f64> = Vec::new();
    for line in lines {
        let points: Vec<(usize, &Estimate)> =
            line.estimates.iter().enumerate().filter(|(_, estimate)| estimate.value.is_finite()).collect();
        let Some((_, last)) = points.last() else { continue };
        put(&mut svg, format_args!("<g class={}>", class(line.kind)));
        let edge = |side: usize| {
            points.iter().filter_map(move |(place, estimate)| {
                Some((at(*place), scale.place(estimate.ci?[side], bottom, top)))
            })
        };
        let around: Vec<_> = edge(0).chain(edge(1).collect::<Vec<_>>().into_iter().rev()).collect();
        put(&mut svg, format_args!("<polygon class=band points=\"{}\" />", path(around.into_iter())));
        let middle =
            points.iter().map(|(place, estimate)| (at(*place), scale.place(estimate.value, bottom, top)));
        put(&mut svg, format_args!("<polyline class=line points=\"{}\" />", path(middle)));
        // Names stand at the ends of their lines, and move down where another one is.
        let mut y = scale.place(last.value, bottom, top) + 4.0;
        while let Some(other) = taken.iter().find(|other| (*other - y).abs() < 14.0) {
            y = other + 14.0;
        }
        taken.push(y);
        put(
            &mut svg,
            format_args!("<text class=name x={:.1} y={y:.1}>{}</text></g>", until + 8.0, escaped(line.label)),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn open(title: &str, width: f64, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" role=\"img\" aria-label=\"{}\">",
        escaped(title)
    )
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("{x:.1},{y:.1} ")).collect()
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = svg.write_fmt(what);
}

/// An estimate in words.
pub(super) fn said(label: &str, estimate: &Estimate) -> String {
    let interval = estimate.ci.map(|[low, high]| format!(" [{low:.4}, {high:.4}]")).unwrap_or_default();
    format!("{label}: {:.4}{interval}", estimate.value)
}
