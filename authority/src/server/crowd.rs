//! The connections that are open, and which of them end if there is no room for another.
//!
//! 1. A connection belongs to the gateway whose token was shown on it; any other belongs to the
//!    address that it comes from, an IPv6 address with the 2^64 around it.
//! 2. If all are taken, those end on which nothing is asked: of the address that has most of them,
//!    the longest quiet first.
//! 3. If on each something is asked, and one address has more than a quarter of all, its oldest
//!    end. A trusted proxy is not one client, and is spared that.
//! 4. Those of gateways stay, unless one gateway has more than half of all: then its quiet ones
//!    end, or its oldest.
//! 5. A hundredth part of all ends at once, so that looking at all of them is paid for seldom.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::progress::Progress;

/// Those who are connected.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    guests: Mutex<Guests>,
}

#[derive(Debug, Default)]
struct Guests {
    latest: u64,
    here: HashMap<u64, Arc<Guest>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Guest {
    block: IpAddr,
    is_proxy: bool,
    since: Instant,
    gateway: OnceLock<String>,
    progress: OnceLock<Arc<Progress>>,
    leave: Notify,
    at_once: AtomicBool,
}

/// The place of a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    number: u64,
    pub(super) guest: Arc<Guest>,
}

/// A connection as it is at the moment.
#[derive(Clone, Debug)]
struct Look {
    number: u64,
    block: IpAddr,
    is_proxy: bool,
    gateway: Option<String>,
    /// Since when nothing is asked on it; `None` if something is.
    quiet_since: Option<Instant>,
}

/// Which connections end, and whether even if something is asked on them.
#[derive(Debug, Default, Eq, PartialEq)]
struct Choice {
    numbers: Vec<u64>,
    at_once: bool,
}

// === impl Crowd ===

impl Crowd {
    /// Takes in a connection.
    pub(super) fn seat(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Seat {
        let guest = Arc::new(Guest {
            block: block_of(address),
            is_proxy,
            since: Instant::now(),
            gateway: OnceLock::new(),
            progress: OnceLock::new(),
            leave: Notify::new(),
            at_once: AtomicBool::new(false),
        });
        let mut guests = self.lock();
        guests.latest += 1;
        let number = guests.latest;
        guests.here.insert(number, Arc::clone(&guest));
        Seat { crowd: Arc::clone(self), number, guest }
    }

    /// Tells some to leave, of `most` that may be here, and says how many.
    pub(super) fn make_room(&self, most: usize) -> usize {
        let guests = self.lock();
        let look = |(number, guest): (&u64, &Arc<Guest>)| guest.look(*number);
        let choice = choose(guests.here.iter().map(look).collect(), most);
        for guest in choice.numbers.iter().filter_map(|number| guests.here.get(number)) {
            guest.at_once.store(choice.at_once, Ordering::Relaxed);
            guest.leave.notify_one();
        }
        choice.numbers.len()
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.lock().here.remove(&self.number);
    }
}

// === impl Guest ===

impl Guest {
    /// The token of this gateway was shown on it. The first one counts.
    pub(crate) fn shows(&self, gateway_id: &str) {
        if self.gateway.get().is_none() {
            let _ = self.gateway.set(gateway_id.to_owned());
        }
    }

    /// What it does is seen here from now on.
    pub(super) fn is_seen_in(&self, progress: &Arc<Progress>) {
        let _ = self.progress.set(Arc::clone(progress));
    }

    /// Waits until it has to leave.
    pub(super) async fn told_to_leave(&self) {
        loop {
            self.leave.notified().await;
            // Something may have been asked since it was told.
            if self.at_once.load(Ordering::Relaxed) || self.quiet_since().is_some() {
                return;
            }
        }
    }

    /// Before the end of a TLS handshake nothing can be asked.
    fn quiet_since(&self) -> Option<Instant> {
        self.progress.get().map_or(Some(self.since), |progress| progress.quiet_since())
    }

    fn look(&self, number: u64) -> Look {
        Look {
            number,
            block: self.block,
            is_proxy: self.is_proxy,
            gateway: self.gateway.get().cloned(),
            quiet_since: self.quiet_since(),
        }
    }
}

/// Pure: who leaves.
fn choose(looks: Vec<Look>, most: usize) -> Choice {
    let some = (most / 100).max(1);
    let (known, unknown): (Vec<_>, Vec<_>) = looks.into_iter().partition(|look| look.gateway.is_some());
    let by_block = counts(unknown.iter().map(|look| look.block));
    let size = |look: &Look| by_block.get(&look.block).copied().unwrap_or_default();
    let mut quiet: Vec<_> = unknown.iter().filter(|look| look.quiet_since.is_some()).collect();
    if !quiet.is_empty() {
        quiet.sort_by_key(|look| (std::cmp::Reverse(size(look)), look.block, look.quiet_since));
        return Choice { numbers: first(&quiet, some), at_once: false };
    }
    let crowding: Vec<_> = unknown.iter().filter(|look| !look.is_proxy && size(look) > most / 4).collect();
    if !crowding.is_empty() {
        return Choice { numbers: oldest(crowding, some), at_once: true };
    }
    let by_gateway = counts(known.iter().map(|look| look.gateway.clone()));
    let Some((gateway, _)) = by_gateway.into_iter().find(|(_, count)| *count > most / 2) else {
        return Choice::default();
    };
    let own: Vec<_> = known.iter().filter(|look| look.gateway == gateway).collect();
    let quiet: Vec<_> = own.iter().copied().filter(|look| look.quiet_since.is_some()).collect();
    let at_once = quiet.is_empty();
    Choice { numbers: oldest(if at_once { own } else { quiet }, some), at_once }
}

fn counts<T: Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts
}

fn oldest(mut looks: Vec<&Look>, some: usize) -> Vec<u64> {
    looks.sort_by_key(|look| look.number);
    first(&looks, some)
}

fn first(looks: &[&Look], some: usize) -> Vec<u64> {
    looks.iter().take(some).map(|look| look.number).collect()
}

/// Anyone who has one IPv6 address has the 2^64 around it as well.
fn block_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
