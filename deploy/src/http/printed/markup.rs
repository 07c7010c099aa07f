//! The pages' HTML. Its classes are those of the site's own components, so that it wears the site's styles; every text is escaped.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_operators::articles::Article as Stored;
use abovefold_schemas::{ArticleId, ArticleVersion};

use super::{shell::language_of_articles, words::Words};
use crate::http::docs::escape;

/// The most sections of a front page, and stories of each.
const SECTIONS: usize = 8;
const OF_A_SECTION: usize = 4;
/// Stories in the second rank.
const SECOND: usize = 2;

/// The stories of a front page.
#[derive(Debug)]
pub(super) struct Front {
    leading: Vec<Arc<Stored>>,
    sections: Vec<(String, Vec<Arc<Stored>>)>,
}

impl Front {
    /// What is read most leads, with the latest in the places that are left; the others stand in their sections.
    pub(super) fn of(most_read: &[Arc<Stored>], latest: &[Arc<Stored>], leading: usize) -> Self {
        let mut stories: Vec<Arc<Stored>> = most_read.iter().take(leading).cloned().collect();
        let mut leads: Vec<ArticleId> = stories.iter().map(|story| story.id).collect();
        let mut others =
            latest.iter().filter(|story| !leads.contains(&story.id)).cloned().collect::<Vec<_>>();
        let missing = leading.saturating_sub(stories.len()).min(others.len());
        stories.extend(others.drain(..missing));
        leads.clear();
        let mut sections: BTreeMap<String, Vec<Arc<Stored>>> = BTreeMap::new();
        for story in others.into_iter().filter(|story| !story.version.category.is_empty()) {
            let section = sections.entry(story.version.category.clone()).or_default();
            if section.len() < OF_A_SECTION {
                section.push(story);
            }
        }
        let mut sections: Vec<_> = sections.into_iter().collect();
        sections.sort_by_key(|(_, stories)| std::cmp::Reverse(stories.len()));
        sections.truncate(SECTIONS);
        Self { leading: stories, sections }
    }

    /// All stories, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.leading.iter().chain(self.sections.iter().flat_map(|(_, stories)| stories))
    }

    /// The page.
    pub(super) fn html(&self, words: &Words) -> String {
        let Some((lead, others)) = self.leading.split_first() else {
            return whole(false, &format!("<p class=\"empty\">{}</p>", escape(words.no_stories)), words);
        };
        let (second, third) = others.split_at(SECOND.min(others.len()));
        let mut page = String::from("<div class=\"front\">");
        if !self.sections.is_empty() {
            page.push_str(&format!(
                "<nav class=\"sections-nav\" aria-label=\"{}\"><ul>",
                escape(words.sections)
            ));
            for (name, _) in &self.sections {
                page.push_str(&format!("<li>{}</li>", section_link(name)));
            }
            page.push_str("</ul></nav>");
        }
        page.push_str(&format!(
            "<section class=\"front-top\" aria-label=\"{}\">{}",
            escape(words.leading),
            story(&lead.version, "lead", words)
        ));
        if !second.is_empty() {
            page.push_str(&format!("<div class=\"front-second\">{}</div>", stories(second, "second", words)));
        }
        page.push_str("</section>");
        if !third.is_empty() {
            page.push_str(&format!("<div class=\"front-third\">{}</div>", stories(third, "third", words)));
        }
        page.push_str("<div class=\"front-sections\">");
        for (name, in_it) in &self.sections {
            page.push_str(&format!(
                "<section class=\"front-section\"><h2 class=\"section-name\">{}</h2>{}</section>",
                section_link(name),
                stories(in_it, "brief", words)
            ));
        }
        page.push_str("</div></div>");
        whole(false, &page, words)
    }
}

/// An article, with further ones of its section.
pub(super) fn article(version: &ArticleVersion, further: &[Arc<Stored>], words: &Words) -> String {
    let language = language_of_articles(words);
    let mut page = format!("<article class=\"article\"{language}><header class=\"article-head\">");
    page.push_str(&format!(
        "<p class=\"kicker\">{}</p><h1>{}</h1>",
        kicker(version, words),
        escape(title(version, words))
    ));
    if !version.subtitle.is_empty() {
        page.push_str(&format!("<p class=\"standfirst\">{}</p>", escape(&version.subtitle)));
    }
    if let Some((machine, date)) = date(version.published, words) {
        page.push_str(&format!("<p class=\"byline\"><time datetime=\"{machine}\">{date}</time></p>"));
    }
    page.push_str("</header><div class=\"article-body\">");
    let paragraphs = version.body.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
    let paragraphs: Vec<String> = paragraphs.map(|text| format!("<p>{}</p>", escape(text))).collect();
    if paragraphs.is_empty() {
        page.push_str(&format!("<p class=\"no-text\">{}</p>", escape(words.no_text)));
    }
    page.push_str(&paragraphs.concat());
    page.push_str("</div>");
    if !version.topics.is_empty() {
        let topics: String =
            version.topics.iter().map(|topic| format!("<li>{}</li>", escape(topic))).collect();
        page.push_str(&format!("<ul class=\"topics\" aria-label=\"{}\">{topics}</ul>", escape(words.topics)));
    }
    page.push_str("</article>");
    if !further.is_empty() {
        let section = if version.category.is_empty() { words.news } else { &version.category };
        page.push_str(&format!(
            "<section class=\"related\"><h2 class=\"section-name\">{} {}</h2><div class=\"related-cards\">{}</div></section>",
            escape(words.more_from),
            escape(section),
            stories(further, "related", words)
        ));
    }
    whole(true, &page, words)
}

