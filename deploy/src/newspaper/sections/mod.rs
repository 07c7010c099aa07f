//! The sections of the newspaper, each in a text file of its own, and how such a file is read.
//!
//! A line is `key: text`. First come the section's `section`, `weight` and its pools: `expert` (who is
//! asked), `voice` (what people say), `colour` (what it is like there), `outlook` (how it goes on). Then come
//! the plots. `plot` begins one and names its topics; `slot NAME` says what varies from story to story; each
//! `chapter` sums itself up, as later chapters will recall it, and has its `headline`s, `teaser`s, `lead`s
//! and `more`. `super::grammar` says what may stand in a text.

use anyhow::{Context as _, Result, bail};

/// The files, in the order of the sections' numbers.
const FILES: [(&str, &str); 10] = [
    ("world.txt", include_str!("world.txt")),
    ("politics.txt", include_str!("politics.txt")),
    ("business.txt", include_str!("business.txt")),
    ("technology.txt", include_str!("technology.txt")),
    ("science.txt", include_str!("science.txt")),
    ("health.txt", include_str!("health.txt")),
    ("culture.txt", include_str!("culture.txt")),
    ("sport.txt", include_str!("sport.txt")),
    ("crime.txt", include_str!("crime.txt")),
    ("weather.txt", include_str!("weather.txt")),
];

/// One section and all that it can tell.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Its name, as readers see it.
    pub(super) name: String,
    /// How much of the newspaper it fills, relative to the others.
    pub(super) weight: f64,
    /// What the people are whom it asks.
    pub(super) experts: Vec<String>,
    /// What people say.
    pub(super) voices: Vec<String>,
    /// What it is like there.
    pub(super) colours: Vec<String>,
    /// How it goes on.
    pub(super) outlooks: Vec<String>,
    /// Its stories.
    pub(super) plots: Vec<Plot>,
}

/// A story that can happen to different people in different places.
#[derive(Debug, Default)]
pub(super) struct Plot {
    /// What it is about.
    pub(super) topics: Vec<String>,
    /// What varies, and its choices.
    pub(super) slots: Vec<(String, Vec<String>)>,
    /// Its parts, in order.
    pub(super) chapters: Vec<Chapter>,
}

/// One article of a story.
#[derive(Debug, Default)]
pub(super) struct Chapter {
    /// What happened, as a clause for later chapters.
    pub(super) recap: String,
    /// Choices of the headline.
    pub(super) headlines: Vec<String>,
    /// Choices of the teaser.
    pub(super) teasers: Vec<String>,
    /// Choices of the first paragraph.
    pub(super) leads: Vec<String>,
    /// Further paragraphs; all of them are used.
    pub(super) more: Vec<String>,
}

/// All sections.
pub(super) fn all() -> Result<Vec<Section>> {
    FILES
        .iter()
        .map(|(name, text)| read(text).with_context(|| format!("cannot read the grammar {name}")))
        .collect()
}

fn read(text: &str) -> Result<Section> {
    let mut section = Section::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        take(&mut section, line).with_context(|| format!("line {}: {line}", number + 1))?;
    }
    Ok(section)
}

fn take(section: &mut Section, line: &str) -> Result<()> {
    let (key, text) = line.split_once(": ").context("expected `key: text`")?;
    let text = text.trim().to_owned();
    match key {
        "section" => section.name = text,
        "weight" => section.weight = text.parse().context("expected a number")?,
        "expert" => section.experts.push(text),
        "voice" => section.voices.push(text),
        "colour" => section.colours.push(text),
        "outlook" => section.outlooks.push(text),
        "plot" => {
            let topics = text.split(',').map(|topic| topic.trim().to_owned()).collect();
            section.plots.push(Plot { topics, ..Plot::default() });
        }
        _ => {
            let plot = section.plots.last_mut().context("expected `plot` before it")?;
            if let Some(name) = key.strip_prefix("slot ") {
                plot.slots.push((name.to_owned(), text.split(" | ").map(str::to_owned).collect()));
                return Ok(());
            }
            if key == "chapter" {
                plot.chapters.push(Chapter { recap: text, ..Chapter::default() });
                return Ok(());
            }
            let chapter = plot.chapters.last_mut().context("expected `chapter` before it")?;
            match key {
                "headline" => chapter.headlines.push(text),
                "teaser" => chapter.teasers.push(text),
                "lead" => chapter.leads.push(text),
                "more" => chapter.more.push(text),
                _ => bail!("unknown key `{key}`"),
            }
        }
    }
    Ok(())
}
