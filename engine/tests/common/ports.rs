//! Ports for servers that tests start, kill and start again.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::TcpListener,
};

/// Below what outgoing connections are given: a client that tries a dead server's port again and again would in the end be given that very port,
/// connect to itself, and keep it from the server.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    loop {
        let drawn = RandomState::new().build_hasher().finish() % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + drawn as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
