//! The sixth step: for who asked, one sentence an article that says why it is there.

use std::{collections::BTreeMap, sync::Arc};

use abovefold_engine::{Emitter, Operator, Result};
use abovefold_schemas::{ArticleId, state::ReaderState};

use super::{
    batch::{Batch, Composed, chosen},
    metrics::Stopwatch,
    request::{Pick, Source},
    shared::Shared,
    vectors::{Prepared, READ_OLD_MS},
};
use crate::features::content::session_cosine;

/// Puts a sentence into each explanation that was asked for. The articles that the reader read are asked for once a batch, where they are
/// not kept; what cannot be had goes unnamed.
#[derive(Debug)]
pub struct Explain {
    shared: Arc<Shared>,
}

type Reads = BTreeMap<ArticleId, Prepared>;

impl Explain {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn explain(&self, pick: &mut Pick, state: &ReaderState, reads: &Reads) {
        let prepared = self.shared.prepared.of(&pick.article, self.shared.runtime.now());
        let chosen = chosen(state, &pick.article);
        let Some(explanation) = &mut pick.explanation else { return };
        if pick.source == Source::Knn {
            explanation.because = prepared.unit().and_then(|unit| nearest(unit, state, reads));
        }
        let title = explanation.because.and_then(|read| reads.get(&read));
        let title = title.map(|read| read.article.version.title.as_str()).filter(|title| !title.is_empty());
        explanation.text = text(pick.source, title, chosen);
    }
}

/// The read that is most like an article.
fn nearest(unit: &[f32], state: &ReaderState, reads: &Reads) -> Option<ArticleId> {
    let cosine = |read: &ArticleId| Some(session_cosine(reads.get(read)?.unit()?, unit));
    let reads = state.reads.iter().map(|read| ArticleId(read.article_id));
    let with_cosine = reads.filter_map(|read| Some((read, cosine(&read)?)));
    with_cosine.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(read, _)| read)
}

fn text(source: Source, read: Option<&str>, chosen: Option<&str>) -> String {
    // Quotation marks within quotation marks are single ones.
    let read = read.map(|title| title.replace('\u{201c}', "\u{2018}").replace('\u{201d}', "\u{2019}"));
    match (source, read, chosen) {
        (Source::Exploration, _, _) => "New, and not read by many yet".into(),
        (Source::Knn, Some(read), _) => format!("Because you read \u{201c}{read}\u{201d}"),
        (Source::AlsoRead | Source::Learned, Some(read), _) => {
            format!("Readers of \u{201c}{read}\u{201d} go on to this")
        }
        (_, _, Some(topic)) => format!("Because you chose {topic}"),
        (Source::Trending, _, _) => "Read by many of late".into(),
        (Source::Newest, _, _) => "Just published".into(),
        (Source::Knn | Source::Topics, None, None) => "Like what you read".into(),
        (Source::AlsoRead | Source::Learned, None, None) => "Read by readers like you".into(),
        (Source::Topics, Some(_), None) => "Like what you read".into(),
    }
}

impl Operator for Explain {
    type In = Batch<Composed>;
    type Out = Batch<Composed>;

    fn name(&self) -> &'static str {
        "explain"
    }

    fn rows(&self, batch: &Self::In) -> usize {
        batch.items.len()
    }

    async fn handle(&mut self, mut batch: Batch<Composed>, out: &mut Emitter<Batch<Composed>>) -> Result<()> {
        let watch = Stopwatch::start();
        let asked = |composed: &Composed| composed.asked.request.explain;
        let of_those = batch.items.iter().filter(|composed| asked(composed));
        let reads = of_those.flat_map(|composed| &composed.state.reads);
        let reads = reads.map(|read| ArticleId(read.article_id)).collect();
        let reads = self.shared.prepared.get(&self.shared, reads, READ_OLD_MS).await;
        for composed in batch.items.iter_mut().filter(|composed| asked(composed)) {
            let Composed { state, outcome: Ok(slate), .. } = composed else { continue };
            slate.picks.iter_mut().for_each(|pick| self.explain(pick, state, &reads));
            tokio::task::yield_now().await;
        }
        watch.record_stage(self.name());
        out.emit(batch).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_read_or_the_topic_where_there_is_one() {
        let said = |source, read, chosen| text(source, read, chosen);
        assert_eq!(said(Source::Knn, Some("Rain"), None), "Because you read \u{201c}Rain\u{201d}");
        assert_eq!(
            said(Source::Learned, Some("Rain"), None),
            "Readers of \u{201c}Rain\u{201d} go on to this"
        );
        let quoted = said(Source::Knn, Some("\u{201c}Low Tide\u{201d}: the author"), None);
        assert_eq!(quoted, "Because you read \u{201c}\u{2018}Low Tide\u{2019}: the author\u{201d}");
        assert_eq!(said(Source::Trending, None, Some("Science")), "Because you chose Science");
        assert_eq!(said(Source::Trending, None, None), "Read by many of late");
        assert_eq!(said(Source::Exploration, None, Some("Science")), "New, and not read by many yet");
    }
}
