//! Steps of the configuration are part of what defines a namespace: a worker with others is refused, a replay with the same ones gives the same
//! state, and `check --graph` shows them.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::fs;

use common::{Home, newsroom};

const STEPS: &str = r#"
[[steps]]
filter = "read_time >= 20"
[[steps]]
derive = { read_time = "least(read_time, 40.0)" }
"#;

#[test]
fn steps_of_the_configuration_define_a_namespace() {
    let home = Home::new();
    newsroom::data_folder(&home.at("data"), 20, 10, 100, 3);
    fs::write(home.at("steps.toml"), STEPS).unwrap();
    fs::write(home.at("wrong.toml"), "[[steps]]\nfilter = \"reed_time >= 20\"\n").unwrap();

    let wrong = home.run(&["replay", "--namespace", "green", "--config", "wrong.toml"]);
    let line = wrong.error_line();
    assert_eq!(wrong.status, Some(1), "{wrong}");
    assert!(line.contains("step 1") && line.contains("reed_time"), "{line}");
    let graph = home.done(&["check", "--graph", "--config", "steps.toml"]);
    assert!(graph.contains("window -> steps -> key by reader"), "{graph}");
    let json = home.json_lines(&["check", "--graph", "--json"]);
    assert_eq!(json.len(), 5, "{json:?}");
    assert_eq!(json[0]["nodes"][1]["kind"], "operator");
    assert!(json[0]["nodes"][1]["takes"].as_str().unwrap().contains("RecordRun"), "{}", json[0]);

    home.done(&["simulate", "--data", "data", "--rate", "0", "--limit", "80"]);
    home.done(&["replay", "--namespace", "plain"]);
    for namespace in ["green", "blue"] {
        home.done(&["replay", "--namespace", namespace, "--config", "steps.toml"]);
    }
    let times = |namespace: &str| {
        let query = "SELECT count(*) AS n, min(read_time) AS least, max(read_time) AS most FROM reads";
        home.json(&["sql", "--json", "--namespace", namespace, query])
    };
    let (plain, green) = (times("plain"), times("green"));
    assert_eq!(plain["n"], 80, "{plain}");
    assert!(plain["least"].as_f64().unwrap() < 20.0 && plain["most"].as_f64().unwrap() > 40.0, "{plain}");
    assert!(green["n"].as_u64().unwrap() < 80, "{green}");
    assert!(green["least"].as_f64().unwrap() >= 20.0 && green["most"] == 40.0, "{green}");
    assert_eq!(home.digest("green"), home.digest("blue"), "the same steps fold the same");
    assert_ne!(home.digest("green"), home.digest("plain"));

    let refused = home.run(&["replay", "--namespace", "green"]);
    let line = refused.error_line();
    assert!(
        line.contains("its list of steps is filter read_time >= 20; derive")
            && line.contains("here it is empty"),
        "{line}"
    );
    assert!(line.contains("abovefold replay --namespace NEW"), "{line}");
}
