//! A real Kafka for one test binary: one node on a free port of 127.0.0.1, in a folder that goes away with it.

#![allow(dead_code)] // Each test binary uses some of it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

#[path = "ports.rs"]
mod ports;

pub use ports::free_port;

/// A running Kafka, stopped when dropped (and soon after this process ends, however it does).
pub struct KafkaServer {
    folder: TempDir,
    pub port: u16,
    settings: Vec<String>,
}

impl KafkaServer {
    /// Starts one, or says why it can't be.
    pub fn start() -> Result<Self, String> {
        Self::start_with(&[])
    }

    /// Starts one with further settings of the broker, each `key=value`.
    pub fn start_with(settings: &[&str]) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let port = free_port();
        let settings = settings.iter().map(ToString::to_string).collect();
        let server = Self { folder, port, settings };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it in its folder, on its port.
    pub fn start_again(&self) -> Result<(), String> {
        let output = Command::new("bash")
            .arg(script())
            .arg("start")
            .arg(self.folder.path())
            .arg(self.port.to_string())
            .args(&self.settings)
            .env("ABOVEFOLD_SERVERS_FOR", std::process::id().to_string())
            .output()
            .map_err(|error| format!("bash: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(())
    }

    /// Stops it; what it holds stays.
    pub fn stop(&self) {
        let stopped = Command::new("bash").arg(script()).arg("stop").arg(self.folder.path()).output();
        if let Err(error) = stopped {
            println!("Kafka in {} was not stopped: {error}", self.folder.path().display());
        }
    }

    /// The URL of a log whose main topic is `topic`.
    pub fn url(&self, topic: &str) -> String {
        format!("kafka://127.0.0.1:{}/{topic}", self.port)
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/servers/kafka.sh")
}
