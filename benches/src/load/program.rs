//! The program under load, in a process of its own.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use serde_json::Value;

use super::Options;

/// A running program.
#[derive(Debug)]
pub struct Program {
    /// Where it answers, without a slash at the end.
    pub url: String,
    child: Option<Child>,
}

impl Program {
    /// Starts `run` over the options' edges, and waits until it answers; or takes the one that is up.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        if let Some(url) = &options.url {
            return Ok(Self { url: url.trim_end_matches('/').into(), child: None });
        }
        let said = options.home.join("load-program.log");
        let mut child = Command::new(&options.program)
            .args(["run", "--listen", "127.0.0.1:0"])
            .args(options.flags())
            .stdout(Stdio::piped())
            .stderr(File::create(&said).with_context(|| format!("write {}", said.display()))?)
            .spawn()
            .with_context(|| format!("start {}: build it by `make build`", options.program.display()))?;
        let output = child.stdout.take().context("its output is piped")?;
        let (sender, lines) = std::sync::mpsc::channel();
        // Read to the end, so that the program never waits for somebody to read.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let found = tokio::task::spawn_blocking(move || {
            lines.iter().find_map(|line| Some(line[line.find("http://")?..].trim_end_matches('/').to_owned()))
        });
        match found.await? {
            Some(url) => Ok(Self { url, child: Some(child) }),
            None => bail!("start {}: it ended; see {}", options.program.display(), said.display()),
        }
    }

    /// Waits until everything in the log is folded, every article can be found, and no graph is missing that will be there.
    ///
    /// # Errors
    /// When the program stops answering.
    pub async fn wait_until_folded(&self, options: &Options) -> anyhow::Result<()> {
        let client = reqwest::Client::new();
        let mut said = String::new();
        loop {
            let lag = self.lag(options)?;
            let health: Value = client
                .get(format!("{}/health", self.url))
                .send()
                .await?
                .json()
                .await
                .context("GET /health")?;
            let articles = health["edges"]["articles"]["detail"].as_str().unwrap_or_default();
            let all = articles.contains(&format!("{} articles", options.articles_count));
            let graph = !articles.starts_with("embedded")
                || articles.ends_with("graph")
                || options.articles_count < 20_000;
            if lag == 0 && all && graph {
                return Ok(());
            }
            let now = format!("{lag} events to fold; {articles}");
            if now != said {
                eprintln!("{now}");
                said = now;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    fn lag(&self, options: &Options) -> anyhow::Result<u64> {
        let output = Command::new(&options.program)
            .args(["inspect", "lag", "--json"])
            .args(options.flags())
            .output()
            .with_context(|| format!("run {}", options.program.display()))?;
        let lag: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("inspect lag: {}", String::from_utf8_lossy(&output.stderr)))?;
        lag["lag"].as_u64().context("inspect lag: there is no number in its answer")
    }

    /// Its resident memory in MB, where it was started here.
    pub fn resident(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.as_ref()?.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()? / 1024.0)
    }

    /// The processor time that it has taken, in seconds, where it was started here.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.as_ref()?.id())).ok()?;
        // After the name in brackets, which may hold blanks: state is the 3rd field, utime and stime the 14th and 15th, in hundredths.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        Some((fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?) / 100.0)
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When it cannot be told to end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        Command::new("kill").arg(child.id().to_string()).status().context("tell the program to end")?;
        child.wait().context("wait for the program's end")?;
        Ok(())
    }
}

impl Drop for Program {
    /// A run that failed leaves nothing behind.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
