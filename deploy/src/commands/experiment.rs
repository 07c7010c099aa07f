//! `experiment report`: the ways of serving compared, from the log: slates, and reads that name them.

use std::collections::BTreeMap;

use abovefold_engine::source::read_to_end;
use abovefold_schemas::{Event, Kept, records::Impression};
use futures::TryStreamExt;
use serde_json::json;

use crate::{cli::ExperimentAction, session::Session};

#[derive(Default)]
struct Arm {
    slates: u64,
    clicked: u64,
    shown: u64,
}

/// Counts, for each way of serving, its slates and those that led to a read of something that was on them.
pub async fn run(session: &Session, action: &ExperimentAction) -> anyhow::Result<()> {
    let ExperimentAction::Report { json } = action;
    let mut slates: BTreeMap<String, (String, Vec<i64>, bool)> = BTreeMap::new();
    let log = session.edges.log.as_ref();
    let mut runs = std::pin::pin!(read_to_end(log, &session.edges.topics.impressions, &[]).await?);
    while let Some(run) = runs.try_next().await? {
        for record in run.records {
            if let Ok(slate) = Impression::from_kept(&record.value) {
                let shown = slate.shown.iter().map(|shown| shown.article_id).collect();
                slates.insert(slate.impression_id, (slate.served_by, shown, false));
            }
        }
    }
    let mut runs = std::pin::pin!(read_to_end(log, &session.edges.topics.user_events, &[]).await?);
    while let Some(run) = runs.try_next().await? {
        for record in run.records {
            let Ok(event) = Event::from_json(&record.value) else { continue };
            let slate = event.impression_id.as_ref().and_then(|id| slates.get_mut(id));
            if let (Some((_, shown, clicked)), Some(article)) = (slate, event.article_id) {
                *clicked |= shown.contains(&article.0);
            }
        }
    }
    let mut arms: BTreeMap<String, Arm> = BTreeMap::new();
    for (served_by, shown, clicked) in slates.into_values() {
        let arm = arms.entry(served_by).or_default();
        arm.slates += 1;
        arm.clicked += u64::from(clicked);
        arm.shown += shown.len() as u64;
    }
    for (name, arm) in &arms {
        let share = arm.clicked as f64 / arm.slates as f64;
        session.output.line(if *json {
            json!({"arm": name, "slates": arm.slates, "clicked": arm.clicked, "share": share, "shown": arm.shown}).to_string()
        } else {
            format!("{name:<12} {:>8} slates {:>8} clicked {:>6.2} %", arm.slates, arm.clicked, share * 100.0)
        });
    }
    if arms.is_empty() && !*json {
        session.output.line("no slate was served yet");
    }
    Ok(())
}
