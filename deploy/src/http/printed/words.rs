//! What the printed pages say beside the articles, a language each. The site's script has its own, richer texts (`site/src/text`).

use axum::http::{HeaderMap, header};

/// The words of one language.
#[derive(Debug)]
pub(super) struct Words {
    /// As `lang` and `Accept-Language` say it.
    pub(super) tag: &'static str,
    pub(super) skip: &'static str,
    pub(super) motto: [&'static str; 2],
    pub(super) reader: &'static str,
    pub(super) account: &'static str,
    pub(super) footer: &'static str,
    /// What an article without a section is under, and one without a title is called.
    pub(super) news: &'static str,
    pub(super) untitled: &'static str,
    pub(super) for_everybody: &'static str,
    pub(super) leading: &'static str,
    pub(super) more: &'static str,
    pub(super) section: &'static str,
    pub(super) sections: &'static str,
    pub(super) latest: &'static str,
    pub(super) no_stories: &'static str,
    pub(super) no_text: &'static str,
    /// Under an article's picture.
    pub(super) engraved: &'static str,
    /// Before a section's name.
    pub(super) more_from: &'static str,
    pub(super) topics: &'static str,
    pub(super) search: &'static str,
    pub(super) search_label: &'static str,
    pub(super) nothing_found: &'static str,
    pub(super) missing: &'static str,
    pub(super) missing_text: &'static str,
    pub(super) withdrawn: &'static str,
    pub(super) withdrawn_text: &'static str,
    pub(super) front_page: &'static str,
    /// That the pages are the same for everybody without JavaScript.
    pub(super) printed: &'static str,
    /// The months, from January.
    pub(super) months: [&'static str; 12],
    /// What follows a day's number.
    pub(super) after_day: &'static str,
    /// The days of a week, from Monday.
    weekdays: [&'static str; 7],
    /// A day of the week and a date, as one.
    pub(super) long_date: fn(&str, &str) -> String,
}

impl Words {
    /// The day of a week, 0 for Monday.
    pub(super) fn weekday(&self, days_from_monday: u32) -> &'static str {
        self.weekdays[days_from_monday as usize % 7]
    }
}

const ENGLISH: Words = Words {
    tag: "en",
    skip: "Skip to the page",
    motto: ["Every reader’s own edition", "Set anew as you read"],
    reader: "Reader",
    account: "Account",
    footer: "Paper",
    news: "News",
    untitled: "Untitled",
    for_everybody: "For everybody",
    leading: "Leading stories",
    more: "More stories",
    section: "Section",
    sections: "Sections",
    latest: "The latest",
    no_stories: "No stories have come in yet. The presses start as soon as the first is filed.",
    no_text: "The text of this article is not in this edition.",
    engraved: "Engraved for this edition",
    more_from: "More from",
    topics: "Topics",
    search: "Search",
    search_label: "Words of a title",
    nothing_found: "No title has these words.",
    missing: "Not in the paper",
    missing_text: "There is nothing at this address. Perhaps there is a slip in it.",
    withdrawn: "Withdrawn",
    withdrawn_text: "The newsroom has withdrawn this article. It is no longer part of the paper.",
    front_page: "Front page",
    printed: "Without JavaScript everybody reads the same edition; with it, the front page follows its reader.",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    after_day: "",
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    long_date: |weekday, date| format!("{weekday}, {date}"),
};

const DANISH: Words = Words {
    tag: "da",
    skip: "Spring til siden",
    motto: ["Hver læsers egen udgave", "Sættes på ny, mens du læser"],
    reader: "Læser",
    account: "Konto",
    footer: "Avisen",
    news: "Nyheder",
    untitled: "Uden titel",
    for_everybody: "Til alle",
    leading: "Dagens vigtigste",
    more: "Flere historier",
    section: "Sektion",
    sections: "Sektioner",
    latest: "Det seneste",
    no_stories: "Der er ikke kommet artikler endnu. Pressen går i gang, så snart den første er indleveret.",
    no_text: "Artiklens tekst er ikke i denne udgave.",
    engraved: "Graveret til denne udgave",
    more_from: "Mere fra",
    topics: "Emner",
    search: "Søg",
    search_label: "Ord i en titel",
    nothing_found: "Ingen titel har disse ord.",
    missing: "Ikke i avisen",
    missing_text: "Der er ikke noget på denne adresse. Måske er der en slåfejl i den.",
    withdrawn: "Trukket tilbage",
    withdrawn_text: "Redaktionen har trukket artiklen tilbage. Den er ikke længere en del af avisen.",
    front_page: "Forside",
    printed: "Uden JavaScript læser alle den samme udgave; med det følger forsiden sin læser.",
    months: [
        "januar",
        "februar",
        "marts",
        "april",
        "maj",
        "juni",
        "juli",
        "august",
        "september",
        "oktober",
        "november",
        "december",
    ],
    after_day: ".",
    weekdays: ["Mandag", "Tirsdag", "Onsdag", "Torsdag", "Fredag", "Lørdag", "Søndag"],
    long_date: |weekday, date| format!("{weekday} den {date}"),
};

static ALL: [Words; 2] = [ENGLISH, DANISH];

/// The first language that a browser asks for and the paper has; English otherwise.
pub(super) fn of(headers: &HeaderMap) -> &'static Words {
    let asked =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = |tag: &str| ALL.iter().find(|words| words.tag.eq_ignore_ascii_case(tag));
    // Browsers send them in the reader's order.
    let mut tags = asked.split(',').filter_map(|tag| tag.split([';', '-']).next());
    tags.find_map(|tag| known(tag.trim())).unwrap_or(&ALL[0])
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_language_that_is_known_is_spoken() {
        for (asked, tag) in
            [("da-DK,da;q=0.9,en;q=0.8", "da"), ("de, EN;q=0.5, da;q=0.4", "en"), ("fr", "en"), ("", "en")]
        {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(asked))]);
            assert_eq!(of(&headers).tag, tag, "{asked}");
        }
        assert_eq!(of(&HeaderMap::new()).tag, "en");
    }
}
