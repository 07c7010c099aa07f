//! Real Kafka, Redis and Elasticsearch, started by the project's own scripts in folders that go away.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tempfile::TempDir;

#[path = "../../../engine/tests/common/ports.rs"]
mod ports;

pub use ports::free_port;

/// A running server, stopped when dropped (and soon after this process ends, however it does).
pub struct Server {
    script: PathBuf,
    folder: TempDir,
    pub port: u16,
    settings: Vec<String>,
}

impl Server {
    /// Kafka; `Err` says why there is none on this machine.
    pub fn kafka() -> Result<Self, String> {
        Self::start("kafka.sh", &[])
    }

    /// One Kafka for the tests of a file that run at the same time; the last one stops it.
    pub fn shared_kafka() -> Result<Arc<Self>, String> {
        static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut place = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = place.upgrade() {
            return Ok(server);
        }
        let started = Arc::new(Self::kafka()?);
        *place = Arc::downgrade(&started);
        Ok(started)
    }

    /// Redis with further settings.
    pub fn redis_with(settings: &[&str]) -> Result<Self, String> {
        Self::start("redis.sh", settings)
    }

    /// A Redis Cluster of three primaries with a replica each, on six ports from its own on.
    pub fn redis_cluster() -> Result<Self, String> {
        // Somebody else may take one of so many ports meanwhile.
        let mut last = String::new();
        for _ in 0..4 {
            let server = Self::prepared("redis-cluster.sh", free_ports(6), &["1"]);
            match server.launch() {
                Ok(()) => return Ok(server),
                Err(said) if is_missing(&said) => return Err(said),
                Err(said) => last = said,
            }
        }
        panic!("no Redis Cluster starts: {last}");
    }

    /// Redis with many databases.
    pub fn redis() -> Result<Self, String> {
        Self::start("redis.sh", &["--databases", "128"])
    }

    pub fn elasticsearch() -> Result<Self, String> {
        Self::start("elasticsearch.sh", &[])
    }

    fn start(script: &str, settings: &[&str]) -> Result<Self, String> {
        let server = Self::prepared(script, free_port(), settings);
        server.start_again()?;
        Ok(server)
    }

    fn prepared(script: &str, port: u16, settings: &[&str]) -> Self {
        Self {
            script: Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(script),
            folder: TempDir::new().unwrap(),
            port,
            settings: settings.iter().map(ToString::to_string).collect(),
        }
    }

    /// Starts it in its folder and on its port.
    pub fn start_again(&self) -> Result<(), String> {
        let started = self.launch();
        if let Err(said) = &started {
            assert!(is_missing(said), "{} does not start: {said}", self.script.display());
        }
        started
    }

    fn launch(&self) -> Result<(), String> {
        let output = self
            .script("start")
            .arg(self.port.to_string())
            .args(&self.settings)
            .env("ABOVEFOLD_SERVERS_FOR", std::process::id().to_string())
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Stops it; what it holds stays.
    pub fn stop(&self) {
        self.script("stop").output().unwrap();
    }

    /// What it holds.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a signal to it, or to one of its nodes (a folder below its own).
    pub fn signal(&self, node: &str, name: &str) {
        let pid = std::fs::read_to_string(self.folder().join(node).join("pid")).unwrap();
        let sent = Command::new("kill").args([&format!("-{name}"), pid.trim()]).status().unwrap();
        assert!(sent.success(), "kill -{name} {pid}");
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) {
        self.signal("", "KILL");
        // The script waits for the end of what it stops, and removes what tells that it runs.
        self.stop();
    }

    /// Starts a node of a Cluster again, in its folder and on its port.
    pub fn start_node_again(&self, node: u16) {
        let port = (self.port + node).to_string();
        let output = self
            .script("again")
            .args([node.to_string(), port])
            .env("ABOVEFOLD_SERVERS_FOR", std::process::id().to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "node {node}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn script(&self, action: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg(&self.script).arg(action).arg(self.folder.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A panic here would hide the one that ends the test.
        self.script("stop").output().ok();
    }
}

/// Whether a script says that this machine lacks what it would start.
fn is_missing(said: &str) -> bool {
    ["make setup", "install ", "no java", "no redis-server"].iter().any(|sign| said.contains(sign))
}

/// The first of so many ports in a row that were free a moment ago, and as many 10,000 above them.
fn free_ports(count: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..1_000)
        .map(|_| free_port())
        .find(|first| (*first..first + count).all(|port| is_free(port) && is_free(port + 10_000)))
        .unwrap()
}

/// Asks Kafka by one of its own tools (`kafka-topics.sh`, `kafka-groups.sh`), and returns its answer.
pub fn kafka_tool(tool: &str, port: u16, words: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(tool);
    let output = Command::new("bash").arg(script).arg(port.to_string()).args(words).output().unwrap();
    assert!(output.status.success(), "{tool} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// kcat, a client of Kafka that is not ours; `Err` says that there is none.
pub fn kcat() -> Result<PathBuf, String> {
    let named = std::env::var_os("ABOVEFOLD_KCAT").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = named.into_iter().chain(std::env::split_paths(&path).map(|folder| folder.join("kcat")));
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| "no kcat: install kcat".to_owned())
}

/// Sends lines `KEY\tVALUE` to a topic as kcat does, placed as Kafka's own client places them.
pub fn produce(kcat: &Path, port: u16, topic: &str, records: &[(String, String)]) {
    use std::io::Write;
    let mut child = Command::new(kcat)
        .args(["-P", "-q", "-b", &format!("127.0.0.1:{port}"), "-t", topic, "-K", "\t"])
        .args(["-X", "topic.partitioner=murmur2_random", "-X", "acks=all"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for (key, value) in records {
        writeln!(input, "{key}\t{value}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "kcat: {}", String::from_utf8_lossy(&output.stderr));
}

/// Asks Redis by `redis-cli`, and returns its answer.
pub fn redis_cli(port: u16, database: u32, words: &[&str]) -> String {
    let (port, database) = (port.to_string(), database.to_string());
    let output = Command::new("redis-cli").args(["-p", &port, "-n", &database]).args(words).output().unwrap();
    assert!(output.status.success(), "redis-cli {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
