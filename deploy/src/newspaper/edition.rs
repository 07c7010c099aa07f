//! What is published and when: stories begin, go on for days, and end.

use std::collections::BTreeSet;

use abovefold_schemas::tables::ArticleRow;
use abovefold_schemas::{ArticleId, Timestamp};

use super::Spec;
use super::calendar::{DAY, HOUR, PUBLISHED_BY_HOUR};
use super::dice::Dice;
use super::sections::Section;
use super::story::{Story, words};
use super::world::Cast;

/// An article, and what only the generator knows of it.
#[derive(Debug)]
pub(super) struct Article {
    /// What is published.
    pub(super) row: ArticleRow,
    /// The number of its section.
    pub(super) section: usize,
    /// The number of its story.
    pub(super) story: usize,
    /// Which part of the story it is, from 0.
    pub(super) chapter: usize,
    /// The words of its body.
    pub(super) words: usize,
    /// How much the editors make of it, about 0.3 to 3.
    pub(super) prominence: f64,
}

/// All articles in the order of their publication, numbered from 1.
pub(super) fn publish(spec: &Spec, sections: &[Section], dice: &mut Dice) -> Vec<Article> {
    let cast = Cast::new(sections.iter().map(|section| section.experts.len()), dice);
    let weights: Vec<f64> = sections.iter().map(|section| section.weight).collect();
    // Each plot's turn within its section, from a random start, so that newspapers of different seeds begin
    // differently.
    let mut turns: Vec<usize> = sections.iter().map(|section| dice.below(section.plots.len())).collect();
    let mut uses: Vec<Vec<usize>> =
        sections.iter().map(|section| section.plots.iter().map(|_| dice.below(1000)).collect()).collect();
    let mut stories: Vec<Story> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut headlines = BTreeSet::new();
    let mut articles = Vec::with_capacity(spec.articles);
    for (index, now) in times(spec, dice).into_iter().enumerate() {
        let due = open
            .iter()
            .copied()
            .filter(|story| stories[*story].due <= now)
            .min_by_key(|story| stories[*story].due);
        let number = due.unwrap_or_else(|| {
            let section = dice.weighted(&weights);
            let plot = turns[section] % sections[section].plots.len();
            turns[section] += 1;
            uses[section][plot] += 1;
            let story = Story::begin((section, &sections[section]), plot, uses[section][plot], &cast, dice);
            stories.push(story);
            open.push(stories.len() - 1);
            stories.len() - 1
        });
        let story = &mut stories[number];
        let (section_number, chapter) = (story.section, story.next_chapter());
        let section = &sections[section_number];
        let text = story.write(section, &cast, now, |title| !headlines.contains(title), dice);
        headlines.insert(text.title.clone());
        if story.next_chapter() == section.plots[story.plot].chapters.len() {
            open.retain(|open| *open != number);
        } else {
            story.due = Timestamp(now.0 + dice.between(9.0 * HOUR as f64, 40.0 * HOUR as f64) as i64);
        }
        let id = ArticleId(index as i64 + 1);
        articles.push(Article {
            section: section_number,
            story: number,
            chapter,
            words: words(&text.paragraphs),
            prominence: 0.3 + dice.unit() * dice.unit() * 2.7,
            row: ArticleRow {
                article_id: id,
                url: format!("/articles/{id}"),
                title: text.title,
                subtitle: text.subtitle,
                body: text.paragraphs.join("\n\n"),
                category: section.name.clone(),
                category_id: i16::try_from(section_number + 1).ok(),
                topics: text.topics,
                published_time: now,
                last_modified_time: Some(now),
                premium: false,
                article_type: "article_default".to_owned(),
            },
        });
    }
    articles
}

/// The moments of publication, in order: from a day before the readers come, so that the first of them finds
/// a newspaper.
fn times(spec: &Spec, dice: &mut Dice) -> Vec<Timestamp> {
    let first_day = (spec.start().0 - DAY).div_euclid(DAY);
    let days = (spec.end.0 - first_day * DAY).div_euclid(DAY) as usize + 1;
    let within = spec.start().0 - DAY..spec.end.0;
    let mut times = Vec::with_capacity(spec.articles);
    while times.len() < spec.articles {
        let day = first_day + dice.below(days) as i64;
        let hour = dice.weighted(&PUBLISHED_BY_HOUR) as i64;
        // Whole seconds, as in EB-NeRD.
        let moment = day * DAY + hour * HOUR + dice.below(3600) as i64 * 1000;
        if within.contains(&moment) {
            times.push(Timestamp(moment));
        }
    }
    times.sort_unstable();
    times
}
