//! Every format is pinned: what is written today must be read for good, and the same value gives the same bytes.
//!
//! After a wanted change, `ABOVEFOLD_UPDATE_GOLDEN=1 cargo test --release -p abovefold-schemas --test golden` writes the files anew; look at the
//! difference before it is committed.

use std::{fs, path::PathBuf};

use abovefold_schemas::{
    ArticleId, ArticleVersion, Event, EventKind, Kept, LastRecord, Marker, Offset, ReaderId, Timestamp,
    event::ProfileFields,
    learned::{HomeOrigin, LearnedCheckpoint, LearnedRead, LearnedRow},
    records::{DeadLetter, Impression, NamespaceChange, NamespaceRecord, Shown},
    state::{
        ActiveReader, AlsoRead, ArticleCounts, DeadRange, Origin, PartitionSummary, Profile, Read,
        ReaderState, Successor,
    },
    windows::{KeptProgress, KeptWindow},
};

fn pinned(name: &str, bytes: &[u8]) {
    let file =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where its package is"))
            .join("tests/golden")
            .join(name);
    let text: String = match std::str::from_utf8(bytes) {
        Ok(text) if bytes.starts_with(b"{") => format!("{text}\n"),
        _ => bytes
            .chunks(32)
            .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
            .collect(),
    };
    if std::env::var_os("ABOVEFOLD_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
    assert_eq!(text, kept, "{name} is written otherwise than it was");
}

fn kept_is_pinned<T: Kept + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    let bytes = value.to_kept();
    pinned(name, &bytes);
    assert_eq!(&T::from_kept(&bytes).unwrap(), value);
    let mut of_tomorrow = bytes.clone();
    of_tomorrow[0] = 99;
    assert!(T::from_kept(&of_tomorrow).unwrap_err().reason.contains("format version 99"));
}

fn read() -> Read {
    Read {
        article_id: 9_876_543,
        time: 1_704_110_400_000,
        read_time: Some(45.25),
        scroll_pct: None,
        device_type: 1,
        view_id: Some("view-1".into()),
        seq: Some(3),
        position: 2,
        logged: 1_704_110_401_000,
    }
}

#[test]
fn events_are_pinned() {
    let mut event = Event::read(ReaderId::new("42").unwrap(), ArticleId(7));
    event.read_time = Some(45.25);
    event.scroll_pct = Some(85.0);
    event.device_type = 1;
    event.timestamp = Some(Timestamp(1_704_110_400_000));
    event.view_id = Some("view-1".into());
    event.seq = Some(3);
    event.impression_id = Some("slate-1".into());
    pinned("event-read.json", &event.to_json());
    let mut chosen = Event::of_kind(ReaderId::new("42").unwrap(), EventKind::Preferences);
    chosen.topics = vec!["World".into(), "Science".into()];
    pinned("event-preferences.json", &chosen.to_json());
    let mut told = Event::of_kind(ReaderId::new("42").unwrap(), EventKind::Profile);
    told.profile =
        ProfileFields { gender: Some(1), age: Some(30), is_sso_user: Some(true), is_subscriber: None };
    pinned("event-profile.json", &told.to_json());
    for event in [event, chosen, told] {
        assert_eq!(Event::from_json(&event.to_json()), Ok(event));
    }
}

#[test]
fn state_is_pinned() {
    let state = ReaderState {
        hidden: vec![1, 2, 3, 4],
        hidden_before: vec![5, 6],
        reads: vec![read()],
        total_reads: 17,
        profile: Some(Profile {
            gender: Some(1),
            age: Some(30),
            is_sso_user: Some(true),
            is_subscriber: Some(false),
        }),
        topics: vec!["World".into()],
        device_type: 1,
        read_before: vec![7, 300],
    };
    kept_is_pinned("reader-state.hex", &state);
    let counts = ArticleCounts {
        reads: 3,
        decayed: vec![0.5, 1.0, 1.5, 2.0, 2.5, 3.0],
        time: 1_704_110_400_000,
        first_seen: 1_704_110_000_000,
        follows: 11,
        followed: 1.75,
        dwell: 6.5,
        dwells: 1.5,
        waiting: vec![8, 300],
        waiting_times: vec![1_704_110_400_000, 1_704_110_400_001],
    };
    kept_is_pinned("article-counts.hex", &counts);
    let also_read = AlsoRead {
        next: vec![Successor {
            article_id: 8,
            weight: 1.25,
            time: 1_704_110_400_000,
            lately: 1.125,
            follows: 9,
        }],
        follows: 9,
    };
    kept_is_pinned("also-read.hex", &also_read);
    let summary = PartitionSummary {
        watermark: 1_704_110_400_000,
        reads: 3,
        active: vec![ActiveReader { user_id: "42".into(), reads: 17, last_seen: 1_704_110_400_000 }],
        origins: vec![Origin { partition: 2, offset: 77 }],
        put_back: vec![Origin { partition: 0, offset: 5 }],
        dead: vec![DeadRange { first: 5, last: 6 }],
    };

    kept_is_pinned("partition-summary.hex", &summary);
    let marker = Marker {
        last: Some(LastRecord { offset: Offset(41), hash: 0x0123_4567_89ab_cdef }),
        ..Marker::start(Offset(42))
    };
    pinned("marker.hex", &marker.to_bytes());
    pinned("marker-forgotten.hex", &Marker { forgotten: Some(Offset(77)), ..marker }.to_bytes());
}

