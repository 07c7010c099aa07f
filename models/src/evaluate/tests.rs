use std::time::{Duration, Instant};

use super::*;
use crate::seed::mix;

/// A number in [0, 1) for a name.
fn drawn(number: u64) -> f64 {
    (mix(number) >> 11) as f64 / (1u64 << 53) as f64
}

/// Impressions of nine articles whose clicked one scores higher by `lift` in the second row and by nothing in the first.
fn example(impressions: u32, readers: u32, lift: f64) -> Evaluation {
    let mut evaluation = Evaluation::new(&["noise", "better"]).baselines(&["noise"]).pair("better", "noise");
    for impression in 0..impressions {
        let at = |place: u64| u64::from(impression) * 64 + place;
        let mut clicked = [false; 9];
        clicked[(drawn(at(40)) * 9.0) as usize] = true;
        let noise: Vec<f64> = (0..9).map(|place| drawn(at(place))).collect();
        let better: Vec<f64> = (0..9)
            .map(|place| drawn(at(20 + place as u64)) + if clicked[place] { lift } else { 0.0 })
            .collect();
        let candidates: Vec<u32> = (0..9).map(|place| impression % 50 + place).collect();
        let popularity: Vec<f32> = (1..=9).map(|place| 1.0 / (place * 16) as f32).collect();
        let facts = ImpressionFacts {
            reader: impression % readers,
            time: abovefold_schemas::Timestamp(i64::from(impression) * 3_600_000),
            clicked: &clicked,
            reads_before: impression % 6,
            clicked_age: Some(Duration::from_secs(60 * u64::from(impression % 3000))),
            hour: (impression % 24) as u8,
            candidates: &candidates,
            popularity: &popularity,
            vectors: None,
        };
        evaluation.add(&facts, &[&noise, &better]);
    }
    evaluation
}

#[test]
fn chance_is_the_same_in_closed_form_and_simulated() {
    let report = example(4000, 400, 0.3).finish(300, 1);
    let (closed, simulated) = (report.row(CHANCE).unwrap(), report.row(CHANCE_SIMULATED).unwrap());
    for measure in MEASURES {
        let [low, high] = simulated.ci[measure];
        let value = closed.values.of(measure);
        let width = high - low;
        assert!(low - width / 2.0 <= value && value <= high + width / 2.0, "{measure}: {low} {value} {high}");
    }
    assert_eq!(closed.values.of("auc"), 0.5);
    assert_eq!(closed.values.of("hr@10"), 1.0);
}

#[test]
fn a_paired_test_tells_what_differs_from_what_does_not() {
    let report = example(2000, 200, 0.3).finish(400, 1);
    let better = report.row("better").unwrap();
    let difference = &better.against_best_baseline["ndcg@10"];
    assert_eq!(difference.against, "noise");
    assert!(difference.difference > 0.05 && difference.ci.unwrap()[0] > 0.0 && difference.p < 0.01);
    assert_eq!(report.comparisons[0].measures["ndcg@10"], *difference);
    let same = example(2000, 200, 0.0).finish(400, 1);
    assert!(same.row("better").unwrap().against_best_baseline["ndcg@10"].p > 0.05);
}

#[test]
fn intervals_widen_where_impressions_of_a_reader_are_alike() {
    // Forty readers, each always right or always wrong: there are 40 draws, not 4,000.
    let width = |readers: u32| {
        let mut evaluation = Evaluation::new(&["row"]);
        for impression in 0..4000u32 {
            let reader = impression % readers;
            let right = f64::from(reader % 2);
            let facts = ImpressionFacts { reader, clicked: &[true, false], ..Default::default() };
            evaluation.add(&facts, &[&[right, 0.5]]);
        }
        let report = evaluation.finish(500, 1);
        let [low, high] = report.row("row").unwrap().ci["hr@1"];
        high - low
    };
    assert!((width(40) - 4.0 * 0.5 * 0.98 / 40f64.sqrt()).abs() < 0.06, "{}", width(40));
    assert!(width(4000) < 0.04, "{}", width(4000));
}

