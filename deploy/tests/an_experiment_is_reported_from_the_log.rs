//! `experiment report` over a log that was written on purpose gives the numbers that were computed by hand, and says what is wrong with them;
//! and over a running program it finds readers in the arms that served them.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{collections::BTreeSet, fs};

use abovefold_engine::log::{LogSettings, NewRecord, open};
use abovefold_models::ModelFolder;
use abovefold_operators::query::{Arm, Experiment, QuerySettings};
use abovefold_schemas::{
    ArticleId, Event, Kept, ReaderId,
    records::{Impression, Shown},
};
use common::{
    Home, http, newsroom,
    program::{Program, eventually},
    stream::{PARTITIONS, append, block_on},
};
use serde_json::{Value, json};

const EXPERIMENT: &str = r#"
[experiment]
name = "autumn"
[[experiment.arms]]
name = "old"
weight = 1
[[experiment.arms]]
name = "new"
weight = 1
query = { composition = { section_share = 0.3 } }
"#;

/// The same, to know beforehand which arm a reader is in.
fn experiment() -> Experiment {
    let arm = |name: &str| Arm { name: name.into(), weight: 1.0, settings: QuerySettings::default() };
    Experiment::new("autumn", vec![arm("old"), arm("new")]).unwrap()
}

/// Readers whom the lot puts into an arm.
fn readers_of(arm: &str) -> impl Iterator<Item = ReaderId> {
    let all = (0..).map(|number| ReaderId::new(format!("reader-{number}")).unwrap());
    all.filter(move |reader| experiment().arm_of(reader).name == arm)
}

/// A log in the making.
#[derive(Default)]
struct Written {
    slates: Vec<NewRecord>,
    events: Vec<NewRecord>,
    count: usize,
}

impl Written {
    /// A slate of the articles 1 to 10, and reads of some articles that name it. Returns its id.
    fn slate(&mut self, reader: &ReaderId, arm: &str, time: i64, reads: &[i64]) -> String {
        self.count += 1;
        let id = format!("slate-{}", self.count);
        let shown = (1..=10).map(|article_id| Shown { article_id, ..Shown::default() });
        let slate = Impression {
            impression_id: id.clone(),
            user_id: reader.to_string(),
            time,
            shown: shown.collect(),
            served_by: if self.count.is_multiple_of(2) { "knn".into() } else { "trending".into() },
            arm: arm.into(),
            ..Impression::default()
        };
        self.slates.push(NewRecord::keyed(reader.as_bytes().to_vec(), slate.to_kept()));
        reads.iter().for_each(|article| self.read(reader, &id, *article));
        id
    }

    fn read(&mut self, reader: &ReaderId, slate: &str, article: i64) {
        let mut event = Event::read(reader.clone(), ArticleId(article));
        event.impression_id = Some(slate.into());
        self.events.push(NewRecord::keyed(reader.as_bytes().to_vec(), event.to_json()));
    }

    fn write(self, home: &Home) {
        let log = open(&format!("file:{}", home.at("log").display()), &LogSettings::default()).unwrap();
        block_on(async {
            for (topic, records) in [("impressions", self.slates), ("user_events", self.events)] {
                log.create_topic(topic, PARTITIONS).await.unwrap();
                append(log.as_ref(), topic, records).await;
            }
        });
    }
}

const MORNING: i64 = newsroom::MIDNIGHT + 8 * 3_600_000;
const NOON: &str = "2024-01-01T12:00:00";
const AFTERNOON: i64 = newsroom::MIDNIGHT + 15 * 3_600_000;

/// In the morning 40 readers in each arm. Of the old arm half have a slate and read one article of it, half have three slates and read one
/// article of one; of the new arm the first half read nothing.
fn morning(written: &mut Written) {
    for arm in ["old", "new"] {
        for (number, reader) in readers_of(arm).take(40).enumerate() {
            let comes_often = number % 2 == 1;
            let reads: &[i64] = if comes_often || arm == "old" { &[4] } else { &[] };
            written.slate(&reader, arm, MORNING, reads);
            (0..if comes_often { 2 } else { 0 })
                .for_each(|_| drop(written.slate(&reader, arm, MORNING, &[])));
        }
    }
}

