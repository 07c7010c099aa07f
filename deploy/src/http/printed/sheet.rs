//! What stands around every page's content: masthead, sections, search, footer.

use abovefold_schemas::Timestamp;
use chrono::{DateTime, Datelike, Timelike, Utc};

use super::words::Words;
use crate::http::docs::escape;

/// What a page is printed on.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) words: &'static Words,
    /// The sections of the paper, by name.
    pub(super) sections: Vec<String>,
    /// The moment of the print.
    pub(super) now: Timestamp,
}

impl Sheet {
    /// The front page, which has the large masthead and no heading of its own.
    pub(super) fn front(&self, content: &str) -> String {
        self.whole(None, "h1", content)
    }

    /// Any other page.
    pub(super) fn page(&self, content: &str) -> String {
        self.whole(None, "p", content)
    }

    /// The page of a section.
    pub(super) fn section(&self, open: &str, content: &str) -> String {
        self.whole(Some(open), "p", content)
    }

    fn whole(&self, open: Option<&str>, name: &str, content: &str) -> String {
        let words = self.words;
        format!(
            "<a class=\"skip\" href=\"#page\">{}</a>{}<main id=\"page\" tabindex=\"-1\">{content}</main>\
             <footer class=\"footer\"><p class=\"footer-name\">The Daily Chronicle</p><p>{}</p>\
             <nav aria-label=\"{}\"><a href=\"/\">{}</a><a href=\"/account\">{}</a></nav></footer>",
            escape(words.skip),
            self.masthead(open, name),
            escape(words.printed),
            escape(words.footer),
            escape(words.front_page),
            escape(words.account),
        )
    }

    fn masthead(&self, open: Option<&str>, name: &str) -> String {
        let words = self.words;
        let is_large = name == "h1";
        let class = if is_large { "masthead" } else { "masthead masthead-small" };
        let [first, second] = words.motto.map(escape);
        let motto = match is_large {
            true => format!(
                "<p class=\"masthead-motto\"><span>{first}</span><span aria-hidden=\"true\">✦</span><span>{second}</span></p>"
            ),
            false => String::new(),
        };
        let today = date(self.now).map_or(String::new(), |today| {
            let (day, weekday) =
                (today.format("%Y-%m-%d"), words.weekday(today.weekday().num_days_from_monday()));
            let said = (words.long_date)(weekday, &day_month_year(&today, words));
            format!("<time class=\"masthead-date\" datetime=\"{day}\">{}</time>", escape(&said))
        });
        let sections: String = self.sections.iter().map(|name| section_item(name, open)).collect();
        format!(
            "<header class=\"{class}\"><div class=\"masthead-bar\">{today}<nav class=\"masthead-nav\" aria-label=\"{}\">\
             <a href=\"/account\">{}</a></nav></div><div class=\"masthead-plate\">\
             <{name} class=\"masthead-name\"><a href=\"/\">The Daily Chronicle</a></{name}></div>{motto}\
             <div class=\"sections-bar\"><nav class=\"sections-nav\" aria-label=\"{}\"><ul>{sections}</ul></nav>\
             <form class=\"search-form\" role=\"search\" action=\"/search\"><input type=\"search\" name=\"q\" maxlength=\"100\" \
             aria-label=\"{search}\" placeholder=\"{search}\"></form></div></header>",
            escape(words.reader),
            escape(words.account),
            escape(words.sections),
            search = escape(words.search),
        )
    }
}

fn section_item(name: &str, open: Option<&str>) -> String {
    let current = if open == Some(name) { " aria-current=\"page\"" } else { "" };
    format!("<li><a href=\"{}\"{current}>{}</a></li>", section_path(name), escape(name))
}

/// The address of a section.
pub(super) fn section_path(name: &str) -> String {
    // Nothing but letters, digits and what is never special is left as it is.
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    format!("/section/{}", name.bytes().map(encode).collect::<String>())
}

/// A moment in a `time` element, with the hour where `is_exact`; nothing for one beyond the calendar.
pub(super) fn time(moment: Timestamp, is_exact: bool, words: &Words) -> String {
    let Some(at) = date(moment) else { return String::new() };
    let day = day_month_year(&at, words);
    let said = match is_exact {
        true => format!("{day}, {:02}:{:02} UTC", at.hour(), at.minute()),
        false => day,
    };
    format!("<time datetime=\"{}\">{}</time>", moment.to_rfc3339(), escape(&said))
}

fn date(moment: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(moment.0)
}

fn day_month_year(at: &DateTime<Utc>, words: &Words) -> String {
    let month = words.months[at.month0() as usize];
    format!("{}{} {month} {}", at.day(), words.after_day, at.year())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{super::words, *};

    #[test]
    fn a_sheet_has_its_day_and_its_sections() {
        let danish = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static("da"))]);
        for (headers, day) in
            [(HeaderMap::new(), "Friday, 27 November 2026"), (danish, "Fredag den 27. november 2026")]
        {
            let sections = vec!["Life & <Style>".to_string(), "World".to_string()];
            let sheet = Sheet { words: words::of(&headers), sections, now: Timestamp(1_795_780_800_000) };
            let page = sheet.section("World", "<p>x</p>");
            assert!(page.contains(&format!("datetime=\"2026-11-27\">{day}</time>")), "{page}");
            assert!(
                page.contains("<a href=\"/section/Life%20%26%20%3CStyle%3E\">Life &amp; &lt;Style&gt;</a>")
            );
            assert!(page.contains("<a href=\"/section/World\" aria-current=\"page\">World</a>"), "{page}");
            assert!(!page.contains("masthead-motto") && sheet.front("").contains("masthead-motto"));
        }
    }
}
