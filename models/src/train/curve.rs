//! How the loss went: `curves.svg` and `curves.jsonl` beside the model.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::folder::{FolderError, write_whole};

/// The picture in a model folder.
pub const PICTURE_FILE: &str = "curves.svg";
/// The same as JSON, one line a point.
pub const POINTS_FILE: &str = "curves.jsonl";

/// One point of a learning curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Which network: `session` or `reranker`.
    pub network: String,
    /// The pass, from 1; a share of it while it goes on.
    pub epoch: f64,
    /// Steps of the optimiser so far.
    pub step: u64,
    /// Smoothed loss.
    pub loss: f64,
    /// Reads or impressions a second.
    pub rate: f64,
    /// What was measured on readers or impressions held out, at the end of a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f64>,
}

/// How both networks learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The points, in order.
    pub points: Vec<CurvePoint>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 48.0;

impl Curve {
    /// Writes both files into a folder.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn save(&self, dir: &Path) -> Result<(), FolderError> {
        let lines: String = self
            .points
            .iter()
            .filter_map(|point| serde_json::to_string(point).ok())
            .flat_map(|line| [line, "\n".to_owned()])
            .collect();
        write_whole(&dir.join(POINTS_FILE), lines.as_bytes())?;
        write_whole(&dir.join(PICTURE_FILE), self.picture().as_bytes())
    }

    /// An SVG with one plot for each network: the loss, and what was held out as dots over it.
    pub fn picture(&self) -> String {
        let plots: Vec<(&str, Vec<&CurvePoint>)> = [("session", "session model"), ("reranker", "reranker")]
            .into_iter()
            .map(|(network, title)| {
                (title, self.points.iter().filter(|point| point.network == network).collect())
            })
            .collect();
        let all = HEIGHT * plots.len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {all}\" font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"{WIDTH}\" height=\"{all}\" fill=\"#fff\"/>\n"
        );
        for (place, (title, points)) in plots.iter().enumerate() {
            plot(&mut svg, title, points, place as f64 * HEIGHT);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn plot(svg: &mut String, title: &str, points: &[&CurvePoint], top: f64) {
    let (left, right, bottom) = (MARGIN, WIDTH - MARGIN, top + HEIGHT - MARGIN / 2.0 - 8.0);
    let ceiling = top + MARGIN / 2.0 + 8.0;
    let farthest = points.iter().map(|point| point.epoch).fold(0.0, f64::max).max(1e-9);
    let x = |epoch: f64| left + (right - left) * epoch / farthest;
    let scale = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low < high { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    let y = |value: f64, (low, high): (f64, f64)| bottom - (bottom - ceiling) * (value - low) / (high - low);
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>\n\
         <path d=\"M{left} {ceiling}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>",
        top + 20.0
    );
    if points.is_empty() {
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">not trained</text>", left + 8.0, bottom - 8.0);
        return;
    }
    let losses = scale(points.iter().map(|point| point.loss).collect());
    let line: Vec<String> =
        points.iter().map(|point| format!("{:.1},{:.1}", x(point.epoch), y(point.loss, losses))).collect();
    let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f5fa8\"/>", line.join(" "));
    let _ = writeln!(
        svg,
        "<g fill=\"#1f5fa8\"><text x=\"4\" y=\"{ceiling}\">{:.3}</text><text x=\"4\" y=\"{bottom}\">{:.3}</text></g>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">loss (line), held out (dots), by pass, up to {farthest:.1}</text>",
        losses.1,
        losses.0,
        right,
        top + 20.0
    );
    let measured: Vec<(f64, f64)> =
        points.iter().filter_map(|point| point.held_out.map(|value| (point.epoch, value))).collect();
    if measured.is_empty() {
        return;
    }
    let held_out = scale(measured.iter().map(|(_, value)| *value).collect());
    for (epoch, value) in &measured {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"#b8431f\"><title>{value:.4}</title></circle>",
            x(*epoch),
            y(*value, held_out)
        );
    }
    let _ = writeln!(
        svg,
        "<g fill=\"#b8431f\"><text x=\"{}\" y=\"{ceiling}\">{:.4}</text><text x=\"{}\" y=\"{bottom}\">{:.4}</text></g>",
        right + 4.0,
        held_out.1,
        right + 4.0,
        held_out.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_holds_every_measured_pass() {
        let point = |network: &str, epoch: f64, held_out| CurvePoint {
            network: network.to_owned(),
            epoch,
            step: 1,
            loss: 3.0 / (1.0 + epoch),
            rate: 10.0,
            held_out,
        };
        let points = vec![
            point("session", 0.5, None),
            point("session", 1.0, Some(0.2)),
            point("reranker", 1.0, Some(0.6)),
        ];
        let svg = Curve { points }.picture();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
        assert!(Curve::default().picture().contains("not trained"));
    }
}
