//! Connections: as many as may be, none for longer than its client keeps it busy.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::{guard::Peer, metrics};
use crate::config::HttpConfig;

/// How long requests in flight may take once the program was asked to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How long nothing is accepted after it failed for want of something, such as file descriptors.
const PAUSE: Duration = Duration::from_millis(200);
/// The greatest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// How many there may be; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take to come, also that of the next one on the same connection.
    pub header: Duration,
    /// How long a client may leave an answer unread.
    pub write: Duration,
}

impl Transport {
    /// As the configuration says.
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            connections: config.connections.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize)),
            header: config.header_time(),
            write: config.write_time(),
        }
    }
}

/// Serves until `shutdown`, then until the requests in flight are answered, at most ten seconds.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Transport,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let (stop, stopped) = watch::channel(());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((place, accept(&listener).await?))
        };
        let (place, (stream, peer)) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accepted => accepted?,
        };
        let (router, stopped, place) = (router.clone(), stopped.clone(), Place::taken(place));
        tokio::spawn(async move {
            connection(stream, Peer(peer), router, bounds, stopped).await;
            drop(place);
        });
    }
    drop(listener);
    stop.send_replace(());
    let all = u32::try_from(bounds.connections).unwrap_or(u32::MAX);
    // All places are free once all connections have ended.
    tokio::time::timeout(LAST_REQUESTS, places.acquire_many(all)).await.ok();
    Ok(())
}

/// The place of a connection, counted while it is taken.
struct Place(#[expect(dead_code, reason = "given back when dropped")] OwnedSemaphorePermit);

impl Place {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        ::metrics::gauge!(metrics::CONNECTIONS).increment(1.0);
        Self(permit)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        ::metrics::gauge!(metrics::CONNECTIONS).decrement(1.0);
    }
}

/// The next connection. What is wrong with a single one is no failure of the listener's, and what is used up now may be free again soon.
async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, std::net::SocketAddr)> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput};
    loop {
        match listener.accept().await {
            Ok(accepted) => return Ok(accepted),
            Err(error) if error.kind() == InvalidInput => return Err(error),
            Err(error) if [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind()) => {
            }
            Err(error) => {
                tracing::warn!(%error, "accepts no connection for a moment");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, one after the other.
async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    bounds: Transport,
    mut stopped: watch::Receiver<()>,
) {
    // Answers are small and waited for: a packet should not wait for the next one.
    stream.set_nodelay(true).ok();
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(bounds.write));
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
