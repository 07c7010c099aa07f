//! Calls to a Redis, single or Cluster: connections that mend themselves, time-outs, repeats, and errors in words.

use std::{fmt, sync::LazyLock, time::Duration};

use redis::{
    Client, Cmd, ErrorKind, IntoConnectionInfo, RedisError, Script, ServerErrorKind, TlsCertificates,
    Value as Reply,
    aio::{ConnectionManager, ConnectionManagerConfig},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
    io::tcp::TcpSettings,
};

use super::{
    StateSettings,
    address::addresses,
    failure::{explain, passes, without},
    masked,
    parts::Parts,
};
use crate::error::{EngineError, Result};

/// The pause before the first repeat of a call; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

pub(super) static WRITE_EPOCH: LazyLock<LuaScript> =
    LazyLock::new(|| LuaScript::new(include_str!("write_epoch.lua")));
pub(super) static PUT_DERIVED: LazyLock<LuaScript> =
    LazyLock::new(|| LuaScript::new(include_str!("put_derived.lua")));
pub(super) static CHANGED_SINCE: LazyLock<LuaScript> =
    LazyLock::new(|| LuaScript::new(include_str!("changed_since.lua")));
pub(super) static HURRY: LazyLock<LuaScript> = LazyLock::new(|| LuaScript::new(include_str!("hurry.lua")));

/// A script and the hash by which a server that has seen it knows it.
pub(super) struct LuaScript {
    text: &'static str,
    hash: String,
}

impl LuaScript {
    fn new(text: &'static str) -> Self {
        Self { text, hash: Script::new(text).get_hash().to_owned() }
    }

    fn command(&self, by_hash: bool, parts: &Parts) -> Cmd {
        let script = if by_hash { &self.hash } else { self.text };
        let mut command = Cmd::with_capacity(3 + parts.len(), parts.size() + script.len() + 32);
        command.arg(if by_hash { "EVALSHA" } else { "EVAL" }).arg(script).arg(parts.keys());
        for part in parts.iter() {
            command.arg(part);
        }
        command
    }
}

#[derive(Clone)]
enum Connection {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

/// The connection that all calls of a store share.
#[derive(Clone)]
pub(super) struct Wire {
    connection: Connection,
    /// Clients of the nodes that the URL names, for connections that listen.
    nodes: Vec<Client>,
    /// The URL without its password.
    shown: String,
    /// What no message may contain.
    secret: Option<String>,
    attempts: u32,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("url", &self.shown).finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects to what a URL names.
    pub async fn connect(url: &str, settings: &StateSettings) -> Result<Self> {
        let shown = masked(url);
        let tried = format!("connect to the state store {shown}");
        let (cluster, addresses) = addresses(url).ok_or_else(|| {
            EngineError::user(
                &tried,
                "write redis://[user:password@]host:port/db or redis+cluster://host:port,host:port",
            )
        })?;
        let certificates = match &settings.ca_file {
            Some(file) => Some(std::fs::read(file).map_err(|error| {
                EngineError::user(&tried, format!("its CA file {} cannot be read: {error}", file.display()))
            })?),
            None => None,
        };
        let tls = certificates.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        let wrong = |error: RedisError| EngineError::user(&tried, error.to_string());
        // A peer that vanished without a word is noticed, and the connection made anew, after this time.
        let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(settings.response_timeout * 2);
        if addresses.iter().any(|address| address.starts_with("rediss:")) {
            choose_cryptography();
        }
        let mut nodes = Vec::new();
        for address in &addresses {
            let info = address.as_str().into_connection_info().map_err(wrong)?.set_tcp_settings(tcp.clone());
            let client = match tls.clone() {
                Some(tls) if address.starts_with("rediss:") => Client::build_with_tls(info, tls),
                _ => Client::open(info),
            };
            nodes.push(client.map_err(wrong)?);
        }
        let secret = nodes.first().and_then(|node| node.get_connection_info().redis_settings().password());
        let secret = secret.filter(|secret| !secret.is_empty()).map(str::to_owned);
        let connected = match nodes.first() {
            Some(node) if !cluster => single(node, settings).await.map(Connection::Single),
            _ => many(&addresses, tls, tcp, settings).await.map(Connection::Cluster),
        };
        let connection = connected.map_err(|error| explain(&tried, &error, secret.as_deref()))?;
        Ok(Self { connection, nodes, shown, secret, attempts: settings.attempts.max(1) })
    }

