//! What tests of whole programs share: the program as a process, real servers, homes, and a little HTTP.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(unreachable_pub, reason = "shared by the test binaries of this folder")]

pub mod http;
pub mod load;
pub mod newsroom;
pub mod pipeline;
pub mod program;
pub mod servers;
pub mod stream;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Says why a test did not run; the tally knows the line.
#[allow(clippy::print_stdout, reason = "the tally reads it")]
pub fn skip(test: &str, reason: &str) {
    println!("SKIP {test}: {reason}");
}

/// Says a figure that a test measured.
#[allow(clippy::print_stdout, reason = "figures are for whoever runs the tests")]
pub fn say(figure: &str) {
    println!("{figure}");
}

/// How much of something a test does: more of it in `make soak`.
pub fn at_length(usual: usize, in_soak: usize) -> usize {
    if std::env::var_os("ABOVEFOLD_SOAK").is_some() { in_soak } else { usual }
}

/// A home of its own, gone at the end, and what is set for every program that works with it.
pub struct Home {
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl Home {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), settings: Vec::new() }
    }

    /// Sets `ABOVEFOLD__KEY` for every program of this home.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.settings.push((format!("ABOVEFOLD__{key}"), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file or folder below the home.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The program, about to run with these arguments for this home, with nothing in its environment that it does not need.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_abovefold"));
        for (name, _) in std::env::vars() {
            if name.starts_with("ABOVEFOLD__") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        // Small tests side by side on few cores: more threads would only be in each other's way.
        command.env("ABOVEFOLD__INFERENCE__THREADS", "1");
        command.env("NO_COLOR", "1").env("ABOVEFOLD__HOME", self.path());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(arguments, self.command(arguments).output().unwrap())
    }

    /// Runs a command that has to succeed, and returns what it said.
    pub fn done(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.status, Some(0), "{outcome}");
        outcome.stdout
    }

    /// Runs a command that has to succeed, and reads its only line as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.done(arguments);
        serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{arguments:?} said no JSON ({error}): {said}"))
    }

    /// Runs a command that has to succeed, and reads each of its lines as JSON.
    pub fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.done(arguments);
        said.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Digest and offsets of the namespace.
    pub fn digest(&self, namespace: &str) -> Value {
        let mut digest = self.json(&["inspect", "digest", "--json", "--namespace", namespace]);
        digest.as_object_mut().unwrap().remove("namespace");
        digest
    }

    /// Copies everything embedded into another home.
    pub fn copy_to(&self, other: &Self) {
        copy_folder(self.path(), other.path());
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub arguments: Vec<String>,
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn of(arguments: &[&str], output: Output) -> Self {
        Self {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one line of an error: the last one of standard error, which has to be the program's only word beside its log.
    pub fn error_line(&self) -> &str {
        let mut own = self.stderr.lines().filter(|line| line.starts_with("abovefold: "));
        let line = own.next().unwrap_or_else(|| panic!("no error is said: {self}"));
        assert_eq!(own.next(), None, "one line says it: {self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        line
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { arguments, status, stdout, stderr } = self;
        write!(f, "{arguments:?} ended with {status:?}\nstdout: {stdout}\nstderr: {stderr}")
    }
}
