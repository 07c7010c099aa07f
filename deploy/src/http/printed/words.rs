//! What the printed pages say beside the articles, a language each. The site's script has its own, richer texts (`site/src/text`).

use axum::http::{HeaderMap, header};

/// The words of one language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// As `lang` and `Accept-Language` say it.
    pub(super) tag: &'static str,
    pub(super) skip: &'static str,
    pub(super) motto: &'static str,
    /// What an article without a section is under, and one without a title is called.
    pub(super) news: &'static str,
    pub(super) untitled: &'static str,
    pub(super) leading: &'static str,
    pub(super) sections: &'static str,
    pub(super) no_stories: &'static str,
    pub(super) no_text: &'static str,
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
}

const ENGLISH: Words = Words {
    tag: "en",
    skip: "Skip to the page",
    motto: "Every reader’s own edition",
    news: "News",
    untitled: "Untitled",
    leading: "Leading stories",
    sections: "Sections",
    no_stories: "No stories have come in yet. The presses start as soon as the first is filed.",
    no_text: "The text of this article is not in this edition.",
    more_from: "More from",
    topics: "Topics",
    search: "Search",
    search_label: "Words of a title",
    nothing_found: "No title has these words.",
    missing: "This page is not in the paper",
    missing_text: "There is nothing at this address.",
    withdrawn: "This article was withdrawn",
    withdrawn_text: "It was published here, and the newsroom took it back.",
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
};

const DANISH: Words = Words {
    tag: "da",
    skip: "Gå til siden",
    motto: "Hver læsers egen udgave",
    news: "Nyheder",
    untitled: "Uden titel",
    leading: "Dagens vigtigste",
    sections: "Sektioner",
    no_stories: "Der er ikke kommet artikler endnu. Pressen går i gang, så snart den første er indleveret.",
    no_text: "Artiklens tekst er ikke i denne udgave.",
    more_from: "Mere fra",
    topics: "Emner",
    search: "Søg",
    search_label: "Ord i en titel",
    nothing_found: "Ingen titel har disse ord.",
    missing: "Siden er ikke i avisen",
    missing_text: "Der er ikke noget på denne adresse.",
    withdrawn: "Artiklen er trukket tilbage",
    withdrawn_text: "Den har været bragt her, og redaktionen har trukket den tilbage.",
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
};

/// The first language that a browser asks for and the paper has; English otherwise.
pub(super) fn of(headers: &HeaderMap) -> &'static Words {
    let asked =
        headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = |tag: &str| [&ENGLISH, &DANISH].into_iter().find(|words| words.tag.eq_ignore_ascii_case(tag));
    // Browsers send them in the reader's order.
    let mut tags = asked.split(',').filter_map(|tag| tag.split([';', '-']).next());
    tags.find_map(|tag| known(tag.trim())).unwrap_or(&ENGLISH)
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
