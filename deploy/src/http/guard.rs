//! Before every route: who asks, whether it may, and whether it asks for too much.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use abovefold_engine::Runtime;
use abovefold_schemas::Timestamp;
use anyhow::bail;
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    deadline::TIMEOUT_HEADER,
    keys::{Caller, Keys, Presented},
    limits::{Client, Limits, Rate},
    origin,
    problem::Problem,
    sessions::{Sessions, SignedIn},
};
use crate::config::HttpConfig;

/// How long a browser may remember what another origin may ask for.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// The address that a request came from, put into its extensions by the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Keys, limits, and origins that may ask.
#[derive(Debug)]
pub struct Guard {
    runtime: Runtime,
    keys: Keys,
    limits: Limits,
    origins: Vec<HeaderValue>,
    demo_readers: bool,
}

/// What a route asks of who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: the site's files, whether the program is well, how the interface is described, and who is signed in.
    Nothing,
    /// Nothing, but it is counted: a page of the newspaper with its content, which is left out for whoever may not read it.
    Page,
    /// A key, or a reader's token.
    Reader,
    /// An operator's key.
    Operator,
}

impl Need {
    /// That of a route; what is not named here is for readers, so that a new route is guarded.
    pub(super) fn of(route: Option<&str>, method: &Method) -> Self {
        match route {
            // The frame of the operations page holds no numbers.
            None | Some("/health" | "/openapi.json" | "/docs" | "/ops" | super::docs::STYLE_PATH) => {
                Self::Nothing
            }
            Some("/" | "/article/{article_id}" | "/section/{name}" | "/search") => Self::Page,
            // Signed in, one may be asked who one is, and sign out; to sign in takes a key or a token.
            Some(super::session::PATH) if method != Method::POST => Self::Nothing,
            Some("/ops/plain" | "/metrics") => Self::Operator,
            // Deleted, it is the reader of that name.
            Some("/users/active") if method != Method::DELETE => Self::Operator,
            Some(route) if route == "/admin" || route.starts_with("/admin/") => Self::Operator,
            Some(_) => Self::Reader,
        }
    }
}

impl Guard {
    /// As the configuration says.
    ///
    /// # Errors
    /// When a key, the secret or an origin is none, or their file cannot be read.
    pub fn new(config: &HttpConfig, runtime: Runtime) -> anyhow::Result<Self> {
        let origin = |text: &String| match (HeaderValue::from_str(text), text.split_once("://")) {
            (Ok(value), Some((_, host))) if !host.is_empty() && !host.contains(['/', '*']) => Ok(value),
            _ => bail!(
                "read the configuration: http.cors_origins holds {text:?}, which is no origin such as https://news.example"
            ),
        };
        Ok(Self {
            runtime,
            keys: Keys::load(config)?,
            limits: Limits::new(
                Rate::new(config.requests_per_second, config.burst),
                Rate::new(config.key_requests_per_second, config.key_burst),
            ),
            origins: config.cors_origins.iter().map(origin).collect::<anyhow::Result<_>>()?,
            demo_readers: config.demo_readers,
        })
    }

    /// Keeps what sessions are signed with in a home, so that they outlive this process, where the configuration has no secret. A home that
    /// cannot be written is no reason not to serve: sessions then end with the process.
    pub fn with_home(mut self, home: &Path) -> Self {
        if let Err(error) = self.keys.keep_secret_in(home) {
            tracing::warn!("readers are signed out at the next start: {error:#}");
        }
        self
    }

    /// What makes sessions and knows them again.
    pub(super) fn sessions(&self) -> &Sessions {
        self.keys.sessions()
    }

    /// Whether anybody may take any reader's name.
    pub(super) fn is_open(&self) -> bool {
        !self.keys.are_for_readers()
    }

    /// Whether readers of a data folder are shown as accounts to try.
    pub(super) fn shows_demo_readers(&self) -> bool {
        self.is_open() || self.demo_readers
    }

