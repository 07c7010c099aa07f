//! One real Elasticsearch per test binary, started by the project's own script on a free port.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The address of the server, such as `http://127.0.0.1:39200`, or why there is none.
///
/// The script watches this process and stops the server when it ends, in whatever way, so a panic leaves nothing behind.
pub fn server() -> Result<&'static str, &'static str> {
    static SERVER: OnceLock<Result<String, String>> = OnceLock::new();
    match SERVER.get_or_init(start) {
        Ok(address) => Ok(address),
        Err(reason) => Err(reason),
    }
}

fn start() -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/servers/elasticsearch.sh");
    let dir = folder();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|e| e.to_string())?
        .port();
    let output = Command::new("bash")
        .arg(&script)
        .arg("start")
        .arg(&dir)
        .arg(port.to_string())
        .env("ABOVEFOLD_SERVERS_FOR", std::process::id().to_string())
        .output()
        .map_err(|error| format!("bash did not start: {error}"))?;
    if !output.status.success() {
        let lines = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(lines.lines().last().unwrap_or("the server script failed without a word").to_owned());
    }
    Ok(format!("http://127.0.0.1:{port}"))
}

/// A fresh folder, named by this process. Those of processes that have ended are removed.
fn folder() -> PathBuf {
    const NAME: &str = "abovefold-articles-test-";
    let parent = std::env::temp_dir();
    for entry in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(NAME).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| pid == std::process::id() || !Path::new(&format!("/proc/{pid}")).exists())
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    parent.join(format!("{NAME}{}", std::process::id()))
}
