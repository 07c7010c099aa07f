//! What the newspaper asks beside slates: lists of articles, readers to try, events as stored, and pages as the server prints them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOON, Served, json_of, keys, problem};

async fn numbers(served: &Served, path: &str) -> Vec<i64> {
    let listed = json_of(served.get(path).await, StatusCode::OK).await;
    listed.as_array().unwrap().iter().map(|card| card["article_id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn articles_are_listed_by_time_by_reads_since_a_moment_and_by_words() {
    let served = Served::start().await;
    assert_eq!(numbers(&served, "/articles?limit=3").await, [29, 28, 27], "30 was withdrawn");
    let since = NOON + 27 * 60_000;
    assert_eq!(numbers(&served, &format!("/articles?since={since}")).await, [29, 28]);
    assert_eq!(numbers(&served, "/articles?since=2024-01-01T12:28:00Z").await, [29]);
    assert_eq!(numbers(&served, "/articles?q=headline+7").await, [7]);
    assert_eq!(numbers(&served, "/articles?q=HEAD&limit=2").await, [29, 28]);
    assert_eq!(numbers(&served, "/articles?q=line").await, [0; 0]);
    assert_eq!(numbers(&served, "/articles?q=+&limit=2").await, [0; 0], "there is no word in it");
    assert_eq!(numbers(&served, "/articles?q=&limit=1").await, [29]);
    assert_eq!(numbers(&served, "/articles?category=World&q=headline&limit=2").await, [27, 24]);
    assert_eq!(numbers(&served, "/articles?sort=most_read").await, [0; 0], "nothing was read");
    served.count(&[(3, 5.0), (7, 9.0), (30, 20.0), (4, 1.0)]).await;
    assert_eq!(numbers(&served, "/articles?sort=most_read").await, [7, 3, 4]);
    assert_eq!(numbers(&served, "/articles?sort=most_read&category=World").await, [3]);
    assert_eq!(numbers(&served, "/articles?sort=most_read&q=headline+4").await, [4]);
    let since = NOON + 3 * 60_000;
    assert_eq!(numbers(&served, &format!("/articles?sort=most_read&since={since}&limit=1")).await, [7]);
    for (query, field) in [
        ("sort=best", "sort"),
        ("sort=", "sort"),
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("since=-1", "since"),
        (&format!("q={}", "x".repeat(129)), "q"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
    ] {
        let refused = served.refused(Method::GET, &format!("/articles?{query}"), "", 422).await;
        assert_eq!(refused["field"], field, "{query}");
    }
    let sections = json_of(served.get("/articles/sections").await, StatusCode::OK).await;
    let ten = |category: &str, articles: usize| json!({"category": category, "articles": articles});
    assert_eq!(sections, json!([ten("Science", 10), ten("Sport", 10), ten("World", 9)]));
}

#[tokio::test]
async fn a_readers_events_are_shown_as_stored_newest_first() {
    let served = Served::start().await;
    let nothing = json_of(served.get("/users/ann/events").await, StatusCode::OK).await;
    assert_eq!(
        (&nothing["events"], &nothing["complete"], &nothing["searched"]),
        (&json!([]), &json!(true), &json!(0))
    );
    let at = |seq: usize| json!({"user_id": "ann", "article_id": 7, "view_id": "v", "seq": seq, "read_time": seq as f64});
    for seq in 0..4 {
        served.post("/event", at(seq)).await;
        // Others of the same partition are nobody's business.
        served.post("/event", json!({"user_id": format!("reader {seq}"), "article_id": 1})).await;
    }
    served.ask(Method::DELETE, "/users/ann", "").await;
    served.post("/users/ann/preferences", json!({"topics": ["World"]})).await;
    let all = json_of(served.get("/users/ann/events").await, StatusCode::OK).await;
    let events = all["events"].as_array().unwrap();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["preferences", "forget", "read", "read", "read", "read"]);
    let forgotten: Vec<bool> = events.iter().map(|event| event["forgotten"].as_bool().unwrap()).collect();
    assert_eq!(forgotten, [false, false, true, true, true, true]);
    assert_eq!((&events[2]["event"]["seq"], &events[2]["event"]["view_id"]), (&json!(3), &json!("v")));
    assert_eq!(
        (&all["complete"], &all["topic"], &all["user_id"]),
        (&json!(true), &json!("user_events"), &json!("ann"))
    );
    let two = json_of(served.get("/users/ann/events?limit=2").await, StatusCode::OK).await;
    assert_eq!((two["events"].as_array().unwrap().len(), &two["complete"]), (2, &json!(false)));
    let six = json_of(served.get("/users/ann/events?limit=6").await, StatusCode::OK).await;
    assert_eq!(six["complete"], true);
    for query in ["limit=0", "limit=101", "limit=x"] {
        served.refused(Method::GET, &format!("/users/ann/events?{query}"), "", 422).await;
    }
    served.refused(Method::GET, "/users/%0A/events", "", 422).await;
}

#[tokio::test]
async fn the_search_for_a_readers_events_is_bounded_and_says_so() {
    use abovefold_engine::log::NewRecord;
    let served = Served::start().await;
    served.post("/event", json!({"user_id": "ann", "article_id": 7})).await;
    let home =
        json_of(served.get("/users/ann/events").await, StatusCode::OK).await["partition"].as_u64().unwrap();
    let other = NewRecord { partition: Some(home as u32), ..NewRecord::keyed("bob", "{}") };
    for _ in 0..5 {
        served.log.append("user_events", vec![other.clone(); 10_000]).await.unwrap();
    }
    served.post("/event", json!({"user_id": "ann", "article_id": 8})).await;
    let found = json_of(served.get("/users/ann/events").await, StatusCode::OK).await;
    assert_eq!(found["events"].as_array().unwrap().len(), 1);
    assert_eq!((&found["searched"], &found["complete"]), (&json!(50_000), &json!(false)));
    let one = json_of(served.get("/users/ann/events?limit=1").await, StatusCode::OK).await;
    assert_eq!(one["complete"], false);
}

#[tokio::test]
async fn readers_to_try_have_numbers_and_portraits() {
    let served = Served::start().await;
    assert_eq!(json_of(served.get("/readers/demo").await, StatusCode::OK).await, json!([]));
    served.know("ann", &[1]).await;
    served.know("17", &[3, 6, 7]).await;
    let shown = json_of(served.get("/readers/demo?limit=2").await, StatusCode::OK).await;
    let expected = json!([{
        "user_id": "17", "reads": 3, "last_seen": "2024-01-01T12:00:00.000Z",
        "sections": [{"category": "World", "reads": 2}, {"category": "Sport", "reads": 1}],
        "day": "afternoon", "device_type": 0, "average_read_time": 45.2, "topics": []
    }]);
    assert_eq!(shown, expected);
    for query in ["limit=0", "limit=21"] {
        served.refused(Method::GET, &format!("/readers/demo?{query}"), "", 422).await;
    }
    let closed = Served::with(|http| {
        keys::closed(http);
        http.demo_readers = false;
    })
    .await;
    let ask = closed.client.get(format!("{}/readers/demo", closed.address)).bearer_auth(keys::API);
    problem(ask.send().await.unwrap(), 403).await;
    assert_eq!(json_of(closed.get("/session").await, StatusCode::OK).await["demo_readers"], false);
}

/// What the script is handed with a page.
fn data(page: &str) -> Value {
    let data = page.split_once("id=\"printed-data\">").unwrap().1.split_once("</script>").unwrap().0;
    serde_json::from_str(data).unwrap()
}

#[tokio::test]
async fn pages_are_read_without_a_script_and_say_what_is_missing() {
    let served = Served::start().await;
    served.count(&[(7, 9.0)]).await;
    let page = async |path: &str, status: StatusCode| {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"), "{path}");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("style="), "{path}");
        text
    };
    let front = page("/", StatusCode::OK).await;
    assert!(
        front.contains("data-printed=\"front\"") && front.contains("<h1 class=\"masthead-name\">"),
        "{front}"
    );
    let lead = front.split_once("story-lead").unwrap().1;
    assert!(
        lead.starts_with("\" data-article-id=\"7\"")
            && lead.contains("<a href=\"/article/7\">Headline 7</a>")
    );
    assert!(front.contains("<a href=\"/section/World\">World</a>") && !front.contains("Headline 30"));
    assert_eq!(data(&front)["cards"][0]["article_id"], 7);

    let bar = front.split_once("sections-bar").unwrap().1.split_once("</nav>").unwrap().0;
    let sections: Vec<&str> = bar.split("<li>").skip(1).collect();
    assert_eq!(sections.len(), 3, "all sections, in the head of the page: {bar}");

    let article = page("/article/7", StatusCode::OK).await;
    assert!(article.contains("<title>Headline 7 · The Daily Chronicle</title>"), "{article}");
    assert!(
        article.contains("<h1>Headline 7</h1>") && article.contains("<p>One.</p><p>Two.</p>"),
        "{article}"
    );
    assert!(
        article.contains("1 January 2024, 12:07 UTC") && article.contains("More from Sport"),
        "{article}"
    );
    assert_eq!(data(&article)["article"], json_of(served.get("/articles/7").await, StatusCode::OK).await);

    let section = page("/section/World", StatusCode::OK).await;
    assert!(section.contains("<h1>World</h1>") && section.contains("Headline 27"));
    let search = page("/search?q=headline+12", StatusCode::OK).await;
    assert!(search.contains("Headline 12") && search.contains("value=\"headline 12\""), "{search}");
    assert_eq!(data(&search)["cards"].as_array().unwrap().len(), 1);
    for query in ["", "?q=", "?q=%3Cscript%3E", &format!("?q={}", "x".repeat(500))] {
        let search = page(&format!("/search{query}"), StatusCode::OK).await;
        assert!(!search.contains("Headline") && !search.contains("value=\"<"), "{query}");
    }
    for (path, status) in [
        ("/article/30", StatusCode::GONE),
        ("/article/31", StatusCode::NOT_FOUND),
        ("/article/x", StatusCode::NOT_FOUND),
        ("/section/Nowhere", StatusCode::NOT_FOUND),
    ] {
        let missing = page(path, status).await;
        assert!(missing.contains("data-printed=\"missing\"") && missing.contains("<a href=\"/\">"), "{path}");
        assert!(!missing.contains("Headline"), "{path}");
    }
    let danish =
        served.client.get(format!("{}/article/30", served.address)).header("accept-language", "da, en");
    let danish = danish.send().await.unwrap().text().await.unwrap();
    assert!(danish.contains("<html lang=\"da\">") && danish.contains("<h1>Trukket tilbage</h1>"), "{danish}");
}

#[tokio::test]
async fn a_title_with_markup_stays_text() {
    let served = Served::start().await;
    let nasty = "<img src=x onerror=alert(1)>\"'</script></title>&amp;";
    served
        .publish(40, |version| {
            version.title = nasty.into();
            version.subtitle = nasty.into();
            version.body = nasty.into();
            version.category = nasty.into();
            version.topics = vec![nasty.into()];
        })
        .await;
    for path in [
        "/",
        "/article/40",
        "/search?q=img",
        "/section/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%22'%3C%2Fscript%3E%3C%2Ftitle%3E%26amp%3B",
    ] {
        let answer = served.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;"), "{path}: {page}");
        assert!(!page.contains("<img"), "{path}: {page}");
        assert_eq!(page.matches("</title>").count(), 1, "{path}");
        data(&page);
    }
}

#[tokio::test]
async fn with_keys_only_who_may_read_is_printed_for() {
    let served = Served::with(keys::closed).await;
    let ask = |path: &str| served.client.get(format!("{}{path}", served.address));
    for path in ["/", "/article/7", "/article/30", "/article/31", "/section/World", "/search?q=headline"] {
        let shell = ask(path).send().await.unwrap();
        assert_eq!(shell.status(), StatusCode::OK, "{path}: nothing is said of what there is");
        let shell = shell.text().await.unwrap();
        assert!(shell.contains("<div id=\"paper\"></div>") && !shell.contains("Headline"), "{path}: {shell}");
        let wrong = ask(path).bearer_auth("nothing that is known").send().await.unwrap();
        assert!(!wrong.text().await.unwrap().contains("Headline"), "{path}");
    }
    let sign_in = served.client.post(format!("{}/session", served.address)).bearer_auth(keys::API);
    let signed_in = sign_in.body(r#"{"user_id":"ann"}"#).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_string();
    let page = ask("/article/7").header("cookie", cookie).send().await.unwrap();
    assert_eq!(page.headers()["cache-control"], "private, no-cache");
    assert!(page.headers().get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("cookie")));
    assert!(page.text().await.unwrap().contains("<h1>Headline 7</h1>"));
    let page = ask("/").bearer_auth(keys::token("ann", 60)).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("Headline 29"));
    problem(ask("/articles/7").send().await.unwrap(), 401).await;
}
