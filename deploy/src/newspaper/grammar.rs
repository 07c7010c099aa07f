//! Templates into text.
//!
//! - `{name}` is what the name is bound to;
//! - `{#2-9}` is a number in that range, in words up to twelve; `{#40-900/10}` one in steps of ten; `{%2-9}`
//!   always has digits, and `{^2-9}` is an ordinal;
//! - `[this|that]` is one of its parts.
//!
//! Sentences begin with a capital whatever they begin with.

use std::collections::BTreeMap;

use super::dice::Dice;

/// What the names in templates stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings(BTreeMap<String, String>);

impl Bindings {
    /// Binds a name.
    pub(super) fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), text.into());
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A template as text. A name that is bound to nothing stays as it is; a test reads every template.
    pub(super) fn expand(&self, template: &str, dice: &mut Dice) -> String {
        sentences(&self.fill(template, dice))
    }

    /// One of some templates as text.
    pub(super) fn one_of<T: AsRef<str>>(&self, templates: &[T], dice: &mut Dice) -> String {
        let template = dice.pick(templates);
        self.expand(template.as_ref(), dice)
    }

    /// As [`Bindings::expand`], without capitals: for the middle of a sentence.
    pub(super) fn fill(&self, template: &str, dice: &mut Dice) -> String {
        let mut text = String::with_capacity(template.len() + 32);
        let mut rest = template;
        while let Some(at) = rest.find(['{', '[']) {
            text.push_str(&rest[..at]);
            let close = if rest[at..].starts_with('{') { '}' } else { ']' };
            let Some(end) = rest[at..].find(close).map(|length| at + length) else { break };
            let inside = &rest[at + 1..end];
            if close == '}' {
                text.push_str(&self.value(inside, dice));
            } else {
                let parts: Vec<&str> = inside.split('|').collect();
                let part = *dice.pick(&parts);
                text.push_str(&self.fill(part, dice));
            }
            rest = &rest[end + 1..];
        }
        text.push_str(rest);
        text
    }

    fn value(&self, name: &str, dice: &mut Dice) -> String {
        if let Some(text) = number(name, dice) {
            return text;
        }
        self.get(name).map_or_else(|| format!("{{{name}}}"), str::to_owned)
    }
}

const SMALL: [&str; 13] =
    ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
const ORDINALS: [&str; 13] = [
    "last", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

/// A number as its specification asks, such as `#40-900/10`; `None` when this is no specification.
fn number(specification: &str, dice: &mut Dice) -> Option<String> {
    let kind = specification.chars().next().filter(|kind| "#%^".contains(*kind))?;
    let (range, step) = specification[1..].split_once('/').unwrap_or((&specification[1..], "1"));
    let (low, high) = range.split_once('-')?;
    let (low, high, step): (usize, usize, usize) =
        (low.parse().ok()?, high.parse().ok()?, step.parse().ok()?);
    let value = low + step * dice.below(high.checked_sub(low)? / step.max(1) + 1);
    Some(match kind {
        '#' if value < SMALL.len() => SMALL[value].to_owned(),
        '^' if value < ORDINALS.len() => ORDINALS[value].to_owned(),
        '^' => match (value % 10, value % 100) {
            (1, rest) if rest != 11 => format!("{value}st"),
            (2, rest) if rest != 12 => format!("{value}nd"),
            (3, rest) if rest != 13 => format!("{value}rd"),
            _ => format!("{value}th"),
        },
        _ if value >= 1000 => format!("{},{:03}", value / 1000, value % 1000),
        _ => value.to_string(),
    })
}

/// Capitals at the beginnings of sentences.
fn sentences(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut begins = true;
    let mut ended = false;
    let mut asked_in_speech = false;
    for letter in text.chars() {
        match letter {
            '.' | '?' | '!' => {
                ended = true;
                asked_in_speech = letter != '.';
            }
            // “Why?” she asked: the sentence goes on. “Thus.” It ended.
            '”' => ended = ended && !asked_in_speech,
            _ if letter.is_whitespace() => begins = begins || ended,
            '“' | '(' => {}
            _ => {
                if begins {
                    result.extend(letter.to_uppercase());
                    (begins, ended) = (false, false);
                    continue;
                }
                ended = false;
            }
        }
        result.push(letter);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_sentences() {
        let mut bindings = Bindings::default();
        bindings.set("thing", "the old bridge");
        let mut dice = Dice::new(1, 0);
        let text = bindings
            .expand("{thing} fell. {thing} had held {#3-3} carts; “why?” they ask. [A|A]n end.", &mut dice);
        assert_eq!(
            text,
            "The old bridge fell. The old bridge had held three carts; “why?” they ask. An end."
        );
        assert_eq!(
            bindings.expand("{%3-3}.{%5-5} per cent, {^3-3}, {^82-82}, {#1200-1200}", &mut dice),
            "3.5 per cent, third, 82nd, 1,200"
        );
        assert_eq!(bindings.expand("{nothing}", &mut dice), "{nothing}");
    }
}
