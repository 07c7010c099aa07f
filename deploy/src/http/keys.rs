//! Who may ask for what: keys of servers and operators, tokens of readers.

use std::path::Path;

use abovefold_schemas::{ReaderId, Timestamp};
use anyhow::bail;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION, request::Parts},
};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

use super::{
    limits::Client,
    problem::Problem,
    sessions::Sessions,
    token::{Refused, TokenSecret},
};
use crate::config::HttpConfig;

/// The shortest key and the shortest secret that are taken, in bytes.
const LEAST_KEY: usize = 16;
const LEAST_SECRET: usize = 32;

/// What the configuration says of keys.
#[derive(Debug)]
pub struct Keys {
    /// Of this process alone: keys are kept and compared as their signatures under it, so that the comparison takes the same time whatever
    /// is presented.
    disguise: hmac::Key,
    api: Vec<hmac::Tag>,
    admin: Vec<hmac::Tag>,
    tokens: Option<TokenSecret>,
    sessions: Sessions,
}

/// Who asks. Found by the guard for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular, where no key is configured.
    Anyone,
    /// The holder of a reader's token, or of a session.
    Reader(ReaderId),
    /// One of the publisher's servers.
    Server,
    /// An operator.
    Operator,
}

impl Caller {
    /// Whether a reader may be read and written.
    pub(super) fn may_act_for(&self, reader: &ReaderId) -> Result<(), Problem> {
        match self {
            Self::Anyone | Self::Server | Self::Operator => Ok(()),
            Self::Reader(own) if own == reader => Ok(()),
            Self::Reader(own) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("this token or session is of the reader {own} and of no other"),
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // The guard is before every route; without it nobody gets in.
        let unknown = || Problem::new(StatusCode::UNAUTHORIZED, "nobody looked at who asks");
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

/// What came in the header `Authorization`.
#[derive(Debug)]
pub(super) enum Presented {
    Nothing,
    /// Who it is, and whose requests this one is counted with.
    Known(Caller, Client),
    Refused(Problem),
}

impl Keys {
    /// What the configuration and its files hold.
    ///
    /// # Errors
    /// When a file cannot be read, or a key or the secret is too short.
    pub fn load(config: &HttpConfig) -> anyhow::Result<Self> {
        let mut random = [0; 32];
        if SystemRandom::new().fill(&mut random).is_err() {
            bail!("draw a random number: the system has none");
        }
        let disguise = hmac::Key::new(hmac::HMAC_SHA256, &random);
        let (api, admin) = (config.all_api_keys()?, config.all_admin_keys()?);
        for (setting, keys) in [("http.api_keys", &api), ("http.admin_keys", &admin)] {
            if let Some(place) = keys.iter().position(|key| key.len() < LEAST_KEY) {
                bail!(
                    "read the configuration: key {} of {setting} has less than {LEAST_KEY} characters; `openssl rand -hex 32` makes one",
                    place + 1
                );
            }
        }
        let secret = config.secret_of_tokens()?;
        if secret.as_ref().is_some_and(|secret| secret.len() < LEAST_SECRET) {
            bail!(
                "read the configuration: http.token_secret has less than {LEAST_SECRET} characters; `openssl rand -hex 32` makes one"
            );
        }
        let disguised =
            |keys: Vec<String>| keys.iter().map(|key| hmac::sign(&disguise, key.as_bytes())).collect();
        let (api, admin) = (disguised(api), disguised(admin));
        let sessions = Sessions::new(config, secret.as_deref())?;
        Ok(Self { api, admin, tokens: secret.map(|secret| TokenSecret::new(&secret)), sessions, disguise })
    }

    /// Keeps what sessions are signed with in a home, where the configuration has no secret.
    ///
    /// # Errors
    /// When the home's secret cannot be read or made.
    pub(super) fn keep_secret_in(&mut self, home: &Path) -> anyhow::Result<()> {
        self.sessions.keep_secret_in(home)
    }

    /// What makes sessions and knows them again.
    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What readers' tokens are signed with, if anything.
    pub fn tokens(&self) -> Option<&TokenSecret> {
        self.tokens.as_ref()
    }

    /// Whether what readers are shown and do asks for a key or a token.
    pub fn are_for_readers(&self) -> bool {
        !self.api.is_empty() || self.tokens.is_some()
    }

    /// Whether the operator's endpoints ask for a key.
    pub fn are_for_operators(&self) -> bool {
        !self.admin.is_empty() || self.are_for_readers()
    }

    /// In words, for the log and `check`.
    pub fn in_words(&self) -> String {
        match (self.are_for_readers(), self.are_for_operators()) {
            (false, false) => "open: whoever reaches the port may read and write for every reader".into(),
            (false, true) => "readers' endpoints are open, the operator's ask for a key".into(),
            (true, _) => {
                let tokens = if self.tokens.is_some() { "readers' tokens" } else { "no readers' tokens" };
                format!("{} keys of servers, {} of operators, {tokens}", self.api.len(), self.admin.len())
            }
        }
    }

    /// Who presents what these headers hold.
    pub(super) fn presented(&self, headers: &HeaderMap, now: Timestamp) -> Presented {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (Some(first), second) = (given.next(), given.next()) else { return Presented::Nothing };
        let unauthorized = |detail: &str| Presented::Refused(Problem::new(StatusCode::UNAUTHORIZED, detail));
        if second.is_some() {
            return unauthorized("there are several headers Authorization");
        }
        let bearer = first.to_str().ok().and_then(|text| {
            let (scheme, credential) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
        });
        let Some(bearer) = bearer else { return unauthorized("the header Authorization is no `Bearer ...`") };
        if let Some(number) = self.place(&self.admin, bearer) {
            return Presented::Known(Caller::Operator, Client::Key(self.api.len() + number));
        }
        if let Some(number) = self.place(&self.api, bearer) {
            return Presented::Known(Caller::Server, Client::Key(number));
        }
        match self.tokens.as_ref().map(|tokens| tokens.reader(bearer, now)) {
            Some(Ok(reader)) => Presented::Known(Caller::Reader(reader.clone()), Client::Reader(reader)),
            Some(Err(Refused::Expired)) => unauthorized("the token has expired; get a new one"),
            Some(Err(Refused::Unknown)) | None => unauthorized("this key or token is not known here"),
        }
    }

    /// Looks at all of them, also after one that fits.
    fn place(&self, keys: &[hmac::Tag], presented: &str) -> Option<usize> {
        let is = |tag: &hmac::Tag| hmac::verify(&self.disguise, presented.as_bytes(), tag.as_ref()).is_ok();
        keys.iter().enumerate().fold(None, |found, (number, tag)| if is(tag) { Some(number) } else { found })
    }
}
