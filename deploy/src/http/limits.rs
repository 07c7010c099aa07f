//! How much one client may ask for: so many requests a second, and some at once after a pause.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use abovefold_schemas::{ReaderId, Timestamp};
use lru::LruCache;

/// Clients that are known at once; who was not here for longest is forgotten, and begins anew.
const MOST_CLIENTS: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is not zero");
/// Of an IPv6 address the network counts: who has one address of it has all of them.
const NETWORK: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// One of the configured keys, by its number.
    Key(usize),
    /// All tokens of a reader.
    Reader(ReaderId),
    /// An address, or an IPv6 network.
    Address(IpAddr),
}

impl Client {
    /// The client of an address; `None` for this machine's own ones, behind which there may be anybody (a proxy), or its owner.
    pub(super) fn at(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        match address {
            _ if address.is_loopback() => None,
            IpAddr::V4(_) => Some(Self::Address(address)),
            IpAddr::V6(address) => Some(Self::Address((address & NETWORK).into())),
        }
    }
}

/// A rate: so much time for each request, and so many at once. No time: no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    micros: i64,
    burst: i64,
}

impl Rate {
    /// `per_second` requests a second, `burst` at once; no limit where `per_second` is not above 0.
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        let micros = if per_second > 0.0 { (1e6 / per_second).max(1.0) as i64 } else { 0 };
        Self { micros, burst: i64::from(burst.max(1)) }
    }
}

/// A token bucket for each client, kept as one moment: the one at which the bucket is full again.
#[derive(Debug)]
pub(super) struct Limits {
    clients: Mutex<LruCache<Client, i64>>,
    /// Of readers and addresses.
    usual: Rate,
    /// Of keys.
    keys: Rate,
}

impl Limits {
    pub(super) fn new(usual: Rate, keys: Rate) -> Self {
        Self { clients: Mutex::new(LruCache::new(MOST_CLIENTS)), usual, keys }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The time to wait, where the client has asked for too much.
    pub(super) fn count(&self, client: Client, now: Timestamp) -> Result<(), Duration> {
        let Rate { micros, burst } = match client {
            Client::Key(_) => self.keys,
            Client::Reader(_) | Client::Address(_) => self.usual,
        };
        if micros == 0 {
            return Ok(());
        }
        let (now, room) = (now.0.saturating_mul(1_000), micros.saturating_mul(burst));
        // Only whole values are written under the lock.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not lock anybody out.
        let full = clients.get(&client).copied().unwrap_or(now).clamp(now, now.saturating_add(room));
        let after = full.saturating_add(micros);
        let over = after.saturating_sub(now.saturating_add(room));
        if over > 0 {
            return Err(Duration::from_micros(over.unsigned_abs()));
        }
        clients.put(client, after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(name: &str) -> Client {
        Client::Reader(ReaderId::new(name).unwrap())
    }

    #[test]
    fn a_client_has_its_burst_and_then_its_rate_and_others_have_theirs() {
        let limits = Limits::new(Rate::new(10.0, 3), Rate::new(0.0, 1));
        let at = Timestamp;
        for _ in 0..3 {
            assert_eq!(limits.count(reader("ann"), at(1_000)), Ok(()));
        }
        assert_eq!(limits.count(reader("ann"), at(1_000)), Err(Duration::from_millis(100)));
        assert_eq!(limits.count(reader("bob"), at(1_000)), Ok(()));
        assert_eq!(
            limits.count(reader("ann"), at(1_060)),
            Err(Duration::from_millis(40)),
            "a refusal costs nothing"
        );
        assert_eq!(limits.count(reader("ann"), at(1_100)), Ok(()));
        assert!(limits.count(reader("ann"), at(1_100)).is_err());
        assert_eq!(
            limits.count(reader("ann"), at(0)),
            Err(Duration::from_millis(100)),
            "the clock was set back"
        );
        for _ in 0..3 {
            assert_eq!(limits.count(reader("ann"), at(60_000)), Ok(()), "no more than the burst is saved up");
        }
        assert!(limits.count(reader("ann"), at(60_000)).is_err());
        for _ in 0..1_000 {
            assert_eq!(limits.count(Client::Key(0), at(0)), Ok(()), "no limit");
        }
    }

    #[test]
    fn addresses_of_one_network_are_one_client_and_this_machine_is_none() {
        let at = |text: &str| Client::at(text.parse().unwrap());
        assert_eq!(at("127.0.0.1"), None);
        assert_eq!(at("::1"), None);
        assert_eq!(at("::ffff:127.0.0.1"), None);
        assert_eq!(at("2001:db8::1"), at("2001:db8:0:0:ffff::2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }

    #[test]
    fn the_number_of_clients_that_are_known_is_bounded() {
        let limits = Limits::new(Rate::new(1.0, 1), Rate::new(1.0, 1));
        for number in 0..70_000_u32 {
            limits.count(Client::Address(IpAddr::V4(number.into())), Timestamp(0)).ok();
        }
        assert_eq!(limits.clients.lock().unwrap().len(), MOST_CLIENTS.get());
    }
}
