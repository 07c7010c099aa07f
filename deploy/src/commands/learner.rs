//! `learner`: what was learned from reads, version by version.

use abovefold_operators::learning::{roll_back, versions};
use serde_json::json;

use crate::{cli::LearnerAction, session::Session};

/// Does what was asked for.
pub async fn run(session: &Session, action: &LearnerAction) -> anyhow::Result<()> {
    let (log, topic) = (session.edges.log.as_ref(), &session.edges.topics.learned);
    match action {
        LearnerAction::List { last, json } => {
            let versions = versions(log, topic).await?;
            for seen in &versions[versions.len().saturating_sub(*last)..] {
                let time = seen.time.to_rfc3339();
                session.output.line(if *json {
                    json!({
                        "version": seen.version, "time": time, "rows": seen.rows, "reads": seen.reads, "whole": seen.whole,
                        "rolled_back_to": seen.rolled_back_to,
                    })
                    .to_string()
                } else {
                    let what = match seen.rolled_back_to {
                        Some(version) => format!("  as version {version}"),
                        None => String::new(),
                    };
                    format!("{:>8}  {time}  {} reads, {} rows{what}", seen.version, seen.reads, seen.rows)
                });
            }
            if !*json {
                session.output.line(format!("{} versions", versions.len()));
            }
            Ok(())
        }
        LearnerAction::RollBack { version } => {
            let options = session.config.learner.options();
            let written = roll_back(log, topic, *version, options, &session.runtime).await?;
            session
                .output
                .line(format!("what was learned is as of version {version} again, in version {written}"));
            Ok(())
        }
    }
}
