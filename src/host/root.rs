//! A plugin configuration in one VM: reads the configuration, ticks, and takes the answers to
//! calls.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::types::LogLevel;

use super::calls;
use super::clock;
use super::gateway::Gateway;
use super::issuer::Issuer;
use super::request;
use super::shared::Shared;
use super::vm::Vm;
use crate::config::Config;
use crate::config::oauth::{Jwks, KeySource};
use crate::token::Verifier;
use crate::token::verifier::Awaited;

/// The tick while a table is awaited, and of the VM that polls, in milliseconds: what a request
/// that waits, or a call that is due, waits at most.
const FAST: u32 = 25;
/// The tick of all others: how old a worker's idea of the time and of the table's age may be.
const SLOW: u32 = 200;

/// One configuration.
pub(super) struct Root {
    context: u32,
    pub(super) config: Config,
    pub(super) vm: Rc<Vm>,
    /// Set when first needed: it depends on the environment, and reading the configuration must
    /// not.
    gateway: OnceCell<Rc<RefCell<Gateway>>>,
    /// The sets of keys that are fetched for this configuration.
    issuers: Box<[(Jwks, Rc<RefCell<Issuer>>)]>,
    pub(super) verifier: RefCell<Verifier>,
    /// The monotonic clock at the last tick.
    pub(super) ms: Cell<u64>,
    waiting: RefCell<Vec<Waiting>>,
    period: Cell<u32>,
    #[cfg(feature = "faults")]
    pub(super) faults: super::faults::Faults,
}

/// A request that waits for the first table, or for keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) context: u32,
    /// When it has waited long enough, by the monotonic clock in milliseconds.
    pub(super) until: u64,
    /// The keys that it waits for; `None`: the table.
    pub(super) awaited: Option<Awaited>,
}

impl Root {
    /// Reads a configuration; a bad one is said to be so, with every mistake, and is none.
    ///
    /// A pure function of the configuration's bytes: if it fails on one worker only, Envoy runs
    /// that worker without the filter.
    pub(super) fn configure(vm: &Rc<Vm>, context: u32, size: usize) -> Option<Self> {
        let bytes = calls::plugin_configuration(size).ok()?;
        #[cfg(feature = "faults")]
        let (bytes, faults) = super::faults::Faults::take(bytes);
        let config = match Config::parse(&bytes) {
            Ok(config) => config,
            Err(errors) => {
                calls::log(LogLevel::Error, &format!("flint: the configuration is refused: {errors}"));
                return None;
            }
        };
        #[cfg(feature = "faults")]
        if faults.fails_to_configure(&bytes) {
            return None;
        }
        let issuers = config.oauth.keys.iter().filter_map(|source| match source {
            KeySource::Inline(_) => None,
            KeySource::Fetched(jwks) => Some((jwks.clone(), vm.issuer(jwks))),
        });
        let root = Self {
            context,
            issuers: issuers.collect(),
            verifier: RefCell::new(Verifier::new(&config.oauth)),
            ms: Cell::new(0),
            config,
            vm: Rc::clone(vm),
            gateway: OnceCell::new(),
            waiting: RefCell::default(),
            period: Cell::new(0),
            #[cfg(feature = "faults")]
            faults,
        };
        root.tick_every(FAST);
        Some(root)
    }

    /// The gateway; `None` without an authority.
    pub(super) fn gateway(&self) -> Option<&RefCell<Gateway>> {
        let authority = self.config.authority.as_ref()?;
        Some(self.gateway.get_or_init(|| self.vm.gateway(authority)))
    }

    /// Keeps the table fresh, sends what is to be sent, and lets go of requests that have waited.
    pub(super) fn tick(&self) {
        let own = self.gateway().map(|gateway| gateway.borrow().namespace());
        // Gateways of configurations that are gone may have usage to report.
        for gateway in self.vm.gateways() {
            let mut gateway = gateway.borrow_mut();
            let polls = own == Some(gateway.namespace());
            gateway.tick(&self.vm, self.context, polls);
        }
        for (jwks, issuer) in &self.issuers {
            issuer.borrow_mut().tick(&self.vm, self.context, jwks);
        }
        let now = clock::monotonic_ms();
        self.ms.set(now);
        self.resume_waiting();
        let ready = self.gateway().is_none_or(|gateway| request::is_usable(&self.config, &gateway.borrow()));
        self.vm.beat(now, ready);
        self.vm.tidy(now);
        let polls = self.gateway().is_some_and(|gateway| gateway.borrow().is_poller())
            || self.issuers.iter().any(|(_, issuer)| issuer.borrow().is_fetcher());
        let quick = polls || !ready || !self.waiting.borrow().is_empty();
        self.tick_every(if quick { FAST } else { SLOW });
    }

    /// Takes the answer to a call that this configuration made.
    pub(super) fn take_answer(&self, call: u32, headers: usize, body: usize) {
        let of_gateway = self
            .vm
            .gateways()
            .iter()
            .any(|gateway| gateway.borrow_mut().take_answer(&self.vm, self.context, call, headers, body));
        if !of_gateway {
            self.vm
                .issuers()
                .iter()
                .any(|issuer| issuer.borrow_mut().take_answer(&self.vm, self.context, call, headers, body));
        }
        self.resume_waiting();
    }

    /// Keeps a request waiting.
    pub(super) fn wait(&self, waiting: Waiting) {
        self.waiting.borrow_mut().push(waiting);
        self.tick_every(FAST);
    }

    /// Decides the requests that wait, if what they wait for is there by now, and those that have
    /// waited long enough in any case.
    fn resume_waiting(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let now = clock::monotonic_ms();
        let has_table = self.gateway().is_none_or(|gateway| gateway.borrow().view.meta().is_some());
        let has_come = |waiting: &Waiting| match waiting.awaited {
            None => has_table,
            Some(awaited) => self.verifier.borrow_mut().has_come(&Shared, awaited),
        };
        for waiting in self.take_waiting(|waiting| waiting.until <= now || has_come(waiting)) {
            request::resume(self, waiting, now);
        }
    }

    /// A request has ended.
    pub(super) fn forget(&self, context: u32) {
        self.waiting.borrow_mut().retain(|waiting| waiting.context != context);
    }

    fn take_waiting(&self, taken: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let (taken, kept): (Vec<_>, Vec<_>) = waiting.drain(..).partition(taken);
        *waiting = kept;
        taken
    }

    /// Sets the tick's period, if it is another one.
    fn tick_every(&self, milliseconds: u32) {
        if self.period.replace(milliseconds) != milliseconds {
            // If the host refuses, the old period stays.
            let _ = calls::set_tick_period(Duration::from_millis(u64::from(milliseconds)));
        }
    }
}
