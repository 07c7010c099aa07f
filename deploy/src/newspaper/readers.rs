//! Readers: what they like, when they come, how they read.

use super::Spec;
use super::calendar::{DAY, HOUR};
use super::dice::Dice;
use super::exact::exp;
use super::sections::Section;
use abovefold_schemas::Timestamp;

/// A reader, and what only the generator knows of them.
#[derive(Debug)]
pub(super) struct Reader {
    /// What they like of each section at the start, as a logit.
    likes_at_start: Vec<f64>,
    /// The same at the end: tastes drift.
    likes_at_end: Vec<f64>,
    /// The hours at which they come, and how often they come at each.
    habits: Vec<(f64, f64)>,
    /// Visits a day, on average.
    visits_a_day: f64,
    /// The device that they mostly use, 1 to 3.
    device: i8,
    /// When they came for the first time.
    joins: Timestamp,
    /// Words a second.
    pub(super) speed: f64,
    /// How readily they click, as the logit of leaving instead.
    pub(super) restraint: f64,
    /// The probability to look on after an article.
    pub(super) stamina: f64,
    /// Whether they are signed in.
    pub(super) is_sso_user: bool,
    /// 0 male, 1 female, where they said so.
    pub(super) gender: Option<i8>,
    /// A coarse kind of postcode, where they said so.
    pub(super) postcode: Option<i8>,
    /// The decade of their age, where they said so.
    pub(super) age: Option<i8>,
    /// Whether they pay.
    pub(super) is_subscriber: bool,
}

impl Reader {
    /// Anybody.
    pub(super) fn any(spec: &Spec, sections: &[Section], dice: &mut Dice) -> Self {
        let weights: Vec<f64> = sections.iter().map(|section| section.weight).collect();
        let mut likes: Vec<f64> = sections.iter().map(|_| -0.9 + 0.35 * dice.normal()).collect();
        let favourites = 2 + dice.below(2);
        let mut chosen = Vec::new();
        while chosen.len() < favourites {
            let section = dice.weighted(&weights);
            if !chosen.contains(&section) {
                likes[section] = 1.7 + 0.35 * dice.normal();
                chosen.push(section);
            }
        }
        let mut later = likes.clone();
        if dice.chance(0.4) {
            // One favourite fades while another section takes its place.
            let gained = dice.below(sections.len());
            let lost = *dice.pick(&chosen);
            later.swap(gained, lost);
        }
        let hours = [6.5, 7.5, 9.0, 12.3, 15.5, 17.5, 20.0, 21.5];
        let habits = (0..2 + dice.below(2))
            .map(|_| (*dice.pick(&hours) + 0.5 * dice.normal(), dice.between(0.4, 1.0)));
        let habits = habits.collect();
        let is_sso_user = dice.chance(0.45);
        // One in twelve comes later than the others, some of them only when the models have been trained.
        let late = if dice.chance(1.0 / 12.0) { dice.unit() } else { 0.0 };
        Self {
            likes_at_start: likes,
            likes_at_end: later,
            habits,
            visits_a_day: 1.0 + exp(1.1 + 0.6 * dice.normal()),
            device: [1, 2, 3][dice.weighted(&[0.6, 0.12, 0.28])],
            joins: Timestamp(spec.start().0 + (late * spec.length() as f64) as i64),
            speed: dice.between(3.0, 5.5),
            restraint: dice.between(1.0, 3.0),
            stamina: dice.between(0.35, 0.8),
            is_sso_user,
            gender: (is_sso_user && dice.chance(0.5)).then(|| dice.below(2) as i8),
            postcode: (is_sso_user && dice.chance(0.3)).then(|| dice.below(5) as i8),
            age: (is_sso_user && dice.chance(0.4)).then(|| 20 + 10 * dice.below(7) as i8),
            is_subscriber: is_sso_user && dice.chance(0.25),
        }
    }

    /// How much they like a section at a moment, as a logit.
    pub(super) fn likes(&self, section: usize, spec: &Spec, now: Timestamp) -> f64 {
        let passed = (now.millis_since(spec.start()) as f64 / spec.length() as f64).clamp(0.0, 1.0);
        self.likes_at_start[section] * (1.0 - passed) + self.likes_at_end[section] * passed
    }

    /// The device of one visit.
    pub(super) fn device(&self, dice: &mut Dice) -> i8 {
        if dice.chance(0.85) { self.device } else { 1 + dice.below(3) as i8 }
    }

    /// When they come, in no order.
    pub(super) fn visits(&self, spec: &Spec, dice: &mut Dice) -> Vec<Timestamp> {
        let first_day = spec.start().0.div_euclid(DAY);
        let last_day = spec.end.0.div_euclid(DAY);
        let habit_total: f64 = self.habits.iter().map(|(_, weight)| weight).sum();
        let mut visits = Vec::new();
        for day in first_day..=last_day {
            for (hour, weight) in &self.habits {
                let mut expected = self.visits_a_day * weight / habit_total;
                while dice.chance(expected.min(0.95)) {
                    expected -= 0.95;
                    let hours = hour + 0.7 * dice.normal();
                    let moment = Timestamp(day * DAY + (hours * HOUR as f64) as i64);
                    if moment >= self.joins && moment < spec.end {
                        visits.push(moment);
                    }
                }
            }
        }
        visits
    }
}
