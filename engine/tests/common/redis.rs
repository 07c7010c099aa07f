//! Real Redis servers for tests: started on free ports of the loopback in a folder of their own, killed when they go out of scope.

#![allow(dead_code)] // Each test binary uses some of it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

#[path = "ports.rs"]
mod ports;

pub use ports::free_port;

const PATIENCE: Duration = Duration::from_secs(20);

/// The program `redis-server`: where `ABOVEFOLD_REDIS_SERVER` says, or where packages put it; otherwise why there is none.
pub fn binary() -> Result<PathBuf, String> {
    let named = std::env::var_os("ABOVEFOLD_REDIS_SERVER").map(PathBuf::from);
    let mut places = named.clone().map_or_else(Vec::new, |path| vec![path]);
    if named.is_none() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        places.extend(std::env::split_paths(&path).map(|folder| folder.join("redis-server")));
        places.push("/usr/bin/redis-server".into());
    }
    let found = places.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| "no redis-server: install it, or name it in ABOVEFOLD_REDIS_SERVER".to_owned())
}

/// One running server, which keeps an append-only file.
pub struct RedisServer {
    child: Child,
    pub port: u16,
    directory: TempDir,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts a server with further arguments (`PORT` in them is its port) and waits until it answers.
    pub fn start(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        for _ in 0..5 {
            let port = free_port();
            if let Some(child) = spawn(port, directory.path(), &arguments) {
                return Self { child, port, directory, arguments };
            }
        }
        panic!("redis-server does not start: {}", last_words(directory.path()));
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Kills the server as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name} {}", self.child.id());
    }

    /// Starts it again, on the same port and folder.
    pub fn start_again(&mut self) {
        self.kill();
        let child = spawn(self.port, self.directory.path(), &self.arguments);
        self.child = child.unwrap_or_else(|| panic!("redis-server: {}", last_words(self.directory.path())));
    }

    /// Sends an inline command on a connection of its own; returns the start of the answer.
    pub fn command(&self, line: &str) -> String {
        command(self.port, line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, directory: &Path, arguments: &[String]) -> Option<Child> {
    let mut child = Command::new(binary().unwrap())
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--dir",
        ])
        .arg(directory)
        .args(["--logfile", "redis.log"])
        .args(arguments.iter().map(|argument| argument.replace("PORT", &port.to_string())))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        // With a password or TLS it takes more to get an answer; that it listens is enough then.
        let guarded =
            arguments.iter().any(|argument| argument == "--requirepass" || argument == "--tls-port");
        let answers = match guarded {
            true => TcpStream::connect(("127.0.0.1", port)).is_ok(),
            false => command(port, "PING").is_ok_and(|answer| answer.starts_with("+PONG")),
        };
        if answers {
            return Some(child);
        }
        sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn last_words(directory: &Path) -> String {
    let log = std::fs::read_to_string(directory.join("redis.log")).unwrap_or_default();
    log.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
}

fn command(port: u16, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// A Redis Cluster of three primaries without replicas.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub fn start() -> Self {
        let start = |_| {
            let bus = free_port().to_string();
            let arguments =
                ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "3000"];
            (RedisServer::start(&arguments), bus)
        };
        let (nodes, buses): (Vec<_>, Vec<_>) = (0..3).map(start).unzip();
        let slots = ["0 5460", "5461 10922", "10923 16383"];
        for (number, (node, slots)) in nodes.iter().zip(slots).enumerate() {
            assert_eq!(node.command(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).trim(), "+OK");
            assert_eq!(node.command(&format!("CLUSTER ADDSLOTSRANGE {slots}")).trim(), "+OK");
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].command(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port));
        }
        let cluster = Self { nodes };
        let end = Instant::now() + PATIENCE;
        while !cluster.is_whole() {
            assert!(
                Instant::now() < end,
                "the cluster does not form: {}",
                cluster.nodes[0].command("CLUSTER INFO")
            );
            sleep(Duration::from_millis(50));
        }
        cluster
    }

    fn is_whole(&self) -> bool {
        self.nodes.iter().all(|node| {
            let info = node.command("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_size:3")
        })
    }

    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }
}
