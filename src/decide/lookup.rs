//! Where a key's record comes from: the table, and the keys of the configuration (contract §5, §6).
//!
//! 1. Without an authority, only the configuration's keys count, and they are always available.
//! 2. With one, there is an answer only while the table is usable: once there has been one, and as
//!    long as the authority's last good answer is less than `max_staleness_seconds` old.
//! 3. The table's entry wins over one of the configuration with the same digest.

use flint_contract::key::Digest;

use crate::config::Config;
use crate::table::{Fault, Found, Store, View, record};

/// Whether there is a table to ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// There is.
    Usable,
    /// There has never been one; the first may be on its way.
    Awaited,
    /// There was one, and it is too old.
    TooOld,
}

/// All the keys that a request may have.
#[derive(Debug)]
pub struct Keys<'a, S> {
    /// The configuration.
    pub config: &'a Config,
    /// The table; `None` without an authority.
    pub table: Option<(&'a mut View, &'a S)>,
    /// The monotonic clock, in milliseconds, of a moment ago.
    pub now: u64,
}

/// Whether a table can be asked at `now`, in milliseconds of the monotonic clock (rule 2).
#[must_use]
pub fn readiness(config: &Config, view: &View, now: u64) -> Readiness {
    let Some(meta) = view.meta() else { return Readiness::Awaited };
    let limit = 1_000 * u64::from(config.max_staleness_seconds);
    if now.saturating_sub(meta.fresh_at) < limit { Readiness::Usable } else { Readiness::TooOld }
}

impl<S: Store> Keys<'_, S> {
    /// Whether there is an answer to be had (rules 1 and 2).
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match &self.table {
            Some((view, _)) => readiness(self.config, view, self.now),
            None => Readiness::Usable,
        }
    }

    /// Finds a key's record (rule 3).
    ///
    /// # Errors
    /// Those of the table.
    pub fn find(&mut self, digest: &Digest) -> Result<Option<Found>, Fault> {
        if let Some((view, store)) = &mut self.table
            && let Some(found) = view.lookup(*store, digest)?
        {
            return Ok(Some(found));
        }
        Ok(self.config.keys.get(digest).map(|entry| {
            let mut bytes = Vec::new();
            record::put(&mut bytes, entry);
            Found::from_bytes(bytes)
        }))
    }
}
