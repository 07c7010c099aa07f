//! The HTTP interface's settings.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer, Serialize};

/// Bounds of the bounds of time.
const LEAST_TIME: Duration = Duration::from_millis(10);
const MOST_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The HTTP interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    pub listen: String,
    pub open: bool,
    #[serde(deserialize_with = "texts")]
    pub api_keys: Vec<String>,
    pub api_keys_file: PathBuf,
    #[serde(deserialize_with = "texts")]
    pub admin_keys: Vec<String>,
    pub admin_keys_file: PathBuf,
    pub token_secret: String,
    pub token_secret_file: PathBuf,
    pub session_days: f64,
    pub behind_tls: bool,
    pub demo_readers: bool,
    pub requests_per_second: f64,
    pub burst: u32,
    pub key_requests_per_second: f64,
    pub key_burst: u32,
    #[serde(deserialize_with = "texts")]
    pub cors_origins: Vec<String>,
    pub connections: usize,
    pub header_seconds: f64,
    pub body_seconds: f64,
    pub write_seconds: f64,
}

impl HttpConfig {
    /// The keys for reader-facing endpoints, of the configuration and of its file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all_api_keys(&self) -> anyhow::Result<Vec<String>> {
        with_file(&self.api_keys, &self.api_keys_file, "http.api_keys_file")
    }

    /// The keys for the operator's endpoints, of the configuration and of its file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all_admin_keys(&self) -> anyhow::Result<Vec<String>> {
        with_file(&self.admin_keys, &self.admin_keys_file, "http.admin_keys_file")
    }

    /// What readers' tokens are signed with; `None` where nothing is configured.
    ///
    /// # Errors
    /// When the file cannot be read or holds nothing, or when both are given.
    pub fn secret_of_tokens(&self) -> anyhow::Result<Option<String>> {
        let file = &self.token_secret_file;
        if file.as_os_str().is_empty() {
            return Ok(Some(self.token_secret.clone()).filter(|secret| !secret.is_empty()));
        }
        if !self.token_secret.is_empty() {
            bail!("read the configuration: give http.token_secret or http.token_secret_file, not both");
        }
        let text = fs::read_to_string(file)
            .with_context(|| format!("read http.token_secret_file {}", file.display()))?;
        match text.trim() {
            "" => bail!("read http.token_secret_file {}: it is empty", file.display()),
            secret => Ok(Some(secret.to_owned())),
        }
    }

    /// How long a reader stays signed in: at least a second, at most 400 days, which is what browsers keep a cookie for.
    pub fn session_time(&self) -> Duration {
        let longest = Duration::from_secs(400 * 24 * 60 * 60);
        let time = Duration::try_from_secs_f64(self.session_days * 86_400.0).unwrap_or_default();
        time.clamp(Duration::from_secs(1), longest)
    }

    /// How long the head of a request may take to come.
    pub fn header_time(&self) -> Duration {
        some_time(self.header_seconds)
    }

    /// How long a body may take to come.
    pub fn body_time(&self) -> Duration {
        some_time(self.body_seconds)
    }

    /// How long an answer may be left unread.
    pub fn write_time(&self) -> Duration {
        some_time(self.write_seconds)
    }

    /// Masks what must not be shown.
    pub(super) fn mask(&mut self) {
        for key in self.api_keys.iter_mut().chain(&mut self.admin_keys) {
            *key = "***".into();
        }
        if !self.token_secret.is_empty() {
            self.token_secret = "***".into();
        }
    }
}

/// A bound of time. None at all would refuse every client.
fn some_time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default().clamp(LEAST_TIME, MOST_TIME)
}

/// Keys of the configuration and those of a file: one a line, with blank lines and lines that begin with # left out.
fn with_file(given: &[String], file: &Path, setting: &str) -> anyhow::Result<Vec<String>> {
    let mut keys = given.to_vec();
    if !file.as_os_str().is_empty() {
        let text = fs::read_to_string(file).with_context(|| format!("read {setting} {}", file.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let before = keys.len();
        keys.extend(lines.map(String::from));
        if keys.len() == before {
            bail!("read {setting} {}: there is no key in it", file.display());
        }
    }
    Ok(keys)
}

/// A list of texts, or one text with commas between them, as a variable gives it.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::List(list) => list,
        Given::Text(text) => {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn keys_come_as_a_list_as_one_text_and_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# the shop\nthird\n\n  fourth  \n").unwrap();
        let flags = [
            ("http.api_keys", "first, second".to_string()),
            ("http.api_keys_file", file.path().display().to_string()),
            ("http.token_secret_file", file.path().display().to_string()),
        ];
        let mut http = Config::load(None, &flags).unwrap().http;
        assert_eq!(http.all_api_keys().unwrap(), ["first", "second", "third", "fourth"]);
        assert!(http.all_admin_keys().unwrap().is_empty());
        assert!(http.secret_of_tokens().unwrap().unwrap().starts_with("# the shop"));
        http.token_secret = "x".into();
        assert!(http.secret_of_tokens().unwrap_err().to_string().contains("not both"));
        std::fs::write(file.path(), "# none yet\n").unwrap();
        assert!(http.all_api_keys().unwrap_err().to_string().contains("no key in it"));
    }
}
