//! A state store by its URL.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{StateStore, embedded::EmbeddedStore, redis::RedisStore};
use crate::error::{EngineError, Result};

/// What a state store is told beside its URL.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// A PEM file with the authorities that sign the servers' certificates (`rediss`); the usual public ones where it is absent.
    pub ca_file: Option<PathBuf>,
    /// How long one attempt at a call may take before it is made again. A call is harmless when repeated.
    pub response_timeout: Duration,
    /// How long it may take to connect.
    pub connect_timeout: Duration,
    /// How often a call is tried while its server is away, busy or changing its role.
    pub attempts: u32,
    /// How much memory the embedded store keeps pages in, in bytes.
    pub cache_bytes: usize,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            ca_file: None,
            response_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            attempts: 5,
            cache_bytes: 128 << 20,
        }
    }
}

/// Opens the store of a URL: `file:DIR`, `redis://[user:password@]host:port/db`, `rediss://...` (TLS),
/// `redis+cluster://[user:password@]host:port,host:port,...` or `rediss+cluster://...`.
///
/// It connects and tries what is there, so that a wrong URL, a locked file and a Redis that may evict are refused here.
pub async fn open(url: &str, settings: &StateSettings) -> Result<Arc<dyn StateStore>> {
    let store: Arc<dyn StateStore> = if let Some(directory) = file_directory(url) {
        if directory.as_os_str().is_empty() {
            return Err(EngineError::user(format!("open the state store {url}"), "name a folder: file:DIR"));
        }
        Arc::new(EmbeddedStore::open(&directory, settings).await?)
    } else if is_redis(url) {
        Arc::new(RedisStore::connect(url, settings).await?)
    } else {
        let reason = "a state store is file:DIR, redis://host:port/db or redis+cluster://host:port,...";
        return Err(EngineError::user(format!("open the state store {}", masked(url)), reason));
    };
    store.check().await?;
    Ok(store)
}

fn file_directory(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

fn is_redis(url: &str) -> bool {
    ["redis://", "rediss://", "redis+cluster://", "rediss+cluster://"]
        .iter()
        .any(|start| url.starts_with(start))
}

/// A URL that may be shown: its password is replaced by `***`.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((credentials, hosts)) = rest.rsplit_once('@') else { return url.to_owned() };
    match credentials.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***@{hosts}"),
        None => format!("{scheme}://{credentials}@{hosts}"),
    }
}

/// Refuses a namespace's name that is not 1 to 64 of `a-z`, `0-9`, `-` and `_`.
pub fn check_namespace(namespace: &str) -> Result<()> {
    let fits = (1..=64).contains(&namespace.len());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if fits && namespace.bytes().all(plain) {
        return Ok(());
    }
    let reason = "a namespace's name is 1 to 64 of the characters a-z, 0-9, - and _";
    Err(EngineError::user(format!("use the namespace {namespace:?}"), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked() {
        assert_eq!(masked("redis://me:p:w@d@h:1/0"), "redis://me:***@h:1/0");
        assert_eq!(masked("redis+cluster://:secret@a:1,b:2"), "redis+cluster://:***@a:1,b:2");
        assert_eq!(masked("redis://h:1/0"), "redis://h:1/0");
        assert_eq!(masked("file:/home/x@y"), "file:/home/x@y");
    }

    #[test]
    fn only_plain_names_are_namespaces() {
        for good in ["main", "green-2", "a_b", "0", &"x".repeat(64)] {
            assert!(check_namespace(good).is_ok(), "{good}");
        }
        for bad in ["", "Main", "a:b", "a}b", "a b", "ä", &"x".repeat(65)] {
            assert!(check_namespace(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_url_of_no_store_is_refused_in_one_line() {
        for url in ["mongodb://me:secret@h/db", "file:", "state"] {
            let error = open(url, &StateSettings::default()).await.expect_err("no such store");
            assert_eq!(error.fault, crate::Fault::User);
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains("secret"), "{text}");
        }
    }
}
