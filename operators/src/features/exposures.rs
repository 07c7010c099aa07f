//! How often articles were shown: decayed exposures, folded from impressions.

use abovefold_schemas::{ArticleId, Timestamp};

use crate::fold::{cache::FixedMap, trends::decay};

/// Half-lives of the decayed exposures: 20 minutes and 8 hours.
pub const EXPOSURE_HALF_LIVES_MS: [i64; 2] = [1_200_000, 28_800_000];

/// Decayed exposures of all articles.
#[derive(Clone, Debug, Default)]
pub struct ExposureTable {
    articles: FixedMap<ArticleId, Exposed>,
}

#[derive(Clone, Debug, Default)]
struct Exposed {
    shown: [f64; 2],
    clicked: [f64; 2],
    time: i64,
}

/// One article's exposures at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExposedAt {
    /// Decayed exposures, one for each of [`EXPOSURE_HALF_LIVES_MS`].
    pub shown: [f64; 2],
    /// Those of them that were clicked.
    pub clicked: [f64; 2],
}

impl ExposureTable {
    /// Folds one list: what was shown, and which of it was clicked.
    pub fn shown(&mut self, in_view: &[ArticleId], clicked: &[ArticleId], time: Timestamp) {
        for article in in_view {
            let exposed = self.articles.entry(*article).or_default();
            let hit = if clicked.contains(article) { 1.0 } else { 0.0 };
            let later = time.0 - exposed.time;
            for (place, half_life) in EXPOSURE_HALF_LIVES_MS.into_iter().enumerate() {
                let (keep, weight) =
                    if later >= 0 { (decay(later, half_life), 1.0) } else { (1.0, decay(-later, half_life)) };
                exposed.shown[place] = exposed.shown[place] * keep + weight;
                exposed.clicked[place] = exposed.clicked[place] * keep + weight * hit;
            }
            exposed.time = exposed.time.max(time.0);
        }
    }

    /// Number of articles that are remembered.
    pub fn len(&self) -> usize {
        self.articles.len()
    }

    /// Whether nothing was shown.
    pub fn is_empty(&self) -> bool {
        self.articles.is_empty()
    }

    /// Forgets articles whose exposures are worth less than `least` at `now`.
    pub fn expire(&mut self, now: Timestamp, least: f64) {
        let longest = EXPOSURE_HALF_LIVES_MS.len() - 1;
        self.articles.retain(|_, exposed| {
            exposed.shown[longest] * decay(now.0 - exposed.time, EXPOSURE_HALF_LIVES_MS[longest]) >= least
        });
    }

    /// An article's exposures at `now`; `None` where it was never shown.
    pub fn at(&self, article: ArticleId, now: Timestamp) -> Option<ExposedAt> {
        let exposed = self.articles.get(&article)?;
        let mut at = ExposedAt::default();
        for (place, half_life) in EXPOSURE_HALF_LIVES_MS.into_iter().enumerate() {
            let worth = decay(now.0 - exposed.time, half_life);
            at.shown[place] = exposed.shown[place] * worth;
            at.clicked[place] = exposed.clicked[place] * worth;
        }
        Some(at)
    }
}
