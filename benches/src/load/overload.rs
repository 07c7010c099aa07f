//! The overload: how much can be borne, and what happens at twice as much.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    Options,
    client::Client,
    program::Program,
    report::{Line, Report},
    steady::{Crowd, Readers, write},
    tally::{Figures, Outcome},
};

/// Each step asks for so much more than the last.
const STEP: f64 = 1.3;
/// The most steps.
const MOST_STEPS: usize = 16;
/// Of what is offered, this share has to be answered in the schedule's time.
const KEPT_UP: f64 = 0.97;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long the program has to come to rest before its memory is looked at again.
const REST: Duration = Duration::from_secs(3);

/// All answers of a phase of this length, hits and misses together.
struct Phase {
    answered: Figures,
    shed: Figures,
}

async fn phase(options: &Options, client: &Client, readers: &Arc<Readers>, rate: f64, seconds: f64) -> Phase {
    let crowd = Crowd::new(client, readers);
    // One tally for both: here it matters only that the mixture stays the same.
    let crowd = Crowd { hits: crowd.misses.clone(), ..crowd };
    let (begun, _) =
        tokio::join!(crowd.ask(rate, options.misses, seconds), write(options, client, 5, seconds));
    Phase {
        answered: crowd.misses.figures(Outcome::Answered, begun, rate),
        shed: crowd.misses.figures(Outcome::Shed, begun, rate),
    }
}

/// Goes up in steps to the rate that is still borne, asks for twice as much, and then for as much as at the beginning.
pub async fn run(
    options: &Options,
    program: &Program,
    client: &Client,
    readers: &Arc<Readers>,
    report: &mut Report,
) {
    let (mut rate, mut borne) = (options.rate, None);
    for _ in 0..MOST_STEPS {
        let found = phase(options, client, readers, rate, options.step_seconds).await;
        let p99 = found.answered.percentile(0.99);
        eprintln!(
            "{rate:.0} requests/s: {:.0}/s answered, p99 {p99:.1} ms, {} shed",
            found.answered.achieved,
            found.shed.milliseconds.len()
        );
        let refused = found.shed.milliseconds.len() + found.answered.failed;
        let kept_up = found.answered.achieved >= rate * KEPT_UP && refused * 1_000 <= found.answered.asked;
        if !kept_up || p99 > options.bearable_ms {
            break;
        }
        borne = Some((rate, found));
        rate *= STEP;
    }
    let Some((rate, found)) = borne else {
        report.note(format!("Not even {} requests/s were borne.", options.rate));
        return;
    };
    let p99 = found.answered.percentile(0.99);
    report.lines.push(Line::new(format!("bearable: {rate:.0}/s, all"), found.answered, None));
    eprintln!("{:.0} requests/s for {} s", rate * 2.0, options.overload_seconds);
    tokio::time::sleep(REST).await;
    let (before, over) = (program.resident(), AtomicBool::new(false));
    let watch = async {
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            seen.extend(program.resident());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        seen
    };
    let twice = async {
        let found = phase(options, client, readers, rate * 2.0, options.overload_seconds).await;
        over.store(true, Ordering::Relaxed);
        found
    };
    let (seen, found) = tokio::join!(watch, twice);
    let shed = found.shed.milliseconds.len() as f64 / found.answered.asked.max(1) as f64;
    let over_p99 = found.answered.percentile(0.99);
    report.lines.push(Line::new(
        format!("twice that: {:.0}/s, admitted", rate * 2.0),
        found.answered,
        Some(2.0 * p99),
    ));
    report.lines.push(Line::new("twice that, shed", found.shed, None));
    report.note(format!(
        "At twice the bearable rate {:.1} % were shed; the 99th percentile of the admitted is {:.2} times that at the bearable rate.",
        shed * 100.0,
        over_p99 / p99
    ));
    tokio::time::sleep(REST).await;
    if let (Some(before), Some(after)) = (before, program.resident()) {
        let half = &seen[seen.len() / 2..];
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        report.note(format!(
            "Memory: {before:.0} MB before, {:.0} MB at most in the first half, {:.0} in the second, {after:.0} MB {} s after.",
            most(&seen[..seen.len() / 2]),
            most(half),
            REST.as_secs()
        ));
        report.facts.insert("memory_mb".into(), serde_json::json!([before, most(&seen), after]));
    }
    let again = phase(options, client, readers, options.rate, options.step_seconds).await;
    report.lines.push(Line::new("afterwards, all", again.answered, None));
}
