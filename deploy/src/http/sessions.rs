//! Sessions: a cookie that says who is reading, signed like a reader's token and never kept here.
//!
//! A script cannot read it, and a page of another origin cannot use it: it is `HttpOnly` and `SameSite=Strict`, and what it writes has to come
//! from the newspaper's own pages (`origin.rs`).

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use abovefold_schemas::{ReaderId, Timestamp};
use anyhow::{Context, bail};
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

use super::token::{Purpose, TokenSecret};
use crate::config::HttpConfig;

/// The cookie's name.
pub(super) const COOKIE: &str = "abovefold_session";
/// The file of the home that holds the secret where the configuration has none.
const SECRET_FILE: &str = "session_secret";
/// Cookies of the name that are looked at: a browser sends one, or two where another path or domain set one.
const MOST_COOKIES: usize = 4;
/// The shortest secret that is taken from it, in bytes.
const LEAST_SECRET: usize = 32;

/// What makes sessions and knows them again.
#[derive(Debug)]
pub(super) struct Sessions {
    secret: TokenSecret,
    /// Whether the secret is the configuration's own; one of this process alone may still be replaced by one that is kept.
    is_configured: bool,
    lasts: Duration,
    /// Whether readers reach this program by TLS.
    secure: bool,
}

/// A session that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedIn {
    pub(super) reader: ReaderId,
    pub(super) expires: Timestamp,
}

impl Sessions {
    /// As the configuration says; without a secret in it, by a random one that ends with this process.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn new(config: &HttpConfig, secret: Option<&str>) -> anyhow::Result<Self> {
        let own = match secret {
            Some(secret) => secret.to_owned(),
            None => random_secret()?,
        };
        Ok(Self {
            secret: TokenSecret::new(&own),
            is_configured: secret.is_some(),
            lasts: config.session_time(),
            secure: config.behind_tls,
        })
    }

    /// Keeps the secret in a home, so that sessions outlive this process; one that is configured is left alone.
    ///
    /// # Errors
    /// When the home's secret cannot be read or made.
    pub(super) fn keep_secret_in(&mut self, home: &Path) -> anyhow::Result<()> {
        if !self.is_configured {
            self.secret = TokenSecret::new(&kept_secret(home)?);
        }
        Ok(())
    }

    /// The session of a request, if it has one that holds.
    pub(super) fn of(&self, headers: &HeaderMap, now: Timestamp) -> Option<SignedIn> {
        let known = |value: &str| self.secret.verify(Purpose::Session, value, now).ok();
        cookies(headers, COOKIE)
            .take(MOST_COOKIES)
            .find_map(known)
            .map(|(reader, expires)| SignedIn { reader, expires })
    }

    /// A new session, and the header that brings it to the browser.
    pub(super) fn begin(&self, reader: ReaderId, now: Timestamp) -> (SignedIn, String) {
        let lasts = i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX);
        // Whole seconds, as they are signed.
        let expires = Timestamp(now.0.saturating_add(lasts).div_euclid(1_000) * 1_000);
        let value = self.secret.sign_for(Purpose::Session, &reader, expires);
        let header = self.header(&value, self.lasts.as_secs());
        (SignedIn { reader, expires }, header)
    }

    /// The header that removes it.
    pub(super) fn end(&self) -> String {
        self.header("", 0)
    }

    fn header(&self, value: &str, seconds: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }
}

/// The values of all cookies of a name.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

fn random_secret() -> anyhow::Result<String> {
    let mut random = [0; 32];
    if SystemRandom::new().fill(&mut random).is_err() {
        bail!("draw a random number: the system has none");
    }
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// The secret of a home; made where there is none, readable by its owner alone.
fn kept_secret(home: &Path) -> anyhow::Result<String> {
    let path = home.join(SECRET_FILE);
    let doing = || format!("keep the secret of sessions in {}", path.display());
    if let Some(secret) = read_secret(&path).with_context(doing)? {
        return Ok(secret);
    }
    fs::create_dir_all(home).with_context(doing)?;
    let fresh = home.join(format!("{SECRET_FILE}.{}", std::process::id()));
    let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    let written = written.and_then(|mut file| {
        file.write_all(random_secret().map_err(io::Error::other)?.as_bytes())?;
        file.sync_all()
    });
    // A link is made whole or not at all, and never in the place of one that another process was quicker to make.
    let linked = written.and_then(|()| match fs::hard_link(&fresh, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&fresh).ok();
    linked.with_context(doing)?;
    read_secret(&path).with_context(doing)?.with_context(doing)
}

fn read_secret(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().len() >= LEAST_SECRET => Ok(Some(text.trim().to_owned())),
        Ok(_) => bail!("it has less than {LEAST_SECRET} characters: delete it, and a new one is made"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use axum::http::HeaderValue;

    use super::*;
    use crate::config::Config;

    const NOW: Timestamp = Timestamp(1_800_000_000_500);

    fn sessions(change: impl FnOnce(&mut HttpConfig)) -> Sessions {
        let mut http = Config::load(None, &[]).unwrap().http;
        change(&mut http);
        Sessions::new(&http, None).unwrap()
    }

    fn sent(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_session_is_known_again_until_it_expires() {
        let sessions = sessions(|http| http.session_days = 2.0);
        let ann = ReaderId::new("ann; \"ü\"").unwrap();
        let (signed_in, header) = sessions.begin(ann, NOW);
        assert_eq!(signed_in.expires, Timestamp(1_800_172_800_000));
        let (cookie, attributes) = header.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Max-Age=172800; HttpOnly; SameSite=Strict");
        let all = [cookie.to_string(), format!("a=b; {COOKIE}=old; {cookie}; c")];
        for sent in all.iter().map(|cookie| sent(cookie)) {
            assert_eq!(sessions.of(&sent, NOW), Some(signed_in.clone()));
            assert_eq!(sessions.of(&sent, signed_in.expires), None);
        }
        for wrong in [format!("x{cookie}"), format!("{cookie}x"), COOKIE.into(), format!("{COOKIE}=")] {
            assert_eq!(sessions.of(&sent(&wrong), NOW), None, "{wrong}");
        }
        let many = |others: usize| sent(&format!("{}{cookie}", format!("{COOKIE}=x; ").repeat(others)));
        assert!(sessions.of(&many(3), NOW).is_some() && sessions.of(&many(4), NOW).is_none());
        assert!(sessions.end().starts_with("abovefold_session=; Path=/; Max-Age=0; HttpOnly"));
    }

    #[test]
    fn behind_tls_a_cookie_goes_by_no_other_way() {
        let sessions = sessions(|http| http.behind_tls = true);
        assert!(sessions.begin(ReaderId::new("ann").unwrap(), NOW).1.ends_with("; Secure"));
        assert!(sessions.end().ends_with("; Secure"));
    }

    #[test]
    fn a_home_keeps_the_secret_to_its_owner() {
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("new");
        let started = || {
            let mut sessions = sessions(|_| {});
            sessions.keep_secret_in(&inner).unwrap();
            sessions
        };
        let header = started().begin(ReaderId::new("ann").unwrap(), NOW).1;
        let headers = sent(header.split_once(';').unwrap().0);
        assert!(started().of(&headers, NOW).is_some(), "after a restart");
        assert!(sessions(|_| {}).of(&headers, NOW).is_none(), "elsewhere");
        let path = inner.join(SECRET_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "nothing else is left behind");
        fs::write(&path, "short").unwrap();
        let error = format!("{:#}", sessions(|_| {}).keep_secret_in(&inner).unwrap_err());
        assert!(error.contains("delete it") && error.contains(SECRET_FILE), "{error}");
    }
}
