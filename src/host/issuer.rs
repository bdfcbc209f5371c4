//! The calls that fetch one issuer's set of keys, in one VM.

use std::time::Duration;

use super::calls;
use super::clock;
use super::gateway::{Outstanding, head, say};
use super::metrics::gauge;
use super::shared::Shared;
use super::vm::Vm;
use crate::config::oauth::Jwks;
use crate::feed::abandoned;
use crate::feed::poller::{Answer, Now};
use crate::report::telemetry::{self, Counter};
use crate::table::store::Namespace;
use crate::token::fetch::{Event, Failure, Fetcher, Settings};
use crate::token::held;
use crate::token::keys::{BadSet, MAX_BODY};

/// A set of keys as it is fetched.
#[derive(Debug)]
pub(super) struct Issuer {
    namespace: Namespace,
    jwks: Jwks,
    fetcher: Fetcher,
    call: Option<Outstanding>,
    /// Whether the namespace stands in the list of those in use.
    entered: bool,
}

impl Issuer {
    /// One that has done nothing yet. `vm` is the VM's number.
    pub(super) fn new(jwks: &Jwks, vm: u64) -> Self {
        let namespace = held::namespace(jwks);
        Self {
            namespace,
            jwks: jwks.clone(),
            fetcher: Fetcher::new(namespace, vm),
            call: None,
            entered: false,
        }
    }

    /// Whether this VM is the one that calls.
    pub(super) const fn is_fetcher(&self) -> bool {
        self.fetcher.is_holder()
    }

    /// Sends what is due. `jwks` is what the configuration that ticks says of this set.
    pub(super) fn tick(&mut self, vm: &Vm, root: u32, jwks: &Jwks) {
        self.jwks.clone_from(jwks);
        self.entered = self.entered || abandoned::enter(&Shared, self.namespace).is_ok();
        self.fetch(vm, root);
        self.show(vm);
    }

    /// Takes the answer to a call, if it is this set's.
    pub(super) fn take_answer(&mut self, vm: &Vm, root: u32, call: u32, headers: usize, body: usize) -> bool {
        if self.call.is_none_or(|outstanding| outstanding.call != call) {
            return false;
        }
        self.call = None;
        let (status, encoded) = head(headers);
        let now = now(vm);
        if body > MAX_BODY && status == Some(200) {
            // Not even copied into this VM.
            self.fetcher.handle_failure(&Shared, Failure::Bad(BadSet::Size), now);
        } else {
            let body = calls::callout_body(body).unwrap_or_default();
            let answer = Answer { status, encoded, body: &body };
            self.fetcher.handle_answer(&Shared, self.settings(), answer, now);
        }
        self.fetch(vm, root);
        self.show(vm);
        true
    }

    /// A root context has ended, and its calls with it.
    pub(super) fn root_ended(&mut self, root: u32) {
        if self.call.is_some_and(|outstanding| outstanding.root == root) {
            self.call = None;
            self.fetcher.call_ended(clock::monotonic_ms());
        }
    }

    const fn settings(&self) -> Settings {
        let Jwks { refresh_seconds, timeout_seconds, .. } = self.jwks;
        Settings { refresh_seconds, timeout_seconds }
    }

    fn fetch(&mut self, vm: &Vm, root: u32) {
        let Some(timeout) = self.fetcher.poll(&Shared, self.settings(), now(vm)) else { return };
        let headers = [
            (":method", "GET"),
            (":path", &*self.jwks.path),
            (":authority", &*self.jwks.host),
            ("accept", "application/json"),
            ("user-agent", concat!("flint-auth/", env!("CARGO_PKG_VERSION"))),
        ];
        match calls::call(&self.jwks.cluster, &headers, &[], Duration::from_millis(timeout)) {
            Ok(call) => {
                self.call = Some(Outstanding { call, root });
                vm.metrics.add(Counter::JwksFetches, 1);
            }
            Err(_) => self.fetcher.handle_failure(&Shared, Failure::NotSent, now(vm)),
        }
    }

    /// Counts and says what happened.
    fn show(&mut self, vm: &Vm) {
        for event in self.fetcher.take_events() {
            vm.metrics.count(|counters| telemetry::count_keys(counters, event));
            say(telemetry::keys_line(event, &self.jwks.cluster, &self.jwks.path));
            if let Event::Changed { keys, .. } = event {
                gauge("flint_jwks_keys", keys as u64);
            }
        }
    }
}

fn now(vm: &Vm) -> Now {
    Now { ms: clock::monotonic_ms(), served: vm.served.get(), random: clock::random() }
}
