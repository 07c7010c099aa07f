//! Both makes of the article edge keep the same promises, the embedded one by its scan and by its graph.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

#[path = "common/elastic.rs"]
mod elastic;
#[path = "common/newsroom.rs"]
mod newsroom;

use std::{collections::BTreeSet, sync::Arc};

use ::elasticsearch::http::{Method, headers::HeaderMap, transport::Transport};
use abovefold_engine::Fault;
use abovefold_operators::articles::{ArticleIndex, ArticleSettings, Filter, HnswSettings, open};
use abovefold_schemas::{ArticleId, Offset, Timestamp};
use newsroom::{
    CATEGORIES, Draws, HOUR, NEW_YEAR, WIDTH, article, articles, brute_force, ids, nearest, numbers, query,
    take_in, withdrawn,
};
use serde_json::{Value, json};

/// Where an index is kept during a test.
struct Place {
    url: String,
    settings: ArticleSettings,
    /// Exact makes must agree with brute force, the others for 95 of 100.
    exact: bool,
    /// Holds the folder of the embedded make until the test is over.
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = ArticleSettings::default();
        Self { url: format!("file:{}", dir.path().display()), settings, exact: true, _dir: Some(dir) }
    }

    /// The embedded make with a graph however few articles there are.
    fn embedded_with_a_graph() -> Self {
        let hnsw = HnswSettings { from_articles: 0, ..HnswSettings::default() };
        let settings = ArticleSettings { hnsw, ..ArticleSettings::default() };
        Self { settings, exact: false, ..Self::embedded() }
    }

    /// An index of the test's own on the real server; `None`, and a line that says so, where there is no server.
    fn elasticsearch(test: &str) -> Option<Self> {
        match elastic::server() {
            Ok(address) => Some(Self {
                url: format!("{address}/{test}"),
                settings: ArticleSettings::default(),
                exact: false,
                _dir: None,
            }),
            Err(reason) => {
                println!("SKIP elasticsearch::{test}: {reason}");
                None
            }
        }
    }

    async fn open(&self) -> Arc<dyn ArticleIndex> {
        let index = open(&self.url, &self.settings).await.unwrap();
        // As its user does: the marker first. It makes the index where there is none.
        index.marker().await.unwrap();
        index
    }
}

/// Each behaviour becomes one test per make.
macro_rules! both_makes {
    ($($behaviour:ident),* $(,)?) => {
        mod embedded {
            use super::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(&Place::embedded()).await;
            })*
        }
        mod embedded_with_a_graph {
            use super::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$behaviour(&Place::embedded_with_a_graph()).await;
            })*
        }
        mod elasticsearch {
            use super::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                if let Some(place) = Place::elasticsearch(stringify!($behaviour)) {
                    super::$behaviour(&place).await;
                }
            })*
        }
    };
}

both_makes!(
    an_empty_index_answers,
    the_nearest_are_those_of_brute_force,
    filters_apply_before_the_cut,
    a_newer_version_replaces_and_an_older_one_is_ignored,
    a_withdrawn_article_is_never_found_but_got,
    an_article_without_a_vector_is_never_found_but_got_and_newest,
    titles_are_found_by_their_words_latest_first,
    reading_goes_on_while_articles_come_in,
    the_marker_and_the_articles_outlive_the_process,
    articles_come_back_as_they_went_in,
    equal_cosines_go_by_number,
    what_makes_no_sense_is_refused_in_words,
);

async fn an_empty_index_answers(place: &Place) {
    let index = place.open().await;
    assert_eq!(index.marker().await.unwrap(), []);
    assert_eq!(index.count().await.unwrap(), 0);
    assert_eq!(nearest(&*index, &[1.0; WIDTH], 10, Filter::default()).await, []);
    assert_eq!(index.nearest(vec![]).await.unwrap(), Vec::<Vec<_>>::new());
    assert_eq!(index.newest(10, &Filter::default()).await.unwrap(), []);
    assert_eq!(index.get(&[ArticleId(1)]).await.unwrap(), [None]);
    assert_eq!(index.get(&[]).await.unwrap(), []);
    let words = index.check().await.unwrap();
    assert!(words.contains("0 articles"), "{words}");
}

