//! One story: who and what it is about, and its articles, of which each remembers the earlier ones.

use super::calendar::{day_name, how_long_ago, since};
use super::dice::Dice;
use super::grammar::Bindings;
use super::sections::{Chapter, Plot, Section};
use super::world::Cast;
use abovefold_schemas::Timestamp;

/// An article is filled up to about this many words before its last paragraph.
const ENOUGH_WORDS: usize = 190;

/// How a last chapter ends.
const CLOSINGS: [&str; 4] = [
    "The Chronicle has followed the matter since {since}. Letters to the editor are welcome, [short ones more so|on \
     paper or otherwise].",
    "With that, a story ends that had begun {began}. {town} will [talk about it|tell it] for some time yet, and a \
     little differently on every street.",
    "Those who have followed it since {since} may now turn to other things. There is [no lack|no shortage] of them.",
    "And so it is over, for now. A summary, with all the names, can be had at the counter of this newspaper.",
];
/// How a later chapter recalls the earlier ones.
const MEMORIES: [&str; 4] = [
    "It had begun {began}, when {recap0}.",
    "The story goes back to a report in this newspaper: {began}, {recap0}.",
    "To recall: {began}, {recap0}.",
    "Readers will remember how it started. {began}, {recap0}.",
];

/// A story on its way.
pub(super) struct Story {
    /// The number of its section.
    pub(super) section: usize,
    /// The number of its plot within the section.
    pub(super) plot: usize,
    /// When the next chapter may appear.
    pub(super) due: Timestamp,
    bindings: Bindings,
    written: Vec<(Timestamp, String)>,
    voices: Vec<usize>,
    colours: Vec<usize>,
    expert: usize,
}

/// The words of one article.
pub(super) struct Text {
    /// The headline.
    pub(super) title: String,
    /// The teaser.
    pub(super) subtitle: String,
    /// The paragraphs.
    pub(super) paragraphs: Vec<String>,
    /// What it is about.
    pub(super) topics: Vec<String>,
}

impl Story {
    /// Begins a story; `use_count` says how often its plot was used, so that its main choice differs each
    /// time.
    pub(super) fn begin(
        (section_number, section): (usize, &Section),
        plot_number: usize,
        use_count: usize,
        cast: &Cast,
        dice: &mut Dice,
    ) -> Self {
        let mut bindings = cast.bind(dice);
        let expert = dice.below(section.experts.len());
        cast.bind_expert(section_number, expert, &section.experts, &mut bindings);
        for (place, (name, choices)) in section.plots[plot_number].slots.iter().enumerate() {
            let index = if place == 0 { use_count % choices.len() } else { dice.below(choices.len()) };
            let choice = &choices[index];
            // A choice may itself be a number or hold other names; it is settled once for the whole story.
            let text = if choice.starts_with(['#', '%']) { format!("{{{choice}}}") } else { choice.clone() };
            let text = bindings.fill(&text, dice);
            bindings.set(name.clone(), text);
        }
        let mut order = |count: usize| {
            let mut order: Vec<usize> = (0..count).collect();
            dice.shuffle(&mut order);
            order
        };
        let (voices, colours) = (order(section.voices.len()), order(section.colours.len()));
        Self {
            section: section_number,
            plot: plot_number,
            due: Timestamp(i64::MAX),
            bindings,
            written: Vec::new(),
            voices,
            colours,
            expert,
        }
    }

    /// The number of the next chapter; as many as there are when the story is told.
    pub(super) fn next_chapter(&self) -> usize {
        self.written.len()
    }

    /// Writes the next chapter as of `now`; `fresh` says whether a headline was never used.
    pub(super) fn write(
        &mut self,
        section: &Section,
        cast: &Cast,
        now: Timestamp,
        fresh: impl Fn(&str) -> bool,
        dice: &mut Dice,
    ) -> Text {
        let plot = &section.plots[self.plot];
        let chapter = &plot.chapters[self.next_chapter()];
        self.bindings.set("day", day_name(now));
        let title = self.headline(chapter, now, fresh, dice);
        let subtitle = self.bindings.one_of(&chapter.teasers, dice);
        let paragraphs = self.paragraphs(section, plot, chapter, cast, now, dice);
        let recap = self.bindings.fill(&chapter.recap, dice);
        self.written.push((now, recap));
        let mut topics = plot.topics.clone();
        topics.extend(self.bindings.get("town").map(str::to_owned));
        Text { title, subtitle, paragraphs, topics }
    }

