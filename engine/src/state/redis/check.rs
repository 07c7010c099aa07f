//! Whether a server keeps what it is given.

use redis::Value as Reply;

use super::wire::Wire;
use crate::error::{EngineError, Result};

/// Says in words what is there, or refuses it.
pub(super) async fn check(wire: &Wire) -> Result<String> {
    let tried = format!("use the state store {}", wire.shown());
    let mut answers = Vec::new();
    for reply in wire.ask_all("ask for INFO", &redis::cmd("INFO")).await? {
        let text = match reply {
            Reply::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Reply::SimpleString(text) | Reply::VerbatimString { text, .. } => text,
            other => return Err(wire.strange("ask for INFO", &other)),
        };
        answers.push(judge(&text, wire.is_cluster()).map_err(|reason| EngineError::user(&tried, reason))?);
        if let Some(reason) = is_full(&text) {
            return Err(EngineError::outside(&tried, reason));
        }
    }
    let Some(first) = answers.first() else {
        return Err(EngineError::outside(tried, "no primary answers"));
    };
    Ok(if wire.is_cluster() { format!("{first}, {} primaries", answers.len()) } else { first.clone() })
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim()
}

/// Says so where a server has no memory left to take an epoch, and evicts nothing to get some.
fn is_full(info: &str) -> Option<String> {
    let number = |name: &str| field(info, name).parse::<u64>().ok();
    let (used, limit) = (number("used_memory")?, number("maxmemory")?);
    (limit > 0 && used >= limit && field(info, "maxmemory_policy") == "noeviction").then(|| {
        format!(
            "it is out of memory, with {used} bytes of {limit}: nothing is written until maxmemory is raised"
        )
    })
}

/// Reads what a server says about itself.
fn judge(info: &str, wants_cluster: bool) -> Result<String, String> {
    let field = |name: &str| field(info, name);
    let version = field("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 7) {
        return Err(format!("it is Redis {version}, and at least 7 is needed"));
    }
    let role = field("role");
    if role != "master" {
        return Err(format!("the server's role is {role}: name the primary"));
    }
    if field("cluster_enabled") == "1" && !wants_cluster {
        return Err("the server is part of a Cluster: write redis+cluster://".to_owned());
    }
    // A volatile policy evicts keys with a time to live, which here are caches.
    let policy = field("maxmemory_policy");
    if policy.starts_with("allkeys") && field("maxmemory") != "0" {
        return Err(format!(
            "its maxmemory-policy {policy} may evict state: set maxmemory-policy noeviction"
        ));
    }
    let kept = if field("aof_enabled") == "1" {
        ""
    } else {
        ", no append-only file (a restart reads the log again)"
    };
    let name = if wants_cluster { "Redis Cluster" } else { "Redis" };
    Ok(format!("{name} {version}, {policy}{kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, role: &str, policy: &str, memory: &str, cluster: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nrole:{role}\r\nmaxmemory_policy:{policy}\r\nmaxmemory:{memory}\r\n\
             cluster_enabled:{cluster}\r\naof_enabled:1\r\n"
        )
    }

    #[test]
    fn only_a_primary_that_keeps_its_keys_will_do() {
        assert_eq!(
            judge(&info("7.0.15", "master", "noeviction", "100", "0"), false).unwrap(),
            "Redis 7.0.15, noeviction"
        );
        assert!(judge(&info("8.2.1", "master", "volatile-lru", "100", "0"), false).is_ok());
        assert!(judge(&info("7.0.15", "master", "allkeys-lru", "0", "0"), false).is_ok());
        assert!(judge(&info("7.0.15", "master", "allkeys-lru", "100", "0"), false).is_err());
        assert!(judge(&info("6.2.1", "master", "noeviction", "0", "0"), false).is_err());
        assert!(judge(&info("7.0.15", "slave", "noeviction", "0", "0"), false).is_err());
        assert!(judge(&info("7.0.15", "master", "noeviction", "0", "1"), false).is_err());
        assert!(judge("", false).is_err());
    }

    #[test]
    fn a_server_without_memory_says_so() {
        let with = |used: &str, limit: &str, policy: &str| {
            is_full(&format!("{}used_memory:{used}\r\n", info("7.0.15", "master", policy, limit, "0")))
        };
        assert!(with("100", "100", "noeviction").unwrap().contains("out of memory"));
        assert_eq!(with("99", "100", "noeviction"), None);
        assert_eq!(with("99", "0", "noeviction"), None);
        assert_eq!(with("101", "100", "volatile-lru"), None);
        assert_eq!(is_full(""), None);
    }
}