/// What changes nothing: reads that are none of a slate, and a slate that comes twice.
fn noise(written: &mut Written) {
    let [ann, ben] = [readers_of("old").next().unwrap(), readers_of("old").nth(1).unwrap()];
    written.read(&ann, "slate-1", 4);
    written.read(&ann, "slate-1", 99);
    written.read(&ben, "slate-1", 5);
    written.read(&ann, "slate-that-never-was", 5);
    written.events.push(NewRecord::keyed(ann.as_bytes().to_vec(), b"poison".to_vec()));
    written.slates.push(written.slates[0].clone());
    written.slates.push(NewRecord::keyed(ann.as_bytes().to_vec(), vec![99, 1, 2]));
}

/// In the afternoon the old arm has 60 readers more, and some slates are of another arm.
fn afternoon(written: &mut Written) {
    for reader in readers_of("old").skip(40).take(60) {
        written.slate(&reader, "old", AFTERNOON, &[]);
    }
    let stray = readers_of("old").nth(200).unwrap();
    written.slate(&stray, "new", AFTERNOON, &[]);
    written.slate(&stray, "gone", AFTERNOON, &[]);
    written.slate(&readers_of("new").nth(200).unwrap(), "", AFTERNOON, &[1]);
}

fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

fn warns_of(report: &Value, text: &str) -> bool {
    report["warnings"].as_array().unwrap().iter().any(|warning| warning.as_str().unwrap().contains(text))
}

#[test]
fn the_report_gives_the_numbers_that_were_computed_by_hand() {
    let home = Home::new();
    fs::write(home.at("experiment.toml"), EXPERIMENT).unwrap();
    let report = |more: &[&str]| {
        let command = ["experiment", "report", "--json", "--config", "experiment.toml"];
        home.json(&[&command[..], more].concat())
    };
    let nothing = home.done(&["experiment", "report", "--config", "experiment.toml"]);
    assert_eq!(nothing.trim(), "no slate was served yet");

    let mut written = Written::default();
    morning(&mut written);
    noise(&mut written);
    afternoon(&mut written);
    written.write(&home);

    let found = report(&["--until", NOON]);
    assert_eq!((&found["experiment"], &found["control"]), (&json!("autumn"), &json!("old")), "{found:#}");
    assert_eq!((&found["slates"], &found["readers"]), (&json!(160), &json!(80)), "{found:#}");
    // Old: R = 40/80, residuals Y - R N of 1/2 and -1/2, var = 40/39 * 40/4 / 80^2, t(39) = 2.022690920.
    // New: R = 20/80, residuals of -1/4 and 1/4, var = 40/39 * 40/16 / 80^2.
    for (place, name, reads, ratio, half) in
        [(0, "old", 40, 0.5, 0.080_972_44), (1, "new", 20, 0.25, 0.040_486_22)]
    {
        let arm = &found["arms"][place];
        assert_eq!((&arm["arm"], &arm["share"]), (&json!(name), &json!(0.5)));
        assert_eq!((&arm["readers"], &arm["slates"], &arm["reads"]), (&json!(40), &json!(80), &json!(reads)));
        close(&arm["reads_per_slate"], ratio);
        close(&arm["ci"][0], ratio - half);
        close(&arm["ci"][1], ratio + half);
    }
    // The variances' sum; degrees of freedom by Welch 57.3529, t = 2.002198428.
    let difference = &found["arms"][1]["difference"];
    close(&difference["value"], -0.25);
    close(&difference["ci"][0], -0.25 - 0.089_612_75);
    close(&difference["ci"][1], -0.25 + 0.089_612_75);
    assert_eq!(found["arms"][0]["difference"], Value::Null);
    close(&found["sample_ratio"]["p"], 1.0);
    assert!(warns_of(&found, "1 impressions are in the log more than once"), "{found:#}");
    assert!(warns_of(&found, "1 records of the impressions' topic are none"), "{found:#}");
    assert_eq!(found["warnings"].as_array().unwrap().len(), 2, "{found:#}");
    let said = home.done(&["experiment", "report", "--until", NOON, "--config", "experiment.toml"]);
    assert!(said.contains("0.5000 (0.4190 to 0.5810)"), "{said}");
    assert!(said.contains("-0.2500 (-0.3396 to -0.1604)"), "{said}");
    assert!(said.contains("readers are shared out as the weights say"), "{said}");
}

