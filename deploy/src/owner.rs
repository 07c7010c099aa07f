//! The embedded home has one owner. Other programs ask it, over its admin interface on the loopback address.
//!
//! The owner writes `owner.json` into the home: its address and a key that it drew, readable by its user alone. A command is sent as its
//! arguments and answered in lines of JSON ([`Said`]).

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    commands,
    output::{Output, Said},
    session::Session,
};

#[derive(Debug, Serialize, Deserialize)]
struct OwnerFile {
    pid: u32,
    address: String,
    key: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    arguments: Vec<String>,
    folder: PathBuf,
}

fn file(home: &Path) -> PathBuf {
    home.join("owner.json")
}

/// Answers commands for the home until the process ends. The file is removed when the returned guard is dropped.
///
/// # Errors
/// When no loopback port or the file can be had.
pub async fn announce(session: &Session) -> anyhow::Result<OwnerGuard> {
    let home = session.config.home.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.context("open the admin interface on 127.0.0.1")?;
    let owner = OwnerFile {
        pid: std::process::id(),
        address: listener.local_addr()?.to_string(),
        key: format!("{}{}", session.runtime.token(), session.runtime.token()),
    };
    fs::create_dir_all(&home).with_context(|| format!("make the home {}", home.display()))?;
    let path = file(&home);
    fs::remove_file(&path).ok();
    let mut written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("write {}", path.display()))?;
    written.write_all(&serde_json::to_vec(&owner)?)?;
    let admin = Arc::new(Admin { session: session.clone(), key: owner.key });
    let router = Router::new()
        .route("/admin/command", post(command))
        .route("/admin/alive", get(alive))
        .with_state(admin);
    session.runtime.spawn(async move { axum::serve(listener, router).await });
    Ok(OwnerGuard { path })
}

/// Removes the owner's file at the end.
#[derive(Debug)]
pub struct OwnerGuard {
    path: PathBuf,
}

impl Drop for OwnerGuard {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

struct Admin {
    session: Session,
    key: String,
}

impl Admin {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let expected = format!("Bearer {}", self.key);
        headers.get(AUTHORIZATION).is_some_and(|given| given.as_bytes() == expected.as_bytes())
    }
}

async fn alive(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> StatusCode {
    if admin.knows(&headers) { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED }
}

async fn command(State(admin): State<Arc<Admin>>, headers: HeaderMap, body: Bytes) -> Response {
    if !admin.knows(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut session = admin.session.clone();
    session.output = Output::Channel(sender.clone());
    session.folder = asked.folder;
    let runtime = session.runtime.clone();
    runtime.spawn(async move {
        let said = match commands::run_for_another(session, &asked.arguments).await {
            Ok(()) => Said::Done,
            Err(error) => Said::Failed(format!("{error:#}")),
        };
        // Whoever asked may have gone away.
        sender.send(said).ok();
    });
    let lines = futures::stream::unfold(receiver, |mut receiver| async move {
        let said = receiver.recv().await?;
        let mut line = serde_json::to_vec(&said).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, std::convert::Infallible>(line), receiver))
    });
    Body::from_stream(lines).into_response()
}

/// Whether a process owns a home and answers.
pub async fn is_alive(home: &Path) -> bool {
    let Some(owner) =
        fs::read(file(home)).ok().and_then(|text| serde_json::from_slice::<OwnerFile>(&text).ok())
    else {
        return false;
    };
    let asked =
        reqwest::Client::new().get(format!("http://{}/admin/alive", owner.address)).bearer_auth(&owner.key);
    asked.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Asks the owner of a home to run a command; `None` where nobody owns it.
///
/// # Errors
/// What the command failed with.
pub async fn ask(home: &Path, arguments: Vec<String>, output: &Output) -> anyhow::Result<Option<()>> {
    let path = file(home);
    let Ok(text) = fs::read(&path) else { return Ok(None) };
    let Ok(owner) = serde_json::from_slice::<OwnerFile>(&text) else { return Ok(None) };
    let asked = Asked { arguments, folder: std::env::current_dir().context("find the current folder")? };
    let answer = reqwest::Client::new()
        .post(format!("http://{}/admin/command", owner.address))
        .bearer_auth(&owner.key)
        .json(&asked)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) if answer.status().is_success() => answer,
        // The file of an owner that was killed: nobody listens there, or somebody else does.
        Ok(_) => return Ok(None),
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("ask the owner of {} (pid {})", home.display(), owner.pid));
        }
    };
    let mut chunks = answer.bytes_stream();
    let mut waiting = Vec::new();
    while let Some(chunk) = chunks.next().await {
        waiting
            .extend_from_slice(&chunk.with_context(|| format!("hear from the owner of {}", home.display()))?);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            match serde_json::from_slice(&line).context("read what the owner said")? {
                Said::Done => {
                    output.end_progress();
                    return Ok(Some(()));
                }
                Said::Failed(reason) => {
                    output.end_progress();
                    bail!("{reason}");
                }
                said => output.say(said),
            }
        }
    }
    bail!(
        "hear from the owner of {} (pid {}): it ended in the middle of the command",
        home.display(),
        owner.pid
    )
}
