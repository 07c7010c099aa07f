//! Training on a small made-up world: it beats the mean of vectors, follows a section, and repeats itself to the bit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use abovefold_models::{
    ArticleMatrix, Behaviour, DeviceChoice, HIDDEN, Inference, InferenceOptions, ModelFolder, ReadSequence,
    StepBatch, TrainError, TrainingOptions, TrainingSet, WIDTH, session_embedding, train,
};
use common::{Habit, SECTIONS, section, world};

fn options() -> TrainingOptions {
    TrainingOptions {
        epochs: 3,
        least_steps: 0,
        rerank_epochs: 2,
        batch: 64,
        learning_rate: Some(3e-4),
        ..TrainingOptions::default()
    }
}

/// The articles nearest to a reader who read five of one section.
fn nearest_after_five(model: &ModelFolder, set: &TrainingSet, wanted: usize) -> Vec<usize> {
    let options = InferenceOptions { device: DeviceChoice::Cpu, ..InferenceOptions::default() };
    let inference = Inference::start(model, options).unwrap();
    let vector = |article: usize| set.vectors.latest(article as u32).unwrap();
    let mut matrix = ArticleMatrix::new(WIDTH, set.articles.len());
    for (article, id) in set.articles.iter().enumerate() {
        matrix.upsert(*id, &vector(article)).unwrap();
    }
    let mut hidden = vec![0.0; HIDDEN];
    let read: Vec<usize> =
        (0..set.articles.len()).filter(|article| section(*article) == wanted).take(5).collect();
    for (position, &article) in read.iter().enumerate() {
        let mut batch = StepBatch::with_capacity(1);
        let behaviour =
            Behaviour { read_seconds: Some(90.0), scroll_percent: Some(80.0), position: position as u32 + 1 };
        batch.push(&hidden, &vector(article), behaviour);
        hidden = inference.step_blocking(batch).unwrap().hidden;
    }
    let unread = |_: usize, article: abovefold_schemas::ArticleId| !read.contains(&(article.0 as usize));
    let nearest = matrix.nearest(session_embedding(&hidden), 10, unread).unwrap();
    nearest[0].iter().map(|(article, _)| article.0 as usize).collect()
}

#[test]
fn it_learns_where_readers_go_next_which_the_mean_of_vectors_cannot_say() {
    let set = world(1, Habit::MovesOn, 240, 240, 12);
    let options =
        TrainingOptions { epochs: 8, rerank_epochs: 0, batch: 32, learning_rate: Some(1e-3), ..options() };
    let mut told = Vec::new();
    let model = train(&set, &options, &mut |progress| told.push(progress.clone())).unwrap().model;
    let metric = |name: &str| model.card.metrics[name];
    assert!(
        metric("next_read_mrr") > metric("next_read_mrr_mean_of_vectors") * 1.5,
        "{:?}",
        model.card.metrics
    );
    assert!(told.iter().all(|progress| (0.0..=1.0).contains(&progress.done) && progress.loss.is_finite()));
    assert!(told.iter().all(|progress| progress.seconds_left >= 0.0));
}

#[test]
fn after_five_reads_of_a_section_the_nearest_articles_are_of_it() {
    let set = world(1, Habit::Stays, 240, 160, 12);
    let model = train(&set, &options(), &mut |_| ()).unwrap().model;
    let metric = |name: &str| model.card.metrics[name];
    assert!(metric("rerank_auc") >= metric("rerank_auc_untrained"), "{:?}", model.card.metrics);
    assert!(metric("rerank_auc") > 0.6, "{:?}", model.card.metrics);
    for (trained, model) in [("untrained", ModelFolder::untrained(1)), ("trained", model)] {
        for wanted in 0..SECTIONS {
            let nearest = nearest_after_five(&model, &set, wanted);
            let same = nearest.iter().filter(|article| section(**article) == wanted).count();
            assert!(same >= 7, "{trained}, section {wanted}: {same} of 10");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_model() {
    let set = world(2, Habit::Stays, 60, 40, 8);
    let run = |seed| {
        train(&set, &TrainingOptions { seed, epochs: 1, ..options() }, &mut |_| ()).unwrap().model.digest()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn without_time_the_model_is_the_one_it_began_with() {
    let set = world(2, Habit::Stays, 60, 40, 8);
    let model = train(&set, &TrainingOptions { max_seconds: 0.0, ..options() }, &mut |_| ()).unwrap().model;
    // Less the gates' start, which training sets for itself.
    let (begun, untrained) = (model.weights, ModelFolder::untrained(1).weights);
    for (name, array) in untrained.iter().filter(|(name, _)| !name.starts_with("gru.bias_ih")) {
        assert_eq!(begun.get(name), Some(array), "{name}");
    }
}

#[test]
fn a_set_that_makes_no_sense_is_refused() {
    let refused = |set: &TrainingSet| train(set, &options(), &mut |_| ()).unwrap_err();
    assert_eq!(refused(&TrainingSet::default()), TrainError::Empty);
    let good = world(3, Habit::Stays, 20, 5, 4);

    let mut short = good.clone();
    short.articles.pop();
    assert!(refused(&short).to_string().contains("vectors of 20 articles for 19 articles"));

    let mut unknown = good.clone();
    unknown.readers[2].reads[0].article = 20;
    assert!(refused(&unknown).to_string().contains("reader 2 read article 20 of 20"));

    let mut backwards = good.clone();
    backwards.readers[1].reads.reverse();
    assert!(refused(&backwards).to_string().contains("the reads of reader 1 are not in order"));

    let mut nobody = good;
    nobody.readers.push(ReadSequence::default());
    nobody.impressions[0].reader = 99;
    assert!(refused(&nobody).to_string().contains("impression 0"));
}
