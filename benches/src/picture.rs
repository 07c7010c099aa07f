//! The rows as a picture: each ratio as a bar up to its median, with the quartiles, and a mark at what is wanted.

use std::fmt::Write as _;

use crate::row::Row;

const WIDTH: f64 = 940.0;
/// Where bars begin, and how long one of ratio 1 is.
const LEFT: f64 = 400.0;
const ONE: f64 = 240.0;
const LINE: f64 = 38.0;
const TOP: f64 = 56.0;
/// Longer bars are cut.
const GREATEST: f64 = 2.0;

/// An SVG, readable on light and dark pages alike.
pub fn picture(rows: &[Row]) -> String {
    let height = TOP + rows.len() as f64 * LINE + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\">What is reached of its limit, or of what is wanted: median of the rounds, and quartiles</text>\n"
    );
    for share in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let x = at(share);
        let _ = writeln!(svg, "<path d=\"M{x} {TOP}V{}\" stroke=\"#ddd\"/>", height - 20.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{share}</text>",
            TOP - 8.0
        );
    }
    for (place, row) in rows.iter().enumerate() {
        let y = TOP + place as f64 * LINE + LINE / 2.0;
        let [low, middle, high] = row.ratio();
        let colour = if row.is_missed() { "#b4532a" } else { "#2f6f8f" };
        let end = at(middle);
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\">{}</text>", y - 1.0, escaped(&row.name));
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"{}\" fill=\"#555\" font-size=\"11\">of {}</text>",
            y + 12.0,
            escaped(&row.baseline)
        );
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"14\" fill=\"{colour}\"/>",
            y - 7.0,
            end - LEFT
        );
        let _ =
            writeln!(svg, "<path d=\"M{} {y}H{}\" stroke=\"#111\" stroke-width=\"2\"/>", at(low), at(high));
        if let Some(target) = row.target {
            let x = at(target);
            let _ =
                writeln!(svg, "<path d=\"M{x} {}v22\" stroke=\"#111\" stroke-dasharray=\"3 2\"/>", y - 11.0);
        }
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\">{middle:.2}</text>", at(high.max(middle)) + 6.0, y + 4.0);
    }
    svg + "</svg>\n"
}

fn at(ratio: f64) -> f64 {
    LEFT + ratio.clamp(0.0, GREATEST) * ONE
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
