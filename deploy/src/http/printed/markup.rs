//! The pages' HTML. Its classes are those of the site's own components, so that it wears the site's styles; every text is escaped.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use abovefold_operators::articles::Article as Stored;
use abovefold_schemas::{ArticleId, ArticleVersion, Timestamp};

use super::{
    sheet::{Sheet, section_path, time},
    shell::language_of_articles,
    words::Words,
};
use crate::http::docs::escape;

/// The most sections of a front page, and stories of each.
const SECTIONS: usize = 8;
const OF_A_SECTION: usize = 4;
/// Stories in the second rank.
const SECOND: usize = 2;
/// Stories of a section above the list of its latest.
const SET: usize = 7;

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
        let leads: Vec<ArticleId> = stories.iter().map(|story| story.id).collect();
        let mut others: Vec<Arc<Stored>> =
            latest.iter().filter(|story| !leads.contains(&story.id)).cloned().collect();
        let places = leading.saturating_sub(stories.len()).min(others.len());
        stories.extend(others.drain(..places));
        let mut sections: BTreeMap<String, Vec<Arc<Stored>>> = BTreeMap::new();
        for story in others.into_iter().filter(|story| !story.version.category.is_empty()) {
            let section = sections.entry(story.version.category.clone()).or_default();
            if section.len() < OF_A_SECTION {
                section.push(story);
            }
        }
        let mut sections: Vec<_> = sections.into_iter().collect();
        sections.sort_by_key(|(_, stories)| Reverse(stories.len()));
        sections.truncate(SECTIONS);
        Self { leading: stories, sections }
    }

    /// All stories, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.leading.iter().chain(self.sections.iter().flat_map(|(_, stories)| stories))
    }

    /// The page.
    pub(super) fn html(&self, sheet: &Sheet) -> String {
        let words = sheet.words;
        if self.leading.is_empty() {
            return sheet.front(&format!("<p class=\"empty\">{}</p>", escape(words.no_stories)));
        }
        let section = |(name, stories): &(String, Vec<Arc<Stored>>)| {
            let (first, others) = stories.split_at(1);
            format!(
                "<section class=\"front-section\"><h2 class=\"section-name\"><a href=\"{}\">{}</a></h2>{}{}</section>",
                section_path(name),
                escape(name),
                cards(first, "third", 3, words),
                cards(others, "brief", 3, words)
            )
        };
        let sections: String = self.sections.iter().map(section).collect();
        sheet.front(&format!(
            "<p class=\"made\"><span class=\"made-for\">{}</span></p><div class=\"front\">{}\
             <div class=\"front-lower\"><div class=\"front-sections\">{sections}</div></div></div>",
            escape(words.for_everybody),
            ranks(&self.leading, 3, words)
        ))
    }
}

/// An article, with further ones of its section. Where the script will put the picture, its place is kept.
pub(super) fn article(version: &ArticleVersion, further: &[Arc<Stored>], sheet: &Sheet) -> String {
    let words = sheet.words;
    let standfirst = match version.subtitle.as_str() {
        "" => String::new(),
        subtitle => format!("<p class=\"standfirst\">{}</p>", escape(subtitle)),
    };
    let paragraphs = version.body.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
    let body: String = paragraphs.map(|text| format!("<p>{}</p>", escape(text))).collect();
    let body = match body.is_empty() {
        true => format!("<p class=\"no-text\">{}</p>", escape(words.no_text)),
        false => body,
    };
    let topics: String = version.topics.iter().map(|topic| format!("<li>{}</li>", escape(topic))).collect();
    let topics = match topics.is_empty() {
        true => topics,
        false => format!("<ul class=\"topics\" aria-label=\"{}\">{topics}</ul>", escape(words.topics)),
    };
    let section = if version.category.is_empty() { words.news } else { &version.category };
    let further = match further.is_empty() {
        true => String::new(),
        false => format!(
            "<section class=\"related\"><h2 class=\"section-name\">{} {}</h2><div class=\"related-cards\">{}</div></section>",
            escape(words.more_from),
            escape(section),
            cards(further, "related", 3, words)
        ),
    };
    let kicker = match version.category.as_str() {
        "" => escape(words.news),
        category => format!("<a href=\"{}\">{}</a>", section_path(category), escape(category)),
    };
    sheet.page(&format!(
        "<article class=\"article\"{}><header class=\"article-head\"><p class=\"kicker\">{kicker}</p><h1>{}</h1>{standfirst}\
         <p class=\"byline\">{}</p></header><figure class=\"article-picture\"><div class=\"art art-blank\"></div>\
         <figcaption>{}</figcaption></figure><div class=\"article-body\">{body}</div>{topics}</article>{further}",
        language_of_articles(words),
        escape(title(version, words)),
        time(Timestamp(version.published), true, words),
        escape(words.engraved)
    ))
}

