//! The program as a process beside the test: its lines as it says them, and its end.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long anything may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running program, killed when dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
    /// Everything that it said so far, standard output and standard error, and that was looked at.
    pub said: Vec<String>,
}

impl Program {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let readers = vec![
            follow(child.stdout.take().unwrap(), sender.clone()),
            follow(child.stderr.take().unwrap(), sender),
        ];
        Self { child, lines, readers, said: Vec::new() }
    }

    /// The next line that it says; `None` once it has ended.
    pub fn next_line(&mut self, limit: Duration) -> Option<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it says nothing more:\n{}", self.said.join("\n")),
        }
    }

    /// The lines that it said so far and that were not looked at yet.
    pub fn say_all(&mut self) -> Vec<String> {
        let lines: Vec<String> = self.lines.try_iter().collect();
        self.said.extend(lines.iter().cloned());
        lines
    }

    /// Waits until it says a line that holds `text`, and returns that line.
    pub fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            match self.next_line(left) {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("it ended before it said {text:?}:\n{}", self.said.join("\n")),
            }
        }
    }

    /// The address that `serve`, `run` or `demo` says it listens on.
    pub fn address(&mut self) -> String {
        let line = self.wait_for("The Daily Chronicle is at http://");
        let address = line.split("http://").nth(1).unwrap();
        address.trim_end_matches('/').to_owned()
    }

    /// Kills it as `kill -9` does and returns the lines that it said and that were not looked at yet.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.rest()
    }

    /// Asks it to end, and returns its status and all that it said.
    pub fn terminate(mut self) -> (Option<i32>, Vec<String>) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> (Option<i32>, Vec<String>) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let rest = self.rest();
                self.said.extend(rest);
                return (status.code(), std::mem::take(&mut self.said));
            }
            let said = || self.said.join("\n");
            assert!(Instant::now() < end, "it does not end:\n{}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success(), "kill -{name} {pid}");
    }

    fn rest(&mut self) -> Vec<String> {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.lines.try_iter().collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn follow(stream: impl Read + Send + 'static, lines: std::sync::mpsc::Sender<String>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { break };
            // The test may have ended.
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    })
}

/// Tries again until `found` gives something.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(10);
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < end, "this did not come to be: {what}");
        std::thread::sleep(pause);
        // To look often would take the cores from what is looked at.
        pause = (pause * 2).min(Duration::from_millis(300));
    }
}