async fn the_nearest_are_those_of_brute_force(place: &Place) {
    let index = place.open().await;
    let all = articles(1_000, 1);
    take_in(&*index, &all, 1_000).await;
    assert_eq!(index.count().await.unwrap(), 1_000);
    let mut draws = Draws::new(2);
    let vectors: Vec<Vec<f32>> = (0..20).map(|_| draws.vector()).collect();
    let queries = vectors.iter().map(|vector| query(vector, 100, Filter::default())).collect();
    let (mut found, mut wanted) = (0, 0);
    for (vector, hits) in vectors.iter().zip(index.nearest(queries).await.unwrap()) {
        let exact = brute_force(&all, vector, |_| true);
        assert_eq!(hits.len(), 100);
        for hit in &hits {
            let cosine = exact.iter().find(|(id, _)| *id == hit.article.id).unwrap().1;
            assert!((f64::from(hit.cosine) - cosine).abs() < 1e-5, "{} for {cosine}", hit.cosine);
        }
        assert!(hits.is_sorted_by(|one, other| one.cosine >= other.cosine));
        let best: BTreeSet<ArticleId> = exact[..100].iter().map(|(id, _)| *id).collect();
        wanted += best.len();
        found += hits.iter().filter(|hit| best.contains(&hit.article.id)).count();
        if place.exact {
            assert_eq!(ids(&hits), exact[..100].iter().map(|(id, _)| id.0).collect::<Vec<_>>());
        }
    }
    let recall = found as f64 / wanted as f64;
    println!("recall@100 of 1,000: {recall:.4}");
    assert!(recall >= if place.exact { 1.0 } else { 0.95 }, "recall {recall}");
}

async fn filters_apply_before_the_cut(place: &Place) {
    let index = place.open().await;
    let all = articles(300, 3);
    take_in(&*index, &all, 300).await;
    let vector = Draws::new(4).vector();
    let order = brute_force(&all, &vector, |_| true);

    let exclude: Vec<ArticleId> = order[..50].iter().map(|(id, _)| *id).collect();
    let hits = nearest(&*index, &vector, 50, Filter { exclude: exclude.clone(), ..Filter::default() }).await;
    assert_eq!(hits.len(), 50, "the 50 nearest are left out, the next 50 come");
    assert!(hits.iter().all(|hit| !exclude.contains(&hit.article.id)));

    let categories = vec![CATEGORIES[1].to_owned(), CATEGORIES[3].to_owned()];
    let hits =
        nearest(&*index, &vector, 40, Filter { categories: categories.clone(), ..Filter::default() }).await;
    assert_eq!(hits.len(), 40);
    assert!(hits.iter().all(|hit| categories.contains(&hit.article.version.category)));

    let range = Filter {
        published_from: Some(Timestamp(NEW_YEAR + 100 * HOUR)),
        published_until: Some(Timestamp(NEW_YEAR + 109 * HOUR)),
        ..Filter::default()
    };
    let hits = nearest(&*index, &vector, 40, range.clone()).await;
    assert_eq!(ids(&hits).into_iter().collect::<BTreeSet<_>>(), (100..=109).collect(), "both ends count");
    assert_eq!(numbers(&index.newest(3, &range).await.unwrap()), [109, 108, 107]);

    let narrow = Filter { categories, exclude: vec![ArticleId(299)], ..Filter::default() };
    assert_eq!(numbers(&index.newest(3, &narrow).await.unwrap()), [297, 295, 293]);
    let none = Filter { categories: vec!["nothing of this kind".into()], ..Filter::default() };
    assert_eq!(nearest(&*index, &vector, 40, none).await, []);

    // Different questions in one call each keep their own filter and k.
    let both = vec![
        query(&vector, 3, range),
        query(&vector, 5, Filter::default()),
        query(&vector, 0, Filter::default()),
    ];
    let lists = index.nearest(both.clone()).await.unwrap();
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [3, 5, 0]);
    assert!(ids(&lists[0]).iter().all(|id| (100..=109).contains(id)));
    let many = index.nearest(both.iter().cycle().take(30).cloned().collect()).await.unwrap();
    assert!(many.chunks(3).all(|again| again == lists), "alone or among many, the answer is the same");
}

