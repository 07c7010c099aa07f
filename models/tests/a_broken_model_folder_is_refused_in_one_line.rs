//! What a model folder promises: the same model comes back, and a fault is named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use abovefold_models::weights::{RERANKER, SESSION};
use abovefold_models::{ModelFolder, Text, TextVectors, Weights};

fn refusal(dir: &std::path::Path) -> String {
    let line = ModelFolder::load(dir).unwrap_err().to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

/// Every tensor of a model but those that `change` takes away or alters.
fn altered(
    model: &ModelFolder,
    change: impl Fn(&str, &mut Vec<usize>, &mut Vec<f32>) -> bool,
) -> ModelFolder {
    let mut weights = Weights::default();
    for (name, array) in model.weights.iter() {
        let (mut shape, mut data) = (array.shape.clone(), array.data.clone());
        if change(name, &mut shape, &mut data) {
            weights.insert(name, &shape, data);
        }
    }
    ModelFolder { weights, ..model.clone() }
}

#[test]
fn the_same_model_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = ModelFolder::untrained(5);
    model.card.metrics.insert("mrr".to_owned(), 0.25);
    model.text = Some(TextVectors::fit([Text { title: "one two", ..Text::default() }]));
    model.save(folder.path()).unwrap();
    let loaded = ModelFolder::load(folder.path()).unwrap();
    assert_eq!((loaded.digest(), loaded.session_digest()), (model.digest(), model.session_digest()));
    assert_eq!(
        (&loaded.weights, &loaded.text, &loaded.card.metrics),
        (&model.weights, &model.text, &model.card.metrics)
    );
    assert_eq!(model.weights.iter().count(), SESSION.len() + RERANKER.len());
}

#[test]
fn faults_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = ModelFolder::untrained(5);
    assert!(refusal(folder.path()).contains("model.json can't be read"));

    altered(&model, |name, _, _| name != "gru.weight_hh_l1").save(folder.path()).unwrap();
    assert!(refusal(folder.path()).contains("tensor gru.weight_hh_l1 is missing"));

    let swap = |name: &str, shape: &mut Vec<usize>, _: &mut Vec<f32>| {
        if name == "query.weight" {
            shape.swap(0, 1);
        }
        true
    };
    altered(&model, swap).save(folder.path()).unwrap();
    assert!(refusal(folder.path()).contains("tensor query.weight has shape [896, 768], expected [768, 896]"));

    let poison = |name: &str, _: &mut Vec<usize>, data: &mut Vec<f32>| {
        if name == "fusion.0.bias" {
            data[3] = f32::NAN;
        }
        true
    };
    altered(&model, poison).save(folder.path()).unwrap();
    assert!(refusal(folder.path()).contains("tensor fusion.0.bias holds a number that is not finite"));

    model.save(folder.path()).unwrap();
    std::fs::write(folder.path().join("model.json"), "{").unwrap();
    assert!(refusal(folder.path()).contains("model.json is not usable"));
}

#[test]
fn a_folder_written_by_halves_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    ModelFolder::untrained(5).save(folder.path()).unwrap();
    let card = std::fs::read(folder.path().join("model.json")).unwrap();
    ModelFolder::untrained(6).save(folder.path()).unwrap();
    std::fs::write(folder.path().join("model.json"), card).unwrap();
    assert!(refusal(folder.path()).contains("is not the file that model.json describes"));
}

#[test]
fn the_session_digest_covers_the_session_model_and_its_scaling_only() {
    let model = ModelFolder::untrained(5);
    let mut other = model.clone();
    other.weights.take_part(RERANKER, &ModelFolder::untrained(6).weights);
    assert_eq!(other.session_digest(), model.session_digest());
    assert_ne!(other.digest(), model.digest());
    let mut scaled = model.clone();
    scaled.card.scaling.mean_read += 0.1;
    assert_ne!(scaled.session_digest(), model.session_digest());
}
