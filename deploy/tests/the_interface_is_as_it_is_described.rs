//! HTTP: schemathesis tries a running program, keys and all, against its own OpenAPI document, and finds nothing.

#![allow(clippy::unwrap_used)] // Tests.

mod common;

use std::{path::Path, process::Command};

use common::{Home, at_length, http, newsroom, program::Program, say, skip};

/// Long enough, and of an operator, who may do everything.
const KEY: &str = "an-operators-key-for-this-test-alone";

#[test]
fn the_interface_is_as_it_is_described() {
    let test = "the_interface_is_as_it_is_described";
    let Some(schemathesis) = std::env::var_os("ABOVEFOLD_SCHEMATHESIS") else {
        return skip(test, "no schemathesis (deploy/setup/schemathesis.sh fetches it)");
    };
    let home = Home::new()
        // Tokens of events that never come are among what is tried.
        .with("QUERY__AFTER_WAIT_MS", "20")
        .with("HTTP__ADMIN_KEYS", KEY)
        .with("HTTP__API_KEYS", "a-servers-key-that-nobody-uses")
        .with("HTTP__DEMO_READERS", "true")
        .with("HTTP__TOKEN_SECRET", "a secret for readers' tokens that are not used here");
    let (data, model) = (home.at("data"), home.at("model"));
    newsroom::model(&model);
    std::fs::create_dir_all(&data).unwrap();
    newsroom::data_folder(&data, 60, 20, 200, 1);
    let data = data.display().to_string();
    let mut program = Program::spawn(home.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = program.address();
    home.done(&["index", "--data", &data, "--wait"]);
    home.done(&["simulate", "--data", &data, "--rate", "0"]);
    assert_eq!(http::get(&address, "/demo/1").status, 401, "it asks for a key");

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let settings = folder.join("schemathesis.toml");
    let examples = at_length(25, 200).to_string();
    let tried = Command::new(schemathesis)
        .arg("--no-color")
        .args(["--config-file", settings.to_str().unwrap()])
        .args(["run", &format!("http://{address}/openapi.json"), "--checks", "all"])
        .args(["--header", &format!("Authorization: Bearer {KEY}")])
        .args(["--seed", "1", "--max-examples", &examples])
        // What cargo needs to find libtorch is nothing for another Python.
        .env_remove("LD_LIBRARY_PATH")
        .envs([("PYTHONPATH", folder.as_os_str()), ("PYTHONDONTWRITEBYTECODE", "1".as_ref())])
        .current_dir(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tried.stdout);
    assert!(tried.status.success(), "{said}\n{}", String::from_utf8_lossy(&tried.stderr));
    let figures = said.lines().filter(|line| line.contains("generated") || line.contains("Tested"));
    figures.for_each(|line| say(line.trim()));
    let (status, lines) = program.terminate();
    assert_eq!(status, Some(0), "{}", lines.join("\n"));
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{}", lines.join("\n"));
}