#[test]
fn the_report_says_what_makes_its_numbers_worth_less() {
    let home = Home::new();
    fs::write(home.at("experiment.toml"), EXPERIMENT).unwrap();
    let report = |more: &[&str]| home.json(&[&["experiment", "report", "--json"][..], more].concat());
    let mut written = Written::default();
    morning(&mut written);
    afternoon(&mut written);
    written.write(&home);

    // 100 readers and 41, where 70.5 are expected twice: chi-square 2 * 29.5^2 / 70.5.
    let found = report(&["--config", "experiment.toml"]);
    close(&found["sample_ratio"]["chi_square"], 24.687_943_26);
    assert_eq!(found["sample_ratio"]["mismatch"], true);
    let names: Vec<&str> =
        found["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(names, ["old", "new", "gone", ""], "configured, then strange, then none");
    assert_eq!(found["arms"][3]["difference"], Value::Null);
    for text in [
        "old has 100 readers, expected 70.5",
        "p = 6.7e-7",
        "the experiment autumn has no arm gone",
        "2 slates were served in another arm",
        "1 readers have slates of several arms",
        "gone has 1 readers, too few",
    ] {
        assert!(warns_of(&found, text), "{text}: {found:#}");
    }
    let said = home.done(&["experiment", "report", "--config", "experiment.toml"]);
    assert!(said.lines().any(|line| line.starts_with("warning: readers are not shared out")), "{said}");
    assert!(said.contains("(none)") && !said.contains("are shared out as the weights say:"), "{said}");

    // Nobody is configured any more: the log's own names, and no weights to compare with.
    let found = report(&["--until", NOON]);
    assert_eq!((&found["control"], &found["sample_ratio"]), (&json!("new"), &Value::Null), "{found:#}");
    close(&found["arms"][1]["difference"]["value"], 0.25);
    let found = report(&["--from", "2024-01-02"]);
    assert_eq!(found["slates"], 0);
    assert!(home.done(&["experiment", "report", "--from", "2024-01-02"]).contains("in that time"));
    let found = report(&["--by", "served-by"]);
    let paths: BTreeSet<&str> =
        found["served_by"].as_array().unwrap().iter().map(|row| row["served_by"].as_str().unwrap()).collect();
    assert_eq!(paths, BTreeSet::from(["knn", "trending"]));
    let wrong = home.run(&["experiment", "report", "--from", "yesterday"]);
    assert_eq!((wrong.status, wrong.error_line().contains("yesterday")), (Some(1), true), "{wrong}");
}

#[test]
fn a_running_program_serves_readers_by_their_arm_and_the_report_finds_them_there() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    fs::write(home.at("experiment.toml"), EXPERIMENT).unwrap();
    newsroom::data_folder(&home.at("data"), 60, 10, 10, 5);
    let run = home.command(&["run", "--listen", "127.0.0.1:0", "--config", "experiment.toml"]);
    let mut program = Program::spawn(run);
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);

    let ask = |reader: &ReaderId| http::post(&address, "/recommend", &json!({"user_id": reader})).json();
    for arm in ["old", "new"] {
        for reader in readers_of(arm).take(3) {
            let slate = ask(&reader);
            assert_eq!((&slate["arm"], &ask(&reader)["arm"]), (&json!(arm), &json!(arm)), "{slate}");
            let event = json!({
                "user_id": reader,
                "article_id": slate["recommendations"][0]["article_id"],
                "impression_id": slate["impression_id"]
            });
            assert_eq!(http::post(&address, "/event", &event).status, 202);
        }
    }
    // The owner of the home is asked, whose configuration counts.
    let found = eventually("slates and reads are in the log", || {
        let found = home.json(&["experiment", "report", "--json"]);
        (found["slates"] == 12).then_some(found)
    });
    for arm in found["arms"].as_array().unwrap() {
        assert_eq!((&arm["readers"], &arm["slates"], &arm["reads"]), (&json!(3), &json!(6), &json!(3)));
        close(&arm["reads_per_slate"], 0.5);
        assert_eq!(arm["ci"], Value::Null, "all readers are alike");
    }
    assert!(http::get(&address, "/ops/plain").body.contains("old 50.0 %, new 50.0 %"));
    let rows = home.json_lines(&["sql", "--json", "SELECT DISTINCT arm FROM impressions ORDER BY arm"]);
    assert_eq!(rows, [json!({"arm": "new"}), json!({"arm": "old"})]);
    assert_eq!(program.terminate().0, Some(0));
    fs::write(home.at("wrong.toml"), EXPERIMENT.replace("section_share", "section_shore")).unwrap();
    let wrong = home.run(&["check", "--config", "wrong.toml"]);
    let line = wrong.error_line();
    assert!(line.contains("new") && line.contains("section_shore"), "{line}");
}