    /// A headline that was never used; after many tries one with the day behind it.
    fn headline(
        &self,
        chapter: &Chapter,
        now: Timestamp,
        fresh: impl Fn(&str) -> bool,
        dice: &mut Dice,
    ) -> String {
        let mut title = String::new();
        for _ in 0..12 {
            title = self.bindings.one_of(&chapter.headlines, dice);
            if fresh(&title) {
                return title;
            }
        }
        let day = day_name(now);
        let dated = (1..).map(|edition| match edition {
            1 => format!("{title} on {day}"),
            _ => format!("{title} on {day}, edition {edition}"),
        });
        dated.into_iter().find(|dated| fresh(dated)).expect("an endless supply of editions")
    }

    fn paragraphs(
        &mut self,
        section: &Section,
        plot: &Plot,
        chapter: &Chapter,
        cast: &Cast,
        now: Timestamp,
        dice: &mut Dice,
    ) -> Vec<String> {
        let number = self.next_chapter();
        let mut text = vec![self.bindings.one_of(&chapter.leads, dice)];
        let mut more = chapter.more.iter();
        text.extend(more.next().map(|template| self.bindings.expand(template, dice)));
        text.push(self.voice(section, cast, 2 * number, dice));
        text.extend(self.memory(now, dice));
        text.extend(more.map(|template| self.bindings.expand(template, dice)));
        let colour = |place: usize| &section.colours[self.colours[place % self.colours.len()]];
        let scene = text.len();
        text.push(self.bindings.expand(colour(number), dice));
        if words(&text) < ENOUGH_WORDS {
            text.push(self.voice(section, cast, 2 * number + 1, dice));
        }
        for further in 1..self.colours.len() {
            if words(&text) < ENOUGH_WORDS {
                let further = self.bindings.expand(colour(number + further), dice);
                text[scene] = format!("{} {further}", text[scene]);
            }
        }
        let last = number > 0 && number + 1 == plot.chapters.len();
        text.push(if last {
            self.bindings.one_of(&CLOSINGS, dice)
        } else {
            self.bindings.one_of(&section.outlooks, dice)
        });
        text
    }

    /// What somebody says. Experts differ from voice to voice, and from the story's own.
    fn voice(&self, section: &Section, cast: &Cast, place: usize, dice: &mut Dice) -> String {
        let mut bindings = self.bindings.clone();
        cast.stranger(&mut bindings, "bystander", dice);
        cast.bind_expert(self.section, self.expert + 1 + place % 2, &section.experts, &mut bindings);
        bindings.expand(&section.voices[self.voices[place % self.voices.len()]], dice)
    }

    /// The story so far, for those who missed it.
    fn memory(&mut self, now: Timestamp, dice: &mut Dice) -> Option<String> {
        let (began, recap0) = self.written.first()?.clone();
        self.bindings.set("began", how_long_ago(began, now));
        self.bindings.set("since", since(began, now));
        self.bindings.set("recap0", recap0);
        let mut text = self.bindings.one_of(&MEMORIES, dice);
        for (when, recap) in &self.written[1..] {
            let mut bindings = self.bindings.clone();
            bindings.set("then", how_long_ago(*when, now));
            bindings.set("recap", recap.clone());
            text.push(' ');
            text.push_str(&bindings.expand("{then}, {recap}.", dice));
        }
        Some(text)
    }
}

/// The number of words of some paragraphs.
pub(super) fn words(paragraphs: &[String]) -> usize {
    paragraphs.iter().map(|paragraph| paragraph.split_whitespace().count()).sum()
}
