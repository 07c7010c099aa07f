//! Where the server is, and how it is spoken to: URL, credentials, certificates.

use std::{fmt, path::Path};

use abovefold_engine::{EngineError, Result};
use elasticsearch::{
    auth::Credentials,
    cert::{Certificate, CertificateValidation},
    http::{
        Url,
        transport::{SingleNodeConnectionPool, Transport, TransportBuilder},
    },
};

use super::super::ArticleSettings;

/// A server and an alias on it, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The server, such as `https://search:9200/`.
    base: Url,
    /// The alias that stands before the index.
    pub(super) alias: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, self.alias)
    }
}

/// Reads `http(s)://[user:password@]host:port/index` and makes what speaks to it. Nothing is sent yet.
pub(super) fn connect(url: &str, settings: &ArticleSettings) -> Result<(Address, Transport)> {
    let (address, in_url) = parse(url)?;
    let tried = || format!("speak to Elasticsearch at {address}");
    // A search server stands beside the program; a proxy that the environment names for the web is not on the way to it.
    let mut builder =
        TransportBuilder::new(SingleNodeConnectionPool::new(address.base.clone())).disable_proxy();
    if let Some(credentials) =
        credentials(in_url, settings).map_err(|reason| EngineError::user(tried(), reason))?
    {
        builder = builder.auth(credentials);
    }
    if let Some(file) = &settings.ca_certificate {
        let certificate = read_certificate(file).map_err(|reason| EngineError::user(tried(), reason))?;
        builder = builder.cert_validation(CertificateValidation::Full(certificate));
    }
    let transport = builder.build().map_err(|error| EngineError::user(tried(), error.to_string()))?;
    Ok((address, transport))
}

fn parse(url: &str) -> Result<(Address, Option<(String, String)>)> {
    // Not even a part of the URL is shown: what cannot be read may be a password.
    let refuse = |reason: String| {
        EngineError::user(
            "open the articles in Elasticsearch",
            format!("{reason}: write http(s)://[user:password@]host:port/index"),
        )
    };
    let mut base = Url::parse(url).map_err(|error| refuse(format!("the URL cannot be read, {error}")))?;
    let path = base.path().trim_matches('/').to_owned();
    let (prefix, alias) =
        path.rsplit_once('/').map_or(("", path.as_str()), |(prefix, alias)| (prefix, alias));
    check_name(alias).map_err(refuse)?;
    let user = decode(base.username());
    let password = decode(base.password().unwrap_or_default());
    let in_url = (!user.is_empty()).then_some((user, password));
    // These fail only for URLs that have no host, and a http URL has one.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base.set_path(&if prefix.is_empty() { "/".to_owned() } else { format!("/{prefix}/") });
    base.set_query(None);
    base.set_fragment(None);
    Ok((Address { base, alias: alias.to_owned() }, in_url))
}

/// Elasticsearch's rules for names, as far as they can be kept apart from a URL's.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || "-_.".contains(character)
    };
    match name.chars().next() {
        None => Err("the URL names no index".into()),
        Some('-' | '_' | '.') => Err(format!("the index {name} begins with a sign")),
        _ if name.len() > 200 => Err("the index's name is longer than 200 bytes".into()),
        _ if !name.chars().all(fits) => Err(format!("the index {name} holds more than a-z, 0-9, -, _ and .")),
        _ => Ok(()),
    }
}

fn credentials(
    in_url: Option<(String, String)>,
    settings: &ArticleSettings,
) -> Result<Option<Credentials>, String> {
    if let Some(key) = &settings.api_key {
        // The client would panic on a key that cannot stand in a header.
        if key.is_empty() || !key.chars().all(|character| character.is_ascii_graphic()) {
            return Err("api_key is no Base64 text: give what Elasticsearch calls `encoded`".into());
        }
        return Ok(Some(Credentials::EncodedApiKey(key.clone())));
    }
    let from_settings = || Some((settings.user.clone()?, settings.password.clone().unwrap_or_default()));
    Ok(in_url.or_else(from_settings).map(|(user, password)| Credentials::Basic(user, password)))
}

fn read_certificate(file: &Path) -> Result<Certificate, String> {
    let shown = file.display();
    let bytes =
        std::fs::read(file).map_err(|error| format!("ca_certificate {shown} cannot be read: {error}"))?;
    Certificate::from_pem(&bytes)
        .map_err(|error| format!("ca_certificate {shown} is no PEM certificate: {error}"))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_up_its_password_and_shows_the_rest() {
        let (address, in_url) = parse("https://elastic:p%40ss%3Aw%2Frd@search:9200/proxied/news-1").unwrap();
        assert_eq!(in_url, Some(("elastic".into(), "p@ss:w/rd".into())));
        assert_eq!(address.alias, "news-1");
        assert_eq!(address.to_string(), "https://search:9200/proxied/news-1");
        assert_eq!(parse("http://127.0.0.1:9200/news").unwrap().1, None);
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, words) in [
            ("http://u:SECRET@host:9200", "names no index"),
            ("http://u:SECRET@host:9200/", "names no index"),
            ("http://u:SECRET@host:9200/News", "holds more than"),
            ("http://u:SECRET@host:9200/_all", "begins with a sign"),
            ("http://u:SECRET@host:port/news", "cannot be read"),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_certificate_that_is_missing_and_a_key_that_is_none_are_refused() {
        let settings =
            ArticleSettings { ca_certificate: Some("/no/such.pem".into()), ..ArticleSettings::default() };
        let error = connect("https://host:9200/news", &settings).unwrap_err();
        assert!(error.to_string().contains("ca_certificate /no/such.pem cannot be read"), "{error}");
        let settings = ArticleSettings { api_key: Some("SECRET\n".into()), ..ArticleSettings::default() };
        let error = connect("https://host:9200/news", &settings).unwrap_err().to_string();
        assert!(error.contains("api_key is no Base64 text") && !error.contains("SECRET"), "{error}");
    }
}