#[test]
fn windows_are_pinned() {
    let window = KeptWindow {
        end: 1_704_110_400_000,
        pane: 2,
        events: 17,
        late: 3,
        settled: Some(1_704_110_500_000),
        aggregate: vec![1, 2, 3],
    };
    kept_is_pinned("window.hex", &window);
    let progress = KeptProgress {
        latest: 1_704_110_400_000,
        log_time: 1_704_110_500_000,
        events: 20,
        late: 3,
        windowing: "tumbling 1h".into(),
    };
    kept_is_pinned("windows-progress.hex", &progress);
}

#[test]
fn records_are_pinned() {
    let article = ArticleVersion {
        article_id: 7,
        title: "Harbour reopens".into(),
        subtitle: "After three weeks".into(),
        body: "First.\n\nSecond.".into(),
        category: "World".into(),
        topics: vec!["Harbour".into()],
        published: 1_704_110_400_000,
        vector: vec![0.5, -0.25],
        withdrawn: false,
    };
    kept_is_pinned("article-version.hex", &article);
    let impression = Impression {
        impression_id: "slate-1".into(),
        user_id: "42".into(),
        time: 1_704_110_400_000,
        shown: vec![Shown { article_id: 7, score: 0.75, source: "knn".into(), propensity: None }],
        served_by: "reranker".into(),
        model: "m1".into(),
        article_id: None,
        namespace: "main".into(),
        partition: 3,
        marker: 42,
        counts_markers: vec![42, 7],
        ..Impression::default()
    };
    kept_is_pinned("impression.hex", &impression);
    let with_features = Impression {
        learned_version: 12,
        device_type: 2,
        now: Some(1_704_110_399_000),
        candidates: vec![7, 8],
        columns: vec![0.5, f32::INFINITY, -1.0, 0.25],
        columns_hash: 0x0123_4567_89ab_cdef,
        ..impression.clone()
    };
    kept_is_pinned("impression-with-features.hex", &with_features);
    let shown = Shown { propensity: Some(0.25), ..impression.shown[0].clone() };
    let of_an_arm = Impression { shown: vec![shown], arm: "reference".into(), ..impression };
    kept_is_pinned("impression-of-an-arm.hex", &of_an_arm);
    let letter = DeadLetter {
        topic: "user_events".into(),
        partition: 1,
        offset: 9,
        time: 1_704_110_400_000,
        key: Some(b"42".to_vec()),
        value: b"poison".to_vec(),
        reason: "not a JSON object".into(),
    };
    kept_is_pinned("dead-letter.hex", &letter);
    assert_eq!(letter.id(), "user_events-1-9");
}

#[test]
fn what_is_learned_is_pinned() {
    let row = LearnedRow {
        version: 3,
        writer: "a1b2".into(),
        kind: 2,
        id: 9_876_543,
        reader: String::new(),
        numbers: vec![0, 0, 128, 63],
    };
    kept_is_pinned("learned-row.hex", &row);
    let read = LearnedRead {
        reader: "42".into(),
        article: 9_876_543,
        exit: 1_704_110_400_000,
        read_seconds: Some(45.25),
        device: 1,
        forget: false,
    };
    let checkpoint = LearnedCheckpoint {
        version: 3,
        writer: "a1b2".into(),
        before: Some(40),
        rows: 7,
        whole: true,
        positions: vec![42, 7],
        origins: vec![HomeOrigin { home: 1, origin: Origin { partition: 0, offset: 5 } }],
        reads: vec![read, LearnedRead { reader: "7".into(), forget: true, ..LearnedRead::default() }],
        time: 1_704_110_401_000,
        rolled_back_to: Some(1),
    };
    kept_is_pinned("learned-checkpoint.hex", &checkpoint);
}

#[test]
fn namespaces_are_pinned() {
    let record = NamespaceRecord {
        name: "main".into(),
        fold_version: 1,
        session_model: "abc".into(),
        precision: "f32".into(),
        tile: 64,
        device_class: "cpu".into(),
        first_offsets: vec![0, 0],
        base_article_offsets: vec![500],
        steps: Vec::new(),
        created: 1_704_110_400_000,
        until: None,
        searched: None,
    };
    let with_steps = NamespaceRecord { steps: vec!["filter read_time >= 1".into()], ..record.clone() };
    let tuesday = NamespaceRecord { name: "tuesday".into(), until: Some(vec![7, 8]), ..record.clone() };
    let placed = |until, searched| NamespaceChange::Placed { name: "tuesday".into(), until, searched };
    let changes = [
        ("namespace-made.json", NamespaceChange::Made { record }),
        ("namespace-made-past.json", NamespaceChange::Made { record: tuesday }),
        ("namespace-placed.json", placed(Some(vec![7, 8]), Some(vec![9, 9]))),
        ("namespace-lifted.json", placed(None, None)),
        ("namespace-made-with-steps.json", NamespaceChange::Made { record: with_steps }),
        (
            "namespace-promoted.json",
            NamespaceChange::Promoted { name: "green".into(), from: Some("main".into()) },
        ),
        ("namespace-dropped.json", NamespaceChange::Dropped { name: "main".into() }),
    ];
    for (name, change) in changes {
        pinned(name, &change.to_json());
        assert_eq!(NamespaceChange::from_json(&change.to_json()).unwrap(), change);
    }
}