/// Stories under a heading.
pub(super) fn list(heading: &str, found: &[Arc<Stored>], words: &Words) -> String {
    let page = format!(
        "<div class=\"listing\"><h1 class=\"section-title\">{}</h1>{}</div>",
        escape(heading),
        stories(found, "third", words)
    );
    whole(true, &page, words)
}

/// What was found for words of a title, and the field to look for others.
pub(super) fn search(asked: &str, found: &[Arc<Stored>], words: &Words) -> String {
    let none = match found.is_empty() && !asked.is_empty() {
        true => format!("<p class=\"empty\">{}</p>", escape(words.nothing_found)),
        false => String::new(),
    };
    let page = format!(
        "<div class=\"listing\"><h1 class=\"section-title\">{}</h1>{}{none}{}</div>",
        escape(words.search),
        search_form(asked, words),
        stories(found, "third", words)
    );
    whole(true, &page, words)
}

/// That there is nothing here.
pub(super) fn missing(heading: &str, text: &str, words: &Words) -> String {
    let page = format!(
        "<div class=\"missing\"><h1>{}</h1><p>{}</p><p><a href=\"/\">{}</a></p></div>",
        escape(heading),
        escape(text),
        escape(words.front_page)
    );
    whole(true, &page, words)
}

/// An article's title; never empty.
pub(super) fn title<'a>(version: &'a ArticleVersion, words: &Words) -> &'a str {
    if version.title.is_empty() { words.untitled } else { &version.title }
}

/// A page between masthead and footer.
fn whole(small: bool, page: &str, words: &Words) -> String {
    let (class, name) = if small { ("masthead masthead-small", "p") } else { ("masthead", "h1") };
    let motto = match small {
        true => String::new(),
        false => format!("<p class=\"masthead-motto\"><span>{}</span></p>", escape(words.motto)),
    };
    format!(
        "<a class=\"skip\" href=\"#page\">{}</a><header class=\"{class}\"><div class=\"masthead-plate\">\
         <{name} class=\"masthead-name\"><a href=\"/\">The Daily Chronicle</a></{name}></div>{motto}</header>\
         <main id=\"page\" tabindex=\"-1\">{page}</main>\
         <footer class=\"footer\"><p class=\"footer-name\">The Daily Chronicle</p><p>{}</p>{}</footer>",
        escape(words.skip),
        escape(words.printed),
        search_form("", words)
    )
}

fn search_form(asked: &str, words: &Words) -> String {
    format!(
        "<form class=\"search-form\" action=\"/search\" role=\"search\"><label>{} <input type=\"search\" name=\"q\" maxlength=\"128\" \
         value=\"{}\"></label> <button type=\"submit\">{}</button></form>",
        escape(words.search_label),
        escape(asked),
        escape(words.search)
    )
}

fn stories(stories: &[Arc<Stored>], rank: &str, words: &Words) -> String {
    stories.iter().map(|article| story(&article.version, rank, words)).collect()
}

fn story(version: &ArticleVersion, rank: &str, words: &Words) -> String {
    let teaser = match (rank, version.subtitle.as_str()) {
        ("brief" | "related", _) | (_, "") => String::new(),
        (_, subtitle) => format!("<p class=\"teaser\">{}</p>", escape(subtitle)),
    };
    format!(
        "<article class=\"story story-{rank}\" data-article-id=\"{id}\"{language}><div class=\"story-text\"><p class=\"kicker\">{}</p>\
         <h3 class=\"headline\"><a href=\"/article/{id}\">{}</a></h3>{teaser}</div></article>",
        kicker(version, words),
        escape(title(version, words)),
        id = version.article_id,
        language = language_of_articles(words),
    )
}

fn kicker(version: &ArticleVersion, words: &Words) -> String {
    escape(if version.category.is_empty() { words.news } else { &version.category })
}

fn section_link(name: &str) -> String {
    format!("<a href=\"/section/{}\">{}</a>", percent_encoded(name), escape(name))
}

/// A name as one segment of a path: nothing but letters, digits and what is never special is left as it is.
fn percent_encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(encode).collect()
}

/// A moment for machines, and in words of UTC.
fn date(millis: i64, words: &Words) -> Option<(String, String)> {
    use chrono::{Datelike, Timelike};
    let moment = chrono::DateTime::from_timestamp_millis(millis)?;
    let month = words.months[moment.month0() as usize];
    let (day, year, hour, minute) = (moment.day(), moment.year(), moment.hour(), moment.minute());
    let machine = abovefold_schemas::Timestamp(millis).to_rfc3339();
    Some((machine, format!("{day} {month} {year}, {hour:02}:{minute:02} UTC")))
}
