//! Connections to a single Redis that one call has for itself: what a transaction watches belongs to its connection.

use std::{
    fmt,
    sync::{Mutex, MutexGuard},
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};

use super::{StateSettings, lock};

/// How many connections that nobody has are kept.
const MOST_IDLE: usize = 32;

/// Connections, made as they are needed.
pub(super) struct Alone {
    server: Client,
    how: AsyncConnectionConfig,
    idle: Mutex<Vec<MultiplexedConnection>>,
}

impl fmt::Debug for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alone").field("idle", &self.idle().len()).finish_non_exhaustive()
    }
}

impl Alone {
    /// Connections to a server, none yet.
    pub fn to(server: Client, settings: &StateSettings) -> Self {
        let how = AsyncConnectionConfig::new()
            .set_response_timeout(Some(settings.response_timeout))
            .set_connection_timeout(Some(settings.connect_timeout));
        Self { server, how, idle: Mutex::default() }
    }

    /// A connection that nobody else has.
    pub async fn take(&self) -> Result<MultiplexedConnection, RedisError> {
        let idle = self.idle().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => self.server.get_multiplexed_async_connection_with_config(&self.how).await,
        }
    }

    /// Keeps a connection for another time, which watches nothing and owes no answer.
    pub fn keep(&self, connection: MultiplexedConnection) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Lets go of those that lie idle: one to the same server has failed.
    pub fn forget(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<MultiplexedConnection>> {
        lock(&self.idle)
    }
}
