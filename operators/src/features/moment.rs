//! What is known of the reader and the request at a moment.

use abovefold_models::learner::{Context, PAGES, VISIT_GAP_MS};
use abovefold_schemas::{ArticleId, ReaderId, Timestamp, state::Read};

/// The reader and the request, at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Now.
    pub now: Timestamp,
    /// The reader's last reads, oldest first, none of them after `now`.
    pub reads: &'a [Read],
    /// All its reads.
    pub total_reads: u64,
    /// The page that the list is for.
    pub page: Option<ArticleId>,
    /// 0 unknown, 1 mobile, 2 tablet, 3 desktop.
    pub device: u8,
}

impl Moment<'_> {
    /// Hour of the day, UTC.
    pub fn hour(&self) -> u8 {
        (self.now.0.rem_euclid(86_400_000) / 3_600_000) as u8
    }

    /// The reads of the visit so far, latest first; none where the last one has ended.
    pub fn visit(&self) -> impl Iterator<Item = &Read> {
        let mut next_click = self.now.0;
        self.reads.iter().rev().take_while(move |read| {
            let goes_on = next_click - click(read) <= VISIT_GAP_MS;
            next_click = click(read);
            goes_on
        })
    }

    /// The pages of the visit, latest first, each once; the page of the request comes first. At most [`PAGES`].
    pub fn pages(&self) -> Vec<ArticleId> {
        let mut pages: Vec<ArticleId> = self.page.into_iter().collect();
        for read in self.visit() {
            let article = ArticleId(read.article_id);
            if !pages.contains(&article) {
                pages.push(article);
            }
            if pages.len() == PAGES {
                break;
            }
        }
        pages
    }

    /// The same, as the learner asks for it; `pages` are [`Moment::pages`].
    pub fn learned<'b>(&self, reader: &'b ReaderId, pages: &'b [ArticleId]) -> Context<'b> {
        Context { reader, pages, device: self.device, hour: self.hour() }
    }

    /// Milliseconds since this reader left an article, if its last reads name it.
    pub fn since_read(&self, article: ArticleId) -> Option<i64> {
        let read = self.reads.iter().rev().find(|read| read.article_id == article.0)?;
        Some(self.now.0 - read.time)
    }
}

/// When a page was clicked: a read's time is when it was left.
fn click(read: &Read) -> i64 {
    let seconds = read.read_time.filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    read.time - (f64::from(seconds.clamp(0.0, 600.0)) * 1e3) as i64
}
