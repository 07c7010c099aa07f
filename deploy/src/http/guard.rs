//! Before every route: who asks, whether it may, and whether it asks for too much.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use abovefold_engine::Runtime;
use anyhow::bail;
use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    deadline::TIMEOUT_HEADER,
    keys::{Caller, Keys, Presented},
    limits::{Client, Limits, Rate},
    problem::Problem,
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
}

/// What a route asks of who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: the site's files, whether the program is well, and how the interface is described.
    Nothing,
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
        })
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

    /// Who asks, or why it may not.
    fn look(&self, request: &Request) -> Result<Caller, Problem> {
        let now = self.runtime.now();
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let need = Need::of(route, request.method());
        let asks = match need {
            Need::Nothing => false,
            Need::Reader => self.keys.are_for_readers(),
            Need::Operator => self.keys.are_for_operators(),
        };
        let presented = self.keys.presented(request.headers(), now);
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
                let detail = "this asks for a key or a token, as `Authorization: Bearer ...`";
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
