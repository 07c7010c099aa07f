//! What the reader's reads say of a section: computed once for each section among the candidates.

use super::{columns::Candidate, content::PastArticle};

/// Reads that a section's share is smoothed by.
const SMOOTHING: f32 = 4.0;
/// A section that nothing is known of has a share of one in so many.
const SECTIONS: f32 = 20.0;
/// Reads that count as "lately".
const LATELY: usize = 10;
/// What a read counts against the one after it, where the last ones count most.
const FADING: f32 = 0.7;

/// How much of what was read is of one section, four times as the logarithm of its share against one in twenty, and how far that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SectionRead {
    /// Of the last reads.
    pub(super) all: f32,
    /// Of the last ten.
    pub(super) lately: f32,
    /// Of those of this visit.
    pub(super) visit: f32,
    /// Of the last reads, each of which counts 0.7 of the one after it.
    pub(super) latest: f32,
    /// How far its reads were read, against all of the reader's; NaN where there is none.
    pub(super) engaged: f32,
}

/// What the reader's reads say of each section of the candidates. `past` comes oldest first, `engaged` is in its order, and the last
/// `visit_reads` are of this visit.
pub(super) fn sections_read<'a>(
    candidates: &[Candidate<'a>],
    past: &[PastArticle<'_>],
    engaged: &[f32],
    visit_reads: usize,
) -> Vec<(&'a str, SectionRead)> {
    let mut sections: Vec<(&str, SectionRead)> = Vec::new();
    for candidate in candidates {
        let category = candidate.category;
        if category.is_empty() || past.is_empty() || sections.iter().any(|(known, _)| *known == category) {
            continue;
        }
        let last = |reads: usize| &past[past.len().saturating_sub(reads)..];
        sections.push((
            category,
            SectionRead {
                all: even_share(past, category),
                lately: even_share(last(LATELY), category),
                visit: even_share(last(visit_reads), category),
                latest: fading_share(past, category),
                engaged: engagement_with(past, engaged, category),
            },
        ));
    }
    sections
}

fn even_share(past: &[PastArticle<'_>], category: &str) -> f32 {
    let reads = past.iter().filter(|article| !article.category.is_empty()).count() as f32;
    let of_it = past.iter().filter(|article| article.category == category).count() as f32;
    against_usual(of_it, reads)
}

fn fading_share(past: &[PastArticle<'_>], category: &str) -> f32 {
    let (mut reads, mut of_it, mut weight) = (0.0, 0.0, 1.0);
    for article in past.iter().rev().filter(|article| !article.category.is_empty()) {
        reads += weight;
        if article.category == category {
            of_it += weight;
        }
        weight *= FADING;
    }
    against_usual(of_it, reads)
}

fn against_usual(of_it: f32, reads: f32) -> f32 {
    ((of_it + SMOOTHING / SECTIONS) / (reads + SMOOTHING) * SECTIONS).ln()
}

fn engagement_with(past: &[PastArticle<'_>], engaged: &[f32], category: &str) -> f32 {
    let of_it = past.iter().zip(engaged).filter(|(article, _)| article.category == category);
    let (reads, sum) = of_it.fold((0.0, 0.0), |(reads, sum), (_, engaged)| (reads + 1.0, sum + engaged));
    if reads > 0.0 { sum / (reads + 1.0) } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(category: &str) -> PastArticle<'_> {
        PastArticle { vector: None, category }
    }

    fn candidate(category: &str) -> Candidate<'_> {
        let article = abovefold_schemas::ArticleId(1);
        Candidate { article, published: None, vector: None, category, session: f32::NAN, rerank: f32::NAN }
    }

    #[test]
    fn five_reads_of_a_section_say_more_of_now_than_of_the_reader() {
        let past: Vec<PastArticle<'_>> = ["Weather"; 15].into_iter().chain(["Sport"; 5]).map(read).collect();
        let candidates = ["Weather", "Sport", "Crime", "Sport", ""].map(candidate);
        let sections = sections_read(&candidates, &past, &[0.0; 20], 5);
        assert_eq!(
            sections.iter().map(|(category, _)| *category).collect::<Vec<_>>(),
            ["Weather", "Sport", "Crime"]
        );
        let [weather, sport, crime] = [0, 1, 2].map(|place: usize| sections[place].1);
        assert!(weather.all > sport.all, "three quarters of all reads");
        assert_eq!(weather.lately, sport.lately, "five of the last ten each");
        assert!(sport.latest > weather.latest && weather.latest > crime.latest);
        assert!(sport.visit > weather.visit);
        assert_eq!(weather.visit, crime.visit, "neither was read in this visit");
    }

    #[test]
    fn what_has_no_section_says_nothing() {
        let past = [read("Sport"), read("")];
        let with = sections_read(&[candidate("Sport")], &past, &[0.0; 2], 2)[0].1;
        let without = sections_read(&[candidate("Sport")], &past[..1], &[0.0], 1)[0].1;
        assert_eq!(with, without);
        assert!(sections_read(&[candidate("Sport")], &[], &[], 0).is_empty());
    }

    #[test]
    fn a_section_is_engaging_as_far_as_it_was_read() {
        let past = [read("Sport"), read("Crime"), read("Sport")];
        let sections = sections_read(&[candidate("Sport"), candidate("World")], &past, &[0.3, -0.6, 0.3], 3);
        assert_eq!(sections[0].1.engaged, 0.6 / 3.0);
        assert!(sections[1].1.engaged.is_nan());
    }
}
