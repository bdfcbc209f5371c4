//! What all plugin configurations in one VM share: who the VM is, its metrics, and its gateways.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::clock;
use super::gateway::Gateway;
use super::issuer::Issuer;
use super::metrics::{Metrics, gauge};
use super::shared::Shared;
use crate::config::Authority;
use crate::config::oauth::Jwks;
use crate::feed::abandoned;
use crate::report::workers;
use crate::table::store::Namespace;
use crate::token::held;

/// How often a VM says that it lives and hands over its counts, in milliseconds.
const BEAT: u64 = 1_000;

/// How often abandoned tables are looked for, in milliseconds.
const TIDY: u64 = 60_000;

/// One VM.
#[derive(Debug)]
pub(super) struct Vm {
    /// Random, and not 0.
    id: u64,
    /// Whether it has served a request: that of Envoy's main thread never does.
    pub(super) served: Cell<bool>,
    pub(super) metrics: Metrics,
    gateways: RefCell<HashMap<Namespace, Rc<RefCell<Gateway>>>>,
    issuers: RefCell<HashMap<Namespace, Rc<RefCell<Issuer>>>>,
    beat_at: Cell<u64>,
    tidy_at: Cell<u64>,
    /// What seemed abandoned then.
    abandoned: RefCell<Vec<Namespace>>,
}

impl Vm {
    pub(super) fn new() -> Self {
        Self {
            id: clock::random_u64().max(1),
            served: Cell::new(false),
            metrics: Metrics::default(),
            gateways: RefCell::default(),
            issuers: RefCell::default(),
            beat_at: Cell::new(0),
            tidy_at: Cell::new(0),
            abandoned: RefCell::default(),
        }
    }

    /// The gateway for an authority and the token in use; configurations with the same ones share
    /// it.
    pub(super) fn gateway(&self, authority: &Authority) -> Rc<RefCell<Gateway>> {
        let gateway = Gateway::new(authority, self.id);
        let mut gateways = self.gateways.borrow_mut();
        Rc::clone(gateways.entry(gateway.namespace()).or_insert_with(|| Rc::new(RefCell::new(gateway))))
    }

    /// All gateways, also of configurations that are gone: they may have usage to report.
    pub(super) fn gateways(&self) -> Vec<Rc<RefCell<Gateway>>> {
        self.gateways.borrow().values().cloned().collect()
    }

    /// What fetches a set of keys; configurations with the same one share it.
    pub(super) fn issuer(&self, jwks: &Jwks) -> Rc<RefCell<Issuer>> {
        let new = || Rc::new(RefCell::new(Issuer::new(jwks, self.id)));
        Rc::clone(self.issuers.borrow_mut().entry(held::namespace(jwks)).or_insert_with(new))
    }

    /// All that fetch sets of keys.
    pub(super) fn issuers(&self) -> Vec<Rc<RefCell<Issuer>>> {
        self.issuers.borrow().values().cloned().collect()
    }

    /// A root context has ended, and its calls with it.
    pub(super) fn root_ended(&self, root: u32) {
        self.gateways().iter().for_each(|gateway| gateway.borrow_mut().root_ended(self, root));
        self.issuers().iter().for_each(|issuer| issuer.borrow_mut().root_ended(root));
    }

    /// Says that this VM lives, whether it is ready for requests, and what it counted. Does it once
    /// in [`BEAT`].
    pub(super) fn beat(&self, now: u64, ready: bool) {
        if now < self.beat_at.get() {
            return;
        }
        self.beat_at.set(now + BEAT);
        self.metrics.flush();
        // If shared data fails, the gauges stay as they are and the slot goes silent, which is what
        // is the case.
        let Ok(beat) = workers::beat(&Shared, self.id, now) else { return };
        for slot in beat.gone {
            gauge(&ready_name(slot), 0);
        }
        if let Some(slot) = beat.slot {
            gauge(&ready_name(slot), u64::from(ready));
        }
    }

    /// Looks for an abandoned table and empties it, once in [`TIDY`] and only in a VM that serves
    /// no requests: for a million keys that takes some 30 ms.
    pub(super) fn tidy(&self, now: u64) {
        if self.served.get() || now < self.tidy_at.get() {
            return;
        }
        self.tidy_at.set(now + TIDY);
        // If shared data fails the next time is soon enough.
        let _ = abandoned::clear_one(&Shared, self.id, now, &mut self.abandoned.borrow_mut());
    }
}

fn ready_name(slot: usize) -> String {
    format!("flint_worker_ready_{slot}")
}
