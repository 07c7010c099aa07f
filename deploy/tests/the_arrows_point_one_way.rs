//! The crates depend on each other in one direction, and the engine knows nothing of news.

#![allow(clippy::unwrap_used)] // Tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates of ours that a crate names in any of its tables of dependencies.
fn arrows_of(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(workspace().join(name).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let mut found = BTreeSet::new();
    let mut tables = vec![&manifest];
    while let Some(table) = tables.pop() {
        for (key, value) in table {
            let Some(inner) = value.as_table() else { continue };
            if key.ends_with("dependencies") {
                found.extend(
                    inner
                        .keys()
                        .filter_map(|crate_name| crate_name.strip_prefix("abovefold-"))
                        .map(String::from),
                );
            } else {
                tables.push(inner);
            }
        }
    }
    found
}

#[test]
fn crates_depend_downwards_only() {
    let allowed = BTreeMap::from([
        ("schemas", vec![]),
        ("engine", vec!["schemas"]),
        ("models", vec!["schemas"]),
        ("operators", vec!["engine", "models", "schemas"]),
        ("deploy", vec!["engine", "models", "operators", "schemas"]),
        ("benches", vec!["engine", "models", "operators", "schemas"]),
    ]);
    for (name, allowed) in allowed {
        for arrow in arrows_of(name) {
            assert!(
                allowed.contains(&arrow.as_str()),
                "{name} must not depend on {arrow}; it may on {allowed:?}"
            );
        }
    }
    assert!(arrows_of("deploy").contains("operators"), "the manifests are read");
}

#[test]
fn every_member_is_looked_at() {
    let text = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<&str> = members.iter().filter_map(|member| member.as_str()).collect();
    assert_eq!(members, BTreeSet::from(["benches", "deploy", "engine", "models", "operators", "schemas"]));
}

/// Words of the newspaper that have no business in the engine's code. `reader` is one that reads a log there, too.
const NEWS: [&str; 14] = [
    "article",
    "articles",
    "news",
    "newspaper",
    "slate",
    "impression",
    "impressions",
    "candidate",
    "candidates",
    "headline",
    "gru",
    "embedding",
    "section",
    "userid",
];
/// What schemas keeps for others than the engine.
const NEWS_TYPES: [&str; 8] = [
    "ReaderId",
    "ArticleId",
    "ReaderState",
    "ArticleCounts",
    "ArticleVersion",
    "EventKind",
    "DeadLetter",
    "Impression",
];

#[test]
fn the_engine_knows_no_news() {
    let mut files = Vec::new();
    sources(&workspace().join("engine/src"), &mut files);
    assert!(files.len() > 10, "the engine's sources are found: {files:?}");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(word) = news_in(line) {
                found.push(format!("{}:{number}: {word}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "the engine speaks of news:\n{}", found.join("\n"));
}

#[test]
fn news_is_told_from_what_is_none() {
    assert_eq!(news_in("let article_id = 1;"), Some("article".to_owned()));
    assert_eq!(news_in("struct ArticleTable;"), Some("article".to_owned()));
    assert_eq!(news_in("use abovefold_schemas::ReaderId;"), Some("ReaderId".to_owned()));
    assert_eq!(news_in("let particle = reader.next(); // an article"), None);
    assert_eq!(news_in("const MAIN_TOPIC: &str = \"user_events\";"), None);
}

/// The first word of news in a line of code; comments do not count.
fn news_in(line: &str) -> Option<String> {
    let code = line.split("//").next().unwrap_or_default();
    let identifiers = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    for identifier in identifiers {
        if NEWS_TYPES.contains(&identifier) {
            return Some(identifier.to_owned());
        }
        if let Some(word) = words_of(identifier).into_iter().find(|word| NEWS.contains(&word.as_str())) {
            return Some(word);
        }
    }
    None
}

/// The words of an identifier in either style, in small letters.
fn words_of(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in identifier.chars() {
        if (character == '_' || character.is_uppercase()) && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if character != '_' {
            words.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    words
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