/// A section: a few stories set as on the front page, and the others as a list.
pub(super) fn section(name: &str, found: &[Arc<Stored>], sheet: &Sheet) -> String {
    let words = sheet.words;
    let (set, others) = found.split_at(SET.min(found.len()));
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(
            "<section class=\"archive\"><h2 class=\"section-name\">{}</h2><div class=\"archive-list\">{}</div></section>",
            escape(words.latest),
            cards(others, "brief", 3, words)
        ),
    };
    let content = format!(
        "<div class=\"section-page\"><header class=\"page-head\"><p class=\"kicker\">{}</p><h1>{}</h1></header>\
         <div class=\"front\">{}</div>{others}</div>",
        escape(words.section),
        escape(name),
        ranks(set, 2, words)
    );
    sheet.section(name, &content)
}

/// What was found for words of a title, and the field to look for others.
pub(super) fn search(asked: &str, found: &[Arc<Stored>], sheet: &Sheet) -> String {
    let words = sheet.words;
    let none = match found.is_empty() && !asked.is_empty() {
        true => format!("<p class=\"quiet search-count\">{}</p>", escape(words.nothing_found)),
        false => String::new(),
    };
    sheet.page(&format!(
        "<div class=\"search-page\"><header class=\"page-head\"><h1>{search}</h1></header>\
         <form class=\"search-large\" action=\"/search\"><label for=\"search-words\">{}</label><div class=\"field-row\">\
         <input id=\"search-words\" type=\"search\" name=\"q\" maxlength=\"100\" value=\"{}\">\
         <button type=\"submit\" class=\"strong\">{search}</button></div></form>{none}<div class=\"archive-list\">{}</div></div>",
        escape(words.search_label),
        escape(asked),
        cards(found, "brief", 2, words),
        search = escape(words.search),
    ))
}

/// That there is nothing here.
pub(super) fn missing(heading: &str, text: &str, sheet: &Sheet) -> String {
    sheet.page(&format!(
        "<div class=\"missing\"><h1>{}</h1><p>{}</p><p><a href=\"/\">{}</a></p></div>",
        escape(heading),
        escape(text),
        escape(sheet.words.front_page)
    ))
}

/// An article's title; never empty.
pub(super) fn title<'a>(version: &'a ArticleVersion, words: &Words) -> &'a str {
    if version.title.is_empty() { words.untitled } else { &version.title }
}

/// A lead, the second rank and the third.
fn ranks(stories: &[Arc<Stored>], level: u8, words: &Words) -> String {
    let (lead, others) = stories.split_at(1.min(stories.len()));
    let (second, third) = others.split_at(SECOND.min(others.len()));
    let class = if second.is_empty() { "front-top front-alone" } else { "front-top" };
    let second = match second.is_empty() {
        true => String::new(),
        false => format!("<div class=\"front-second\">{}</div>", cards(second, "second", level, words)),
    };
    let third = match third.is_empty() {
        true => String::new(),
        false => format!(
            "<section class=\"front-third\" aria-label=\"{}\">{}</section>",
            escape(words.more),
            cards(third, "third", level, words)
        ),
    };
    format!(
        "<section class=\"{class}\" aria-label=\"{}\">{}{second}</section>{third}",
        escape(words.leading),
        cards(lead, "lead", level, words)
    )
}

fn cards(stories: &[Arc<Stored>], rank: &str, level: u8, words: &Words) -> String {
    stories.iter().map(|article| card(&article.version, rank, level, words)).collect()
}

/// One story. Where the script will put a picture, its place is kept.
fn card(version: &ArticleVersion, rank: &str, level: u8, words: &Words) -> String {
    let language = language_of_articles(words);
    let picture = match rank {
        "brief" => "",
        _ => "<div class=\"story-picture\"><div class=\"art art-blank\"></div></div>",
    };
    let dated = match rank {
        "brief" => time(Timestamp(version.published), false, words),
        _ => String::new(),
    };
    let teaser = match (rank, version.subtitle.as_str()) {
        ("lead" | "second", subtitle) if !subtitle.is_empty() => {
            format!("<p class=\"teaser\"{language}>{}</p>", escape(subtitle))
        }
        _ => String::new(),
    };
    format!(
        "<article class=\"story story-{rank}\" data-article-id=\"{id}\">{picture}<div class=\"story-text\">\
         <p class=\"kicker\">{}{dated}</p><h{level} class=\"headline\"{language}><a href=\"/article/{id}\">{}</a></h{level}>\
         {teaser}</div></article>",
        kicker(version, words),
        escape(title(version, words)),
        id = version.article_id,
    )
}

fn kicker(version: &ArticleVersion, words: &Words) -> String {
    escape(if version.category.is_empty() { words.news } else { &version.category })
}