#[test]
fn slices_add_up_to_the_whole() {
    let report = example(1000, 100, 0.3).finish(50, 1);
    let whole = report.row("better").unwrap().values.of("ndcg@10");
    assert_eq!(report.slices.len(), 4);
    for family in &report.slices {
        let n: usize = family.slices.iter().map(|slice| slice.n).sum();
        let sum: f64 =
            family.slices.iter().map(|slice| slice.rows["better"]["ndcg@10"].value * slice.n as f64).sum();
        assert_eq!(n, 1000, "{}", family.name);
        assert!((sum / 1000.0 - whole).abs() < 1e-9, "{}", family.name);
    }
    assert_eq!(report.slices[0].slices[1].n, 501, "1 to 3 of 0 to 5");
}

#[test]
fn unusual_impressions_are_counted() {
    let mut evaluation = Evaluation::new(&["row"]);
    let lists: [&[bool]; 5] = [&[], &[false, false], &[true], &[true, true], &[true, false, true]];
    for clicked in lists {
        let scores = vec![0.5; clicked.len()];
        evaluation.add(&ImpressionFacts { clicked, ..Default::default() }, &[&scores]);
    }
    let report = evaluation.finish(0, 0);
    let expected = LeftOut { empty: 1, no_click: 1, no_auc: 2, one_article: 1, several_clicks: 2 };
    assert_eq!(report.left_out, expected);
    let row = report.row("row").unwrap();
    assert_eq!((row.n, row.values.of("auc")), (3, 0.5));
    assert!(row.ci.is_empty());
    assert!(report.to_table().contains("1 impressions without a click"));
}

#[test]
fn the_oracles_share_is_between_chance_and_the_oracle() {
    let mut evaluation = Evaluation::new(&["half", ORACLE]);
    for impression in 0..400u32 {
        let facts = ImpressionFacts {
            reader: impression,
            clicked: &[false, true, false, false],
            ..Default::default()
        };
        let right = [0.0, 1.0, 0.0, 0.0];
        let half = if impression % 2 == 0 { right } else { [0.0; 4] };
        evaluation.add(&facts, &[&half, &right]);
    }
    let report = evaluation.finish(200, 1);
    let share = report.row("half").unwrap().oracle_share.unwrap();
    assert!((share.value - 0.5).abs() < 1e-6, "{share:?}");
    let [low, high] = share.ci.unwrap();
    assert!(low > 0.43 && high < 0.57 && low < high, "{share:?}");
    assert_eq!(report.row(CHANCE).unwrap().oracle_share.unwrap().value, 0.0);
    assert_eq!(report.row(ORACLE).unwrap().oracle_share.unwrap().value, 1.0);
    assert!(report.to_json()["rows"][2]["oracle_share"]["ci"].is_array());
}

