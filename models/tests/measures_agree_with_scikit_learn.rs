//! Ranked lists have the measures that scikit-learn and the EB-NeRD benchmark give them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper of a test may panic and print as a test may"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use abovefold_models::evaluate::{CHANCE, Evaluation, ImpressionFacts, MEASURES, measures};
use abovefold_schemas::tables::{DataFolder, Split};
use serde_json::{Value, json};

const TOLERANCE: f64 = 1e-6;

struct List {
    scores: Vec<f64>,
    clicked: Vec<bool>,
}

/// A number in [0, 1) that looks random (SplitMix64), and is another one for each `number`.
fn drawn(number: u64) -> f64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// What the other implementation says of the lists, or `None` after the line that says why not.
fn by_others(test: &str, lists: &[List]) -> Option<Vec<Value>> {
    let Some(python) = std::env::var_os("ABOVEFOLD_SKLEARN_PYTHON") else {
        println!("SKIP {test}: no Python with scikit-learn (deploy/setup/sklearn.sh makes one)");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lists.json");
    let all: Vec<Value> =
        lists.iter().map(|list| json!({ "scores": list.scores, "clicked": list.clicked })).collect();
    std::fs::write(&file, json!({ "lists": all }).to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/measures.py");
    // What cargo needs to find libtorch is nothing for another Python.
    let ran = Command::new(python).arg(script).arg(&file).env_remove("LD_LIBRARY_PATH").output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut said: Value = serde_json::from_slice(&ran.stdout).unwrap();
    println!("{} lists against {}", lists.len(), said["made_by"]);
    serde_json::from_value(said["lists"].take()).unwrap()
}

fn agree(list: &List, theirs: &Value, wanted: &[&str]) {
    let ours = measures(&list.scores, &list.clicked).unwrap();
    for (measure, value) in MEASURES.iter().zip(ours).filter(|(measure, _)| wanted.contains(measure)) {
        match theirs[measure].as_f64() {
            Some(other) => {
                let apart = (value - other).abs();
                assert!(apart < TOLERANCE, "{measure} of {:?}: {value}, not {other}", list.scores);
            }
            None => assert!(value.is_nan(), "{measure} is not defined, not {value}"),
        }
    }
}

#[test]
fn lists_of_the_eb_nerd_fixture() {
    let test = "lists_of_the_eb_nerd_fixture";
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("ABOVEFOLD_DATA").map_or(beside, PathBuf::from).join("ebnerd-fixture");
    if !folder.is_dir() {
        println!("SKIP {test}: no data set ebnerd-fixture (ABOVEFOLD_DATA names the folder that holds it)");
        return;
    }
    let data = DataFolder::open(folder).unwrap();
    let rows = data.behaviors_in_time_order(Split::Whole).unwrap();
    let lists: Vec<List> = (0u64..)
        .zip(&rows)
        .map(|(number, row)| List {
            scores: (0..row.in_view.len()).map(|place| drawn(number * 1024 + place as u64)).collect(),
            clicked: row.in_view.iter().map(|article| row.clicked.contains(article)).collect(),
        })
        .collect();
    let mut evaluation = Evaluation::new(&["drawn"]);
    for list in &lists {
        evaluation.add(&ImpressionFacts { clicked: &list.clicked, ..Default::default() }, &[&list.scores]);
    }
    let report = evaluation.finish(0, 0);
    let chance = report.row(CHANCE).unwrap();
    // In closed form; for one click in n articles MRR is the n-th harmonic number over n.
    for (measure, expected) in [("hr@10", 0.872), ("mrr", 0.356), ("ndcg@10", 0.473)] {
        let value = chance.values.of(measure);
        assert!((value - expected).abs() < 0.0005, "{measure} of chance is {value}");
    }
    let Some(theirs) = by_others(test, &lists) else { return };
    for (list, theirs) in lists.iter().zip(&theirs) {
        agree(list, theirs, &MEASURES);
    }
    for measure in MEASURES {
        let defined: Vec<f64> = theirs.iter().filter_map(|list| list[measure].as_f64()).collect();
        let mean = defined.iter().sum::<f64>() / defined.len() as f64;
        let ours = report.row("drawn").unwrap().values.of(measure);
        assert!((ours - mean).abs() < TOLERANCE, "mean {measure}: {ours}, not {mean}");
    }
}

#[test]
fn lists_that_are_made_up() {
    let lists: Vec<List> = (0..400u64)
        .map(|number| {
            let at = |place: u64| drawn((1 << 40) + number * 1024 + place);
            let length = 2 + (at(0) * 30.0) as u64;
            // In every second list scores are of five kinds only, so that many are equal.
            let score = |place| if number % 2 == 0 { at(place) } else { (at(place) * 5.0).floor() };
            let mut clicked: Vec<bool> = (0..length).map(|place| at(100 + place) < 0.15).collect();
            clicked[(at(1) * length as f64) as usize] = true;
            List { scores: (0..length).map(|place| score(10 + place)).collect(), clicked }
        })
        .collect();
    let Some(theirs) = by_others("lists_that_are_made_up", &lists) else { return };
    for (number, (list, theirs)) in lists.iter().zip(&theirs).enumerate() {
        // scikit-learn counts ties as we do; the benchmark takes them as they come.
        let wanted: &[&str] = if number % 2 == 0 { &MEASURES } else { &["auc", "ndcg@5", "ndcg@10"] };
        agree(list, theirs, wanted);
    }
}
