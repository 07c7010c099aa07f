//! Articles by words of their titles, where the edge has no index of words: the latest ones are looked through.

use std::sync::Arc;

use super::Article;

/// Titles that are looked at before others may go on: a fraction of a millisecond.
const AT_ONCE: usize = 256;

/// The words that are asked for: lower case, of letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TitleWords {
    whole: Vec<String>,
    /// The last word, which may be unfinished.
    begun: String,
}

impl TitleWords {
    /// The words of a text; `None` where there is none in it.
    pub fn of(text: &str) -> Option<Self> {
        let mut whole: Vec<String> = words(text).collect();
        let begun = whole.pop()?;
        Some(Self { whole, begun })
    }

    /// Whether all of them are in a title, in any order.
    pub fn are_in(&self, title: &str) -> bool {
        let words: Vec<String> = words(title).collect();
        self.whole.iter().all(|word| words.contains(word))
            && words.iter().any(|word| word.starts_with(&self.begun))
    }

    /// The first `k` of these articles that have them, in the order given.
    pub(super) async fn found_in(&self, articles: Vec<Arc<Article>>, k: usize) -> Vec<Arc<Article>> {
        let mut found = Vec::new();
        for some in articles.chunks(AT_ONCE) {
            let left = k - found.len();
            let with_words = some.iter().filter(|article| self.are_in(&article.version.title));
            found.extend(with_words.take(left).cloned());
            if found.len() == k {
                break;
            }
            tokio::task::yield_now().await;
        }
        found
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_are_needed_and_the_last_may_be_unfinished() {
        let title = "Ærlig snak: the Council's 3rd budget";
        for (asked, expected) in [
            ("council budget", true),
            ("BUDG", true),
            ("budget coun", true),
            ("ærl", true),
            ("coun budget", false),
            ("3RD", true),
            ("council war", false),
            ("udget", false),
        ] {
            assert_eq!(TitleWords::of(asked).unwrap().are_in(title), expected, "{asked}");
        }
        assert_eq!(TitleWords::of(" –!? "), None);
        assert_eq!(TitleWords::of(""), None);
    }
}