    /// Whether whoever sends these headers may read the newspaper.
    pub(super) fn may_read(&self, headers: &HeaderMap) -> bool {
        let now = self.runtime.now();
        self.is_open()
            || match self.keys.presented(headers, now) {
                Presented::Known(..) => true,
                Presented::Nothing => self.sessions().of(headers, now).is_some(),
                Presented::Refused(_) => false,
            }
    }

    /// Whether it may serve at this address, and says in the log where it is open.
    ///
    /// # Errors
    /// When others can reach the address, and nothing keeps them out.
    pub fn check_address(&self, address: SocketAddr, open: bool) -> anyhow::Result<()> {
        if self.keys.are_for_readers() {
            return Ok(());
        }
        if !address.ip().to_canonical().is_loopback() && !open {
            bail!(
                "listen on {address}: others can reach it, and no keys are configured; set http.api_keys or http.token_secret (README, \
                 \"Keys and limits\"), listen on 127.0.0.1, or set http.open = true where the network itself keeps them out"
            );
        }
        let how = self.keys.in_words();
        match address.ip().to_canonical().is_loopback() {
            true => tracing::info!(%address, "no keys are configured: {how}, on this machine alone"),
            false => tracing::warn!(%address, "no keys are configured: {how}"),
        }
        Ok(())
    }

    /// The answers that other origins' pages get leave to read; `None` where there are no such origins.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        let headers = [header::AUTHORIZATION, header::CONTENT_TYPE, TIMEOUT_HEADER];
        (!self.origins.is_empty()).then(|| {
            CorsLayer::new()
                .allow_origin(AllowOrigin::list(self.origins.clone()))
                .allow_methods([Method::GET, Method::POST, Method::DELETE])
                .allow_headers(headers)
                .max_age(PREFLIGHT)
        })
    }

    /// Who asks by a cookie.
    fn by_session(&self, request: &Request, now: Timestamp) -> Presented {
        let Some(SignedIn { reader, .. }) = self.sessions().of(request.headers(), now) else {
            return Presented::Nothing;
        };
        match origin::check_write(request.method(), request.headers()) {
            Ok(()) => Presented::Known(Caller::Reader(reader.clone()), Client::Reader(reader)),
            Err(problem) => Presented::Refused(problem),
        }
    }

    /// Who asks, or why it may not.
    fn look(&self, request: &Request) -> Result<Caller, Problem> {
        let now = self.runtime.now();
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let need = Need::of(route, request.method());
        let asks = match need {
            Need::Nothing | Need::Page => false,
            Need::Reader => self.keys.are_for_readers(),
            Need::Operator => self.keys.are_for_operators(),
        };
        let presented = match self.keys.presented(request.headers(), now) {
            // Whoever asks as a reader may be signed in; but a session does not make another one.
            Presented::Nothing if asks && need == Need::Reader && route != Some(super::session::PATH) => {
                self.by_session(request, now)
            }
            presented => presented,
        };
        let client = match &presented {
            Presented::Known(_, client) => Some(client.clone()),
            // Guesses are counted, too.
            Presented::Nothing | Presented::Refused(_) => {
                request.extensions().get::<Peer>().and_then(|peer| Client::at(peer.0.ip()))
            }
        };
        // Files and pages cost next to nothing, and behind a proxy many readers' come from one address.
        if need != Need::Nothing
            && let Some(client) = client
        {
            self.limits.count(client, now).map_err(Problem::too_many)?;
        }
        let caller = match (asks, presented) {
            (_, Presented::Known(caller, _)) => caller,
            (false, _) => Caller::Anyone,
            (true, Presented::Refused(problem)) => return Err(problem),
            (true, Presented::Nothing) => {
                let detail =
                    "this asks for a key or a token, as `Authorization: Bearer ...`, or for a session";
                return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
            }
        };
        if need == Need::Operator && asks && caller != Caller::Operator {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "this asks for an operator's key (http.admin_keys)",
            ));
        }
        Ok(caller)
    }
}

/// Lets a request through with who asks among its extensions, or answers it.
pub(super) async fn admit(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    match guard.look(&request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}