async fn a_newer_version_replaces_and_an_older_one_is_ignored(place: &Place) {
    let index = place.open().await;
    let mut draws = Draws::new(5);
    let (old, new, oldest) = (draws.vector(), draws.vector(), draws.vector());
    take_in(&*index, &[article(1, 10, old.clone()), article(2, 11, draws.vector())], 12).await;
    assert_eq!(ids(&nearest(&*index, &old, 1, Filter::default()).await), [1]);

    let mut newer = article(1, 20, new.clone());
    newer.version.title = "A better headline".into();
    // In one batch, the highest offset wins, in whatever order they come.
    take_in(&*index, &[newer, article(1, 15, oldest.clone())], 21).await;
    let hits = nearest(&*index, &new, 1, Filter::default()).await;
    assert_eq!((hits[0].article.id.0, hits[0].article.version.title.as_str()), (1, "A better headline"));
    assert!(hits[0].cosine > 0.999);
    assert!(nearest(&*index, &old, 2, Filter::default()).await.iter().all(|hit| hit.cosine < 0.5));

    take_in(&*index, &[article(1, 20, oldest.clone()), article(1, 5, oldest)], 21).await;
    let kept = index.get(&[ArticleId(1)]).await.unwrap().remove(0).unwrap();
    assert_eq!((kept.offset, kept.version.title.as_str()), (Offset(20), "A better headline"));
    assert_eq!(index.count().await.unwrap(), 2);
}

async fn a_withdrawn_article_is_never_found_but_got(place: &Place) {
    let index = place.open().await;
    let all = articles(20, 6);
    take_in(&*index, &all, 20).await;
    // Warm what may be remembered of it.
    assert_eq!(nearest(&*index, &all[7].version.vector, 20, Filter::default()).await.len(), 20);
    take_in(&*index, &[withdrawn(all[7].clone(), 20)], 21).await;
    let found = ids(&nearest(&*index, &all[7].version.vector, 20, Filter::default()).await);
    assert_eq!(found.len(), 19);
    assert!(!found.contains(&7));
    assert!(!numbers(&index.newest(20, &Filter::default()).await.unwrap()).contains(&7));
    assert_eq!(index.count().await.unwrap(), 19);
    let got = index.get(&[ArticleId(7)]).await.unwrap().remove(0).unwrap();
    assert!(got.version.withdrawn);
    assert_eq!(got.version.vector, all[7].version.vector);

    let mut back = all[7].clone();
    back.offset = Offset(21);
    take_in(&*index, &[back], 22).await;
    assert_eq!(ids(&nearest(&*index, &all[7].version.vector, 1, Filter::default()).await), [7]);
}

async fn an_article_without_a_vector_is_never_found_but_got_and_newest(place: &Place) {
    let index = place.open().await;
    let mut draws = Draws::new(7);
    let all = [
        article(1, 0, draws.vector()),
        article(2, 1, vec![]),
        article(3, 2, vec![0.0; WIDTH]),
        article(4, 3, draws.vector().iter().map(|number| number * 1e-30).collect()),
    ];
    take_in(&*index, &all, 4).await;
    let mut found = ids(&nearest(&*index, &draws.vector(), 10, Filter::default()).await);
    found.sort_unstable();
    assert_eq!(found, [1, 4], "a tiny vector has a direction, a zero one has none");
    assert_eq!(numbers(&index.newest(10, &Filter::default()).await.unwrap()), [4, 3, 2, 1]);
    assert_eq!(index.count().await.unwrap(), 4);
    assert!(index.get(&[ArticleId(2)]).await.unwrap()[0].is_some());

    // A vector that comes later, and one that goes.
    take_in(&*index, &[article(2, 4, draws.vector()), article(1, 5, vec![])], 6).await;
    let mut found = ids(&nearest(&*index, &draws.vector(), 10, Filter::default()).await);
    found.sort_unstable();
    assert_eq!(found, [2, 4]);
}

