//! The nodes that a URL names.

/// Whether a URL names a Cluster, and a URL for each node that it names.
pub(super) fn addresses(url: &str) -> Option<(bool, Vec<String>)> {
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, cluster) = match scheme {
        "redis" | "rediss" => (scheme, false),
        "redis+cluster" => ("redis", true),
        "rediss+cluster" => ("rediss", true),
        _ => return None,
    };
    if !cluster {
        return Some((false, vec![url.to_owned()]));
    }
    let (credentials, hosts) = match rest.rsplit_once('@') {
        Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
        None => (String::new(), rest),
    };
    // A Cluster has one database, which has no number.
    let hosts = hosts.trim_end_matches('/').trim_end_matches("/0");
    let whole = |host: &str| !host.is_empty() && !host.contains('/');
    let nodes = hosts.split(',').map(str::trim);
    nodes
        .clone()
        .all(whole)
        .then(|| (true, nodes.map(|host| format!("{scheme}://{credentials}{host}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_its_nodes() {
        let nodes = |url| addresses(url).map(|(cluster, nodes)| (cluster, nodes.join(" ")));
        assert_eq!(nodes("redis://h:1/2"), Some((false, "redis://h:1/2".to_owned())));
        let cluster = nodes("redis+cluster://me:p@a:1,b:2/0");
        assert_eq!(cluster, Some((true, "redis://me:p@a:1 redis://me:p@b:2".to_owned())));
        assert_eq!(nodes("rediss+cluster://a:1"), Some((true, "rediss://a:1".to_owned())));
        assert_eq!(nodes("redis+cluster://a:1,"), None);
        assert_eq!(nodes("redis+cluster://a:1/3"), None);
        assert_eq!(nodes("http://a:1"), None);
    }
}