#[test]
fn retrieval_has_rows_of_its_own() {
    let mut evaluation =
        Evaluation::new(&[]).pair_retrieval("kNN", "popular").pair_retrieval("kNN", "absent");
    for reader in 0..300 {
        evaluation.add_retrieval("popular", reader % 3 == 0, reader);
        evaluation.add_retrieval("kNN", reader % 3 != 0, reader);
    }
    let report = evaluation.finish(200, 1);
    assert_eq!((report.retrieval[1].n, report.retrieval[0].name.as_str()), (300, "popular"));
    assert!((report.retrieval[1].recall.value - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(report.retrieval_comparisons.len(), 1);
    assert!(report.retrieval_comparisons[0].recall.ci.unwrap()[0] > 0.15);
    assert!(report.to_json()["retrieval"][0]["recall@100"]["value"].is_number());
    assert!(report.to_table().contains("recall@100"));
}

#[test]
fn json_has_the_keys_of_the_contract() {
    let mut evaluation = example(60, 20, 0.2);
    evaluation.fact("data", "example");
    evaluation.missing("session model", "there is no model");
    let report = evaluation.finish(20, 1);
    let json = report.to_json();
    for row in json["rows"].as_array().unwrap() {
        assert!(row["name"].is_string() && row["n"] == 60);
        for measure in MEASURES {
            assert!(row[measure].is_number() && row["ci"][measure].is_array(), "{measure}");
        }
    }
    assert_eq!(json["facts"]["data"], "example");
    assert_eq!(json["missing"][0]["row"], "session model");
    assert!(report.to_table().contains("not evaluated: session model (there is no model)"));
    assert_eq!(example(60, 20, 0.2).finish(20, 1).to_json()["rows"], json["rows"], "the same every time");
}

#[test]
fn coverage_novelty_and_diversity_are_of_the_first_ten() {
    let mut evaluation = Evaluation::new(&["row"]);
    let scores: Vec<f64> = (0..20).map(|place| -f64::from(place)).collect();
    let candidates: Vec<u32> = (0..20).collect();
    let mut clicked = [false; 20];
    clicked[0] = true;
    let popularity: Vec<f32> = (0..20).map(|place| if place < 10 { 0.125 } else { 0.5 }).collect();
    let (first, second) = ([1.0, 0.0], [0.0, 1.0]);
    let vectors: Vec<&[f32]> =
        (0..20).map(|place| if place % 2 == 0 { &first[..] } else { &second }).collect();
    let facts = ImpressionFacts {
        clicked: &clicked,
        candidates: &candidates,
        popularity: &popularity,
        vectors: Some(&vectors),
        ..Default::default()
    };
    evaluation.add(&facts, &[&scores]);
    let report = evaluation.finish(0, 0);
    let beyond = report.row("row").unwrap().beyond_accuracy.unwrap();
    assert_eq!((beyond.articles, beyond.coverage, beyond.novelty.value), (10, 0.5, 3.0));
    // 25 of the 45 pairs are of two kinds.
    assert!((beyond.diversity.value - 25.0 / 45.0).abs() < 1e-6);
}

#[test]
#[ignore = "a measurement: cargo test --release -p abovefold-models evaluate::tests::cost -- --ignored --nocapture"]
fn cost() {
    let names: Vec<String> = (0..15).map(|row| format!("row {row}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut evaluation = Evaluation::new(&names);
    let start = Instant::now();
    for impression in 0..15_000u32 {
        let scores: Vec<Vec<f64>> = (0..15u64)
            .map(|row| (0..51).map(|place| drawn(u64::from(impression) * 1024 + row * 64 + place)).collect())
            .collect();
        let scores: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
        let mut clicked = [false; 51];
        clicked[impression as usize % 51] = true;
        let facts = ImpressionFacts {
            reader: mix(u64::from(impression)) as u32 % 12_000,
            clicked: &clicked,
            hour: (impression % 24) as u8,
            reads_before: impression % 6,
            ..Default::default()
        };
        evaluation.add(&facts, &scores);
    }
    let added = start.elapsed();
    let start = Instant::now();
    let report = evaluation.finish(1000, 1);
    let message =
        format!("{} rows: added in {added:?}, finished in {:?}\n", report.rows.len(), start.elapsed());
    std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes()).unwrap();
}

#[test]
fn the_page_needs_nothing_else() {
    let mut evaluation = example(400, 40, 0.3);
    evaluation.fact("data", "<folder> & \"more\"");
    evaluation.add_retrieval("kNN", true, 1);
    let page = evaluation.finish(50, 1).to_html();
    for outside in ["http:", "https:", "<script", "url(", "@import", "<link", "<img", "src="] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    assert!(page.contains("&lt;folder&gt; &amp; &quot;more&quot;") && !page.contains("NaN"));
    assert!(page.matches("<svg").count() >= 10);
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    if let Some(file) = std::env::var_os("ABOVEFOLD_EXAMPLE_REPORT") {
        std::fs::write(file, page).unwrap();
    }
}