async fn titles_are_found_by_their_words_latest_first(place: &Place) {
    let index = place.open().await;
    let titled = |id: i64, title: &str| {
        let mut article = article(id, id as u64, vec![]);
        article.version.title = title.into();
        article
    };
    let titles = [
        "The council votes on its budget",
        "Budget: what the council wants",
        "A harbour for the council",
        "Ærlig snak om budgettet",
        "The council's last budget",
    ];
    let mut all: Vec<_> = (1..).zip(titles).map(|(id, title)| titled(id, title)).collect();
    all[4] = withdrawn(all[4].clone(), 5);
    take_in(&*index, &all, 6).await;
    let found =
        async |text: &str, k: usize, filter: Filter| numbers(&index.titled(text, k, &filter).await.unwrap());
    for (text, expected) in [
        ("council budget", vec![2, 1]),
        ("COUNCIL", vec![3, 2, 1]),
        ("budg", vec![4, 2, 1]),
        ("council harb", vec![3]),
        ("coun budget", vec![]),
        ("ærlig SNA", vec![4]),
        ("election", vec![]),
        ("\"*?\\ (council) {", vec![3, 2, 1]),
        (" –!", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(found(text, 10, Filter::default()).await, expected, "{text}");
    }
    assert_eq!(found("council", 1, Filter::default()).await, [3]);
    assert_eq!(found("council", 0, Filter::default()).await, [0; 0]);
    let from = Some(Timestamp(NEW_YEAR + 2 * HOUR));
    let since = Filter { published_from: from, exclude: vec![ArticleId(3)], ..Filter::default() };
    assert_eq!(found("council", 10, since).await, [2]);
    let section = Filter { categories: vec![CATEGORIES[1].into()], ..Filter::default() };
    let of_it: Vec<i64> = [3, 2, 1].into_iter().filter(|id| id % CATEGORIES.len() as i64 == 1).collect();
    assert_eq!(found("council", 10, section).await, of_it);
}

async fn reading_goes_on_while_articles_come_in(place: &Place) {
    let index = place.open().await;
    let all = articles(600, 8);
    take_in(&*index, &all[..100], 100).await;
    let writer = {
        let (index, all) = (index.clone(), all.clone());
        tokio::spawn(async move {
            for chunk in all[100..].chunks(50) {
                let next = chunk.last().unwrap().offset.next();
                index.apply(chunk.to_vec(), &[next]).await.unwrap();
            }
        })
    };
    let mut draws = Draws::new(9);
    let mut rounds = 0;
    while !writer.is_finished() || rounds == 0 {
        let hits = nearest(&*index, &draws.vector(), 100, Filter::default()).await;
        assert_eq!(hits.len(), 100);
        assert_eq!(ids(&hits).into_iter().collect::<BTreeSet<_>>().len(), 100, "no article twice");
        assert_eq!(index.newest(10, &Filter::default()).await.unwrap().len(), 10);
        rounds += 1;
    }
    writer.await.unwrap();
    index.refresh().await.unwrap();
    println!("{rounds} rounds of questions while 500 articles came in");
    assert_eq!(index.count().await.unwrap(), 600);
    assert_eq!(index.marker().await.unwrap(), [Offset(600)]);
}

async fn the_marker_and_the_articles_outlive_the_process(place: &Place) {
    let all = articles(50, 10);
    let index = place.open().await;
    index.apply(all.clone(), &[Offset(40), Offset(0), Offset(10)]).await.unwrap();
    drop(index);
    let index = place.open().await;
    index.refresh().await.unwrap();
    assert_eq!(index.marker().await.unwrap(), [Offset(40), Offset(0), Offset(10)]);
    assert_eq!(index.count().await.unwrap(), 50);
    assert_eq!(ids(&nearest(&*index, &all[31].version.vector, 1, Filter::default()).await), [31]);
    // The marker moves without articles, too, and an older version is still known to be older.
    index.apply(vec![], &[Offset(41), Offset(0), Offset(10)]).await.unwrap();
    take_in(&*index, &[article(31, 30, vec![])], 42).await;
    assert_eq!(index.marker().await.unwrap(), [Offset(42)]);
    assert_eq!(ids(&nearest(&*index, &all[31].version.vector, 1, Filter::default()).await), [31]);
}

async fn articles_come_back_as_they_went_in(place: &Place) {
    let index = place.open().await;
    let mut all = articles(5, 11);
    all[1].version.title = "\u{1F4F0} \\ \" \n \u{0} \u{2028}".into();
    all[2].version.body = "long ".repeat(50_000);
    all[2].version.category = "a section name beyond reason ".repeat(2_000);
    all[3].version.published = i64::MIN;
    all[3].version.vector[..4].copy_from_slice(&[f32::MIN_POSITIVE, -0.0, 1.0 / 3.0, 1e30]);
    all[4].id = ArticleId(-4);
    all[4].version.article_id = -4;
    take_in(&*index, &all, 5).await;
    let asked = [ArticleId(3), ArticleId(99), ArticleId(1), ArticleId(-4), ArticleId(2), ArticleId(1)];
    for round in ["cold", "warm"] {
        let got = index.get(&asked).await.unwrap();
        let wanted = [Some(&all[3]), None, Some(&all[1]), Some(&all[4]), Some(&all[2]), Some(&all[1])];
        for (got, wanted) in got.iter().zip(wanted) {
            assert_eq!(got.as_deref(), wanted, "{round}");
        }
    }
    assert_eq!(numbers(&index.newest(5, &Filter::default()).await.unwrap()).len(), 5);
}

async fn equal_cosines_go_by_number(place: &Place) {
    let index = place.open().await;
    let vector = Draws::new(12).vector();
    // The same direction at different lengths, in no order.
    let all: Vec<_> =
        [7, 3, 9, 1, 5].iter().enumerate().map(|(at, id)| article(*id, at as u64, vector.clone())).collect();
    take_in(&*index, &all, 5).await;
    for _ in 0..3 {
        assert_eq!(ids(&nearest(&*index, &vector, 5, Filter::default()).await), [1, 3, 5, 7, 9]);
    }
}

async fn what_makes_no_sense_is_refused_in_words(place: &Place) {
    let index = place.open().await;
    let narrow = index
        .apply(vec![article(1, 0, vec![1.0; 3]), article(2, 1, vec![])], &[Offset(2)])
        .await
        .unwrap_err();
    assert!(narrow.to_string().contains("article 1: its vector has 3 numbers, 768 are needed"), "{narrow}");
    assert_eq!((narrow.fault, narrow.retry), (Fault::User, false));
    assert_eq!(
        (index.count().await.unwrap(), index.marker().await.unwrap()),
        (0, vec![]),
        "nothing was taken in"
    );

    for (vector, k, words) in [
        (vec![1.0; 3], 1, "3 numbers, 768 are needed"),
        (vec![0.0; WIDTH], 1, "no direction"),
        (vec![f32::NAN; WIDTH], 1, "no direction"),
        (vec![1.0; WIDTH], 10_001, "at most 10000"),
    ] {
        let refused = index.nearest(vec![query(&vector, k, Filter::default())]).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
        assert_eq!((refused.fault, refused.retry), (Fault::User, false));
    }
}

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_folder_and_what_to_do() {
    let place = Place::embedded();
    let _held = place.open().await;
    let error = open(&place.url, &ArticleSettings::default()).await.unwrap_err();
    assert!(error.to_string().contains("another process owns it"), "{error}");
    assert_eq!((error.fault, error.retry), (Fault::User, false));
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_telling_its_password() {
    for url in ["mongo://user:SECRET@host/index", "nonsense", "file:"] {
        let error = open(url, &ArticleSettings::default()).await.unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
        assert_eq!(error.fault, Fault::User);
    }
}

/// A request past our own code, to do what others may do to the server.
async fn raw(address: &str, method: Method, path: &str, body: Option<String>) -> Value {
    let transport = Transport::single_node(address).unwrap();
    let response = transport.send(method, path, HeaderMap::new(), None::<&()>, body, None).await.unwrap();
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_index_is_made_again_and_its_marker_is_empty() {
    let test = "a_deleted_index_is_made_again_and_its_marker_is_empty";
    let Some(place) = Place::elasticsearch(test) else { return };
    let (index, all) = (place.open().await, articles(20, 13));
    take_in(&*index, &all[..10], 10).await;
    assert_eq!(nearest(&*index, &all[3].version.vector, 10, Filter::default()).await.len(), 10);
    raw(elastic::server().unwrap(), Method::Delete, &format!("{test}-000001"), None).await;

    let error = index.count().await.unwrap_err();
    assert!(error.retry && error.to_string().contains("abovefold process"), "{error}");
    // A worker in the middle of its topic: its batch must not land as if nothing had happened.
    let error = index.apply(all[10..].to_vec(), &[Offset(20)]).await.unwrap_err();
    assert!(error.retry && error.to_string().contains("read its marker"), "{error}");
    assert_eq!(index.marker().await.unwrap(), []);
    assert_eq!(index.count().await.unwrap(), 0);
    take_in(&*index, &all, 20).await;
    assert_eq!((index.count().await.unwrap(), index.marker().await.unwrap()), (20, vec![Offset(20)]));

    // Deleted and made again by somebody else between two batches.
    raw(elastic::server().unwrap(), Method::Delete, &format!("{test}-000001"), None).await;
    assert_eq!(place.open().await.marker().await.unwrap(), []);
    let error = index.apply(vec![article(30, 20, vec![])], &[Offset(21)]).await.unwrap_err();
    assert!(error.retry && error.to_string().contains("read its marker"), "{error}");
    assert_eq!(
        index.marker().await.unwrap(),
        [],
        "the marker of the old index says nothing about the new one"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_cannot_hold_our_articles_is_refused() {
    if Place::elasticsearch("an_index_that_cannot_hold_our_articles_is_refused").is_none() {
        return;
    }
    let address = elastic::server().unwrap();
    raw(address, Method::Put, "plain", None).await;
    let error = open(&format!("{address}/plain"), &ArticleSettings::default())
        .await
        .unwrap()
        .marker()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("plain is an index, but an alias is needed"), "{error}");
    assert_eq!((error.fault, error.retry), (Fault::User, false));

    let other =
        r#"{"aliases":{"foreign":{}},"mappings":{"properties":{"vector":{"type":"dense_vector","dims":3}}}}"#;
    raw(address, Method::Put, "foreign-000001", Some(other.into())).await;
    let error = open(&format!("{address}/foreign"), &ArticleSettings::default())
        .await
        .unwrap()
        .marker()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("was not made by this version"), "{error}");

    let of_space =
        |space: &str| ArticleSettings { vector_space: Some(space.into()), ..ArticleSettings::default() };
    let index = open(&format!("{address}/spaces"), &of_space("one")).await.unwrap();
    assert_eq!(index.marker().await.unwrap(), []);
    assert!(index.check().await.unwrap().contains("spaces-one-000001"));
    let error =
        open(&format!("{address}/spaces"), &of_space("two")).await.unwrap().marker().await.unwrap_err();
    assert!(error.to_string().contains("holds vectors of the space one, not of two"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mapping_is_the_one_that_is_promised() {
    let test = "the_mapping_is_the_one_that_is_promised";
    let Some(place) = Place::elasticsearch(test) else { return };
    let index = place.open().await;
    take_in(&*index, &articles(3, 14), 3).await;
    let found = raw(elastic::server().unwrap(), Method::Get, test, None).await;
    let mappings = &found[format!("{test}-000001")]["mappings"];
    assert_eq!(mappings["dynamic"], "false");
    let vector = &mappings["properties"]["vector"];
    assert_eq!((&vector["dims"], &vector["similarity"]), (&json!(768), &json!("cosine")));
    assert_eq!(vector["index_options"], json!({"type": "int8_hnsw", "m": 16, "ef_construction": 100}));
    let words = index.check().await.unwrap();
    assert!(words.starts_with("Elasticsearch ") && words.contains(", 3 articles in the_mapping"), "{words}");
}

#[tokio::test]
async fn a_server_that_is_down_is_named_without_its_password() {
    let settings =
        ArticleSettings { write_timeout_ms: 100, search_timeout_ms: 100, ..ArticleSettings::default() };
    let index = open("http://elastic:SECRET@127.0.0.1:9/news", &settings).await.unwrap();
    let error = index.count().await.unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with("count the articles at http://127.0.0.1:9/news: "), "{words}");
    assert!(
        words.contains("refused") && words.contains("(2 attempts)") && !words.contains("SECRET"),
        "{words}"
    );
    assert!(!format!("{index:?}").contains("SECRET"));
    assert_eq!((error.fault, error.retry), (Fault::Outside, true));
}