    /// The URL without its password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it is a Cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self.connection, Connection::Cluster(_))
    }

    /// The clients of the nodes that the URL names.
    pub fn nodes(&self) -> &[Client] {
        &self.nodes
    }

    /// Makes a call, again if the server is away, busy or changing its role.
    pub async fn call(&self, tried: &str, command: &Cmd) -> Result<Reply> {
        self.again(tried, || self.once(command)).await
    }

    /// Tries something, again if the server is away, busy or changing its role.
    pub async fn again<T, F>(&self, tried: &str, once: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let mut attempt = 1;
        loop {
            match once().await {
                Ok(reply) => return Ok(reply),
                Err(error) if attempt < self.attempts && passes(&error) => {
                    self.pause(tried, &error, attempt).await
                }
                Err(error) => return Err(self.explain(tried, &error)),
            }
            attempt += 1;
        }
    }

    /// Runs a script, which the server is given again if it has forgotten it.
    pub async fn run(&self, tried: &str, script: &LuaScript, parts: &Parts) -> Result<Reply> {
        let mut command = script.command(true, parts);
        let mut attempt = 1;
        loop {
            match self.once(&command).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    command = script.command(false, parts);
                }
                Err(error) if attempt < self.attempts && passes(&error) => {
                    self.pause(tried, &error, attempt).await
                }
                Err(error) => return Err(self.explain(tried, &error)),
            }
            attempt += 1;
        }
    }

    /// Asks every primary; the answers in no particular order.
    pub async fn ask_all(&self, tried: &str, command: &Cmd) -> Result<Vec<Reply>> {
        match &self.connection {
            Connection::Single(_) => Ok(vec![self.call(tried, command).await?]),
            Connection::Cluster(cluster) => {
                // Without a policy the answers come as a map by address.
                let to =
                    RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None::<ResponsePolicy>));
                let reply = cluster.clone().route_command(command.clone(), to).await;
                match reply.map_err(|error| self.explain(tried, &error))? {
                    Reply::Map(answers) => Ok(answers.into_iter().map(|(_, answer)| answer).collect()),
                    other => Err(self.strange(tried, &other)),
                }
            }
        }
    }

    /// An answer that this program cannot have asked for.
    pub fn strange(&self, tried: &str, reply: &Reply) -> EngineError {
        let kind = match reply {
            Reply::BulkString(bytes) => format!("{} bytes", bytes.len()),
            Reply::Array(items) => format!("{} items", items.len()),
            other => format!("{other:?}").chars().take(80).collect(),
        };
        EngineError::ours(format!("{tried} at {}", self.shown), format!("the server answered with {kind}"))
    }

    async fn once(&self, command: &Cmd) -> Result<Reply, RedisError> {
        match self.connection.clone() {
            Connection::Single(mut single) => command.query_async(&mut single).await,
            Connection::Cluster(mut cluster) => command.query_async(&mut cluster).await,
        }
    }

    async fn pause(&self, tried: &str, error: &RedisError, attempt: u32) {
        tracing::debug!(store = self.shown, attempt, error = %self.plain(&error.to_string()), "{tried} again");
        tokio::time::sleep(FIRST_PAUSE * 2_u32.saturating_pow(attempt - 1)).await;
    }

    fn plain(&self, text: &str) -> String {
        without(text, self.secret.as_deref())
    }

    fn explain(&self, tried: &str, error: &RedisError) -> EngineError {
        explain(&format!("{tried} at {}", self.shown), error, self.secret.as_deref())
    }
}

/// Names the cryptography of the process's TLS, unless somebody has: without, the first connection would panic.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may be first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

async fn single(node: &Client, settings: &StateSettings) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(settings.response_timeout))
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_number_of_retries(2)
        .set_min_delay(FIRST_PAUSE)
        .set_max_delay(Duration::from_millis(500));
    ConnectionManager::new_with_config(node.clone(), config).await
}

async fn many(
    addresses: &[String],
    tls: Option<TlsCertificates>,
    tcp: TcpSettings,
    settings: &StateSettings,
) -> Result<ClusterConnection, RedisError> {
    let mut builder = ClusterClient::builder(addresses.to_vec())
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.response_timeout)
        .tcp_settings(tcp)
        .retries(settings.attempts);
    if let Some(tls) = tls {
        builder = builder.certs(tls);
    }
    builder.build()?.get_async_connection().await
}
