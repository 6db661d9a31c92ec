//! How long values live.

use std::time::Duration;

use crate::config::CacheConfig;

/// How long values live.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub(in super::super) ttl: Duration,
    pub(in super::super) stale_ttl: Duration,
    pub(in super::super) stale_while_revalidate: Duration,
    /// Whether lives are shortened by a random part, so that values drift apart.
    pub(in super::super) jitter: bool,
}

impl Policy {
    /// The same for values that are refreshed together, and so are to expire together.
    pub fn together(self) -> Policy {
        Policy { jitter: false, ..self }
    }

    /// How long a value is fresh that is said to be good for `wish`.
    pub(super) fn bounded(&self, wish: Duration) -> Duration {
        wish.min(self.stale_ttl).max(self.ttl)
    }

    /// How long a value is fresh.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }
}

impl From<CacheConfig> for Policy {
    fn from(config: CacheConfig) -> Policy {
        Policy {
            ttl: config.ttl,
            stale_ttl: config.stale_ttl,
            stale_while_revalidate: config.stale_while_revalidate,
            jitter: true,
        }
    }
}
