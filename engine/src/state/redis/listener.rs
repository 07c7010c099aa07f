//! The connection that listens: markers that moved and wishes, for everybody in this process.
//!
//! One connection to any one node is enough, since a Cluster passes what is published on to all its nodes. It subscribes to all
//! partitions of each namespace that somebody asked for (a small message per epoch), and again after it was lost. What is said
//! while it is down is lost; waiters look for themselves now and then, and wishes are read again after a new beginning.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use redis::{
    Client, RedisError,
    aio::{PubSubSink, PubSubStream},
};
use tokio::sync::{mpsc, oneshot};

use super::{Signals, keys, keys::Said, lock, wire::Wire, wishes};

/// How long a caller waits to be subscribed; after that it goes on with its own slow looks.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a silent connection is tried, and how long that may take.
const PING_EVERY: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

struct Request {
    namespace: String,
    done: oneshot::Sender<()>,
}

/// What asks the listening task to subscribe. The task ends when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    requests: mpsc::UnboundedSender<Request>,
    /// The namespaces that are subscribed, or will be when the connection is back.
    subscribed: Mutex<BTreeSet<String>>,
}

impl Listener {
    /// Starts the task; it connects when the first namespace is asked for.
    pub fn start(wire: Wire, signals: Arc<Signals>) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Task { wire, signals, inbox, wanted: BTreeMap::new() }.run());
        Self { requests, subscribed: Mutex::default() }
    }

    /// Makes sure that a namespace is listened to; gives up quietly where the server is away for long.
    pub async fn subscribe(&self, namespace: &str) {
        if lock(&self.subscribed).contains(namespace) {
            return;
        }
        let (done, subscribed) = oneshot::channel();
        let request = Request { namespace: namespace.to_owned(), done };
        if self.requests.send(request).is_err() {
            return;
        }
        if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, subscribed).await {
            lock(&self.subscribed).insert(namespace.to_owned());
        }
    }
}

struct Task {
    wire: Wire,
    signals: Arc<Signals>,
    inbox: mpsc::UnboundedReceiver<Request>,
    /// Namespaces, and who waits to hear that they are subscribed.
    wanted: BTreeMap<String, Vec<oneshot::Sender<()>>>,
}

impl Task {
    async fn run(mut self) {
        let Some(first) = self.inbox.recv().await else { return };
        self.note(first);
        let mut pause = FIRST_PAUSE;
        for node in self.wire.nodes().to_vec().iter().cycle() {
            match self.listen(node).await {
                Ok(()) => return,
                Err((error, worked)) => {
                    tracing::debug!(store = self.wire.shown(), %error, "the listening connection was lost");
                    pause = if worked { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Listens until the store is dropped (`Ok`) or the connection is lost (and whether it had worked).
    async fn listen(&mut self, node: &Client) -> Result<(), (RedisError, bool)> {
        let connected = tokio::time::timeout(PING_EVERY, node.get_async_pubsub()).await;
        let (mut sink, mut stream) = connected
            .map_err(|_| timed_out())
            .and_then(|connected| connected)
            .map_err(|error| (error, false))?
            .split();
        for namespace in self.wanted.keys().cloned().collect::<Vec<_>>() {
            self.begin(&mut sink, &namespace).await.map_err(|error| (error, false))?;
        }
        self.hear(&mut sink, &mut stream).await.map_err(|error| (error, true))
    }

    async fn hear(&mut self, sink: &mut PubSubSink, stream: &mut PubSubStream) -> Result<(), RedisError> {
        loop {
            tokio::select! {
                biased;
                request = self.inbox.recv() => {
                    let Some(request) = request else { return Ok(()) };
                    let namespace = request.namespace.clone();
                    match self.note(request) {
                        true => self.begin(sink, &namespace).await?,
                        false => self.answer(&namespace),
                    }
                }
                message = stream.next() => {
                    let Some(message) = message else { return Err(closed()) };
                    match keys::said(message.get_channel_name(), message.get_payload_bytes()) {
                        Some(Said::Marker(tag, marker)) => self.signals.announce(&tag, Some(marker)),
                        Some(Said::Wish(tag, next)) => self.signals.wish(&tag.namespace, tag.partition, next),
                        None => {}
                    }
                }
                () = tokio::time::sleep(PING_EVERY) => {
                    let alive = tokio::time::timeout(PING_EVERY, sink.ping::<redis::Value>()).await;
                    alive.map_err(|_| timed_out())??;
                }
            }
        }
    }

    /// Notes who asks; whether the namespace is new.
    fn note(&mut self, request: Request) -> bool {
        let new = !self.wanted.contains_key(&request.namespace);
        self.wanted.entry(request.namespace).or_default().push(request.done);
        new
    }

    /// Tells those who asked for a namespace that it is subscribed.
    fn answer(&mut self, namespace: &str) {
        for done in self.wanted.get_mut(namespace).map(std::mem::take).unwrap_or_default() {
            // Who lost patience meanwhile looks for itself.
            let _ = done.send(());
        }
    }

    async fn begin(&mut self, sink: &mut PubSubSink, namespace: &str) -> Result<(), RedisError> {
        tokio::time::timeout(PING_EVERY, sink.psubscribe(keys::channels(namespace)))
            .await
            .map_err(|_| timed_out())??;
        self.answer(namespace);
        let (wire, signals, namespace) = (self.wire.clone(), Arc::clone(&self.signals), namespace.to_owned());
        tokio::spawn(async move {
            // What was wished before this connection listened; should it fail, a wish is no promise.
            for (partition, next) in wishes(&wire, &namespace).await.unwrap_or_default() {
                signals.wish(&namespace, partition, next);
            }
        });
        Ok(())
    }
}

fn timed_out() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time").into()
}

fn closed() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server closed it").into()
}