#[test]
fn an_arm_can_have_a_namespace_and_a_model_of_its_own() {
    let home = Home::new().with("WINDOW__LENGTH", "50ms");
    newsroom::data_folder(&home.at("data"), 40, 10, 60, 5);
    newsroom::model(&home.at("model"));
    newsroom::model(&home.at("model-green"));
    ModelFolder::untrained(8).save(&home.at("model-other")).unwrap();
    let config = |arm: &str| EXPERIMENT.replace("name = \"new\"", &format!("name = \"new\"\n{arm}"));
    let green = config("namespace = \"green\"\nmodel = \"model-green\"");
    fs::write(home.at("experiment.toml"), &green).unwrap();
    home.done(&["simulate", "--data", "data", "--rate", "0"]);

    let refused = |config: &str| {
        fs::write(home.at("wrong.toml"), config).unwrap();
        let wrong = home.run(&["run", "--listen", "127.0.0.1:0", "--config", "wrong.toml"]);
        assert_eq!(wrong.status, Some(1), "{wrong}");
        assert!(wrong.error_line().contains("serve the arm new"), "{wrong}");
        wrong.error_line().to_owned()
    };
    assert!(refused(&green).contains("there is none of this name"));
    home.done(&["replay", "--namespace", "green"]);
    let line = refused(&green.replace("model-green", "model-other"));
    assert!(line.contains("was made with the session model"), "{line}");

    let mut program =
        Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0", "--config", "experiment.toml"]));
    let address = program.address();
    home.done(&["index", "--data", "data", "--wait"]);
    for (arm, namespace) in [("old", "main"), ("new", "green")] {
        for reader in readers_of(arm).take(3) {
            let slate = http::post(&address, "/recommend", &json!({"user_id": reader})).json();
            assert_eq!((&slate["arm"], &slate["state"]["namespace"]), (&json!(arm), &json!(namespace)));
        }
    }
    assert!(http::get(&address, "/ops/plain").body.contains("old 50.0 %, new 50.0 % (namespace green)"));
    let found = eventually("all slates are in the log", || {
        let found = home.json(&["experiment", "report", "--json"]);
        (found["slates"] == 6).then_some(found)
    });
    assert_eq!((&found["arms"][0]["readers"], &found["arms"][1]["readers"]), (&json!(3), &json!(3)));
    assert_eq!(program.terminate().0, Some(0));
}
