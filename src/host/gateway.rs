//! What one VM keeps for one authority: its view of the table, the poller, and the usage to report.

use std::time::Duration;

use flint_abi::Map;
use flint_contract::protocol::{GATEWAY_HEADER, USAGE_PATH};
use proxy_wasm::types::LogLevel;

use super::calls;
use super::clock;
use super::metrics::gauge;
use super::shared::Shared;
use super::vm::Vm;
use crate::config::{Authority, Token};
use crate::decide::request::Headers;
use crate::feed::abandoned;
use crate::feed::page::MAX_PAGE;
use crate::feed::poller::{self, Answer, Event, Failure, Poller, Settings};
use crate::report::telemetry::{self, Counter};
use crate::report::usage::{self, Usage};
use crate::table::store::{Condition, Namespace, Slot, Store as _};
use crate::table::{Meta, View};

/// One authority as called with one token.
#[derive(Debug)]
pub(super) struct Gateway {
    namespace: Namespace,
    authority: Authority,
    /// `None` where it should be in the environment and is not.
    token: Option<String>,
    /// The id of this Envoy process, once it is known.
    id: Option<String>,
    pub(super) view: View,
    pub(super) usage: Usage,
    poller: Poller,
    poll: Option<Outstanding>,
    report: Option<Outstanding>,
    /// Both clocks at the last tick.
    pub(super) ms: u64,
    pub(super) unix: i64,
    gauges_at: u64,
    /// Whether the namespace stands in the list of those in use.
    entered: bool,
}

/// A call on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    pub(super) call: u32,
    /// The root context that made it: when that ends, the call does.
    pub(super) root: u32,
}

impl Gateway {
    /// A gateway that has done nothing yet. `vm` is the VM's number.
    pub(super) fn new(authority: &Authority, vm: u64) -> Self {
        let token = match &authority.token {
            Token::None => Some(String::new()),
            Token::Literal(secret) => Some(secret.expose().to_owned()),
            Token::Env(name) => std::env::var(&**name).ok().filter(|token| !token.is_empty()),
        };
        let namespace =
            Namespace::of(&authority.cluster, &authority.host, token.as_deref().unwrap_or("\0unset"));
        let settings =
            Settings { wait_seconds: authority.wait_seconds, timeout_seconds: authority.timeout_seconds };
        Self {
            namespace,
            authority: authority.clone(),
            token,
            id: None,
            view: View::new(namespace),
            usage: Usage::default(),
            poller: Poller::new(namespace, settings, vm),
            poll: None,
            report: None,
            ms: clock::monotonic_ms(),
            unix: clock::unix().unwrap_or_default(),
            gauges_at: 0,
            entered: false,
        }
    }

    pub(super) const fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// Whether this VM is the one that polls.
    pub(super) const fn is_poller(&self) -> bool {
        self.poller.is_holder()
    }

    /// Looks at the clocks and at the table, and sends what is due: usage always, calls for the
    /// table if `root` is of a configuration that `polls` this authority.
    pub(super) fn tick(&mut self, vm: &Vm, root: u32, polls: bool) {
        self.ms = clock::monotonic_ms();
        self.unix = clock::unix().unwrap_or(self.unix);
        self.poller.look_at_clocks(self.ms, self.unix);
        // If shared data fails, the view stays as it was and grows old.
        let _ = self.view.refresh(&Shared);
        if polls {
            self.entered = self.entered || abandoned::enter(&Shared, self.namespace).is_ok();
            self.poll_table(vm, root);
            let now = self.now(vm);
            self.poller.prune(&Shared, self.unix, now);
        }
        self.report_usage(vm, root);
        self.show(vm);
    }

    /// Takes the answer to a call, if it is one of this gateway's.
    pub(super) fn take_answer(&mut self, vm: &Vm, root: u32, call: u32, headers: usize, body: usize) -> bool {
        let is_it = |outstanding: &Option<Outstanding>| outstanding.is_some_and(|it| it.call == call);
        self.ms = clock::monotonic_ms();
        if is_it(&self.poll) {
            self.poll = None;
            self.take_page(vm, headers, body);
            self.poll_table(vm, root);
            self.show(vm);
            return true;
        }
        if is_it(&self.report) {
            self.report = None;
            self.take_delivery(vm, head(headers).0);
            return true;
        }
        false
    }

    /// A root context has ended, and its calls with it.
    pub(super) fn root_ended(&mut self, vm: &Vm, root: u32) {
        let was_its = |outstanding: &Option<Outstanding>| outstanding.is_some_and(|it| it.root == root);
        if was_its(&self.poll) {
            self.poll = None;
            self.poller.call_ended(self.ms);
        }
        if was_its(&self.report) {
            self.report = None;
            self.take_delivery(vm, None);
        }
    }

    fn take_page(&mut self, vm: &Vm, headers: usize, body: usize) {
        let (status, encoded) = head(headers);
        if body > MAX_PAGE {
            // It is not even copied.
            self.poller.handle_failure(Failure::Excess, self.now(vm));
            return;
        }
        let body = if status == Some(200) { calls::callout_body(body) } else { Ok(Vec::new()) };
        let now = self.now(vm);
        match body {
            Ok(body) => self.poller.handle_answer(&Shared, Answer { status, encoded, body: &body }, now),
            Err(_) => self.poller.handle_failure(Failure::NoAnswer, now),
        }
        let _ = self.view.refresh(&Shared);
    }

    fn now(&self, vm: &Vm) -> poller::Now {
        poller::Now { ms: self.ms, served: vm.served.get(), random: clock::random() }
    }

    fn poll_table(&mut self, vm: &Vm, root: u32) {
        let now = self.now(vm);
        let Some(call) = self.poller.poll(&Shared, now) else { return };
        if self.token.is_none() {
            self.poller.handle_failure(Failure::NoToken, now);
            return;
        }
        match self.send("GET", &call.path, &[], call.timeout) {
            Some(call) => {
                self.poll = Some(Outstanding { call, root });
                vm.metrics.add(Counter::Polls, 1);
            }
            None => self.poller.handle_failure(Failure::NotSent, now),
        }
    }

    fn report_usage(&mut self, vm: &Vm, root: u32) {
        if self.usage.is_empty() || self.token.is_none() {
            return;
        }
        let timeout = 1_000 * u64::from(self.authority.timeout_seconds);
        let now = self.usage_now();
        let Some(body) = self.usage.poll(now, timeout).map(<[u8]>::to_vec) else { return };
        let call = self.send("POST", USAGE_PATH, &body, timeout);
        self.report = call.map(|call| Outstanding { call, root });
        if self.report.is_none() {
            self.take_delivery(vm, None);
        }
    }

    fn take_delivery(&mut self, vm: &Vm, status: Option<u16>) {
        let Some(delivery) = self.usage.handle_status(status, self.usage_now()) else { return };
        vm.metrics.count(|counters| telemetry::count_delivery(counters, delivery));
        say(telemetry::delivery_line(delivery, &self.authority.cluster));
    }

    fn usage_now(&self) -> usage::Now {
        usage::Now { ms: self.ms, unix: self.unix, random: clock::random() }
    }

    /// Sends a call to the authority; `None` where Envoy would not.
    fn send(&mut self, method: &str, path: &str, body: &[u8], timeout: u64) -> Option<u32> {
        let id = self.process_id();
        let credential = self.token.as_deref().filter(|token| !token.is_empty());
        let credential = credential.map(|token| format!("Bearer {token}"));
        let mut headers = vec![
            (":method", method),
            (":path", path),
            (":authority", &*self.authority.host),
            (GATEWAY_HEADER, &*id),
            ("accept", "application/json"),
            ("user-agent", concat!("flint-auth/", env!("CARGO_PKG_VERSION"))),
        ];
        headers.extend(credential.as_deref().map(|credential| ("authorization", credential)));
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        calls::call(&self.authority.cluster, &headers, body, Duration::from_millis(timeout)).ok()
    }

    /// The id of this Envoy process for this authority: the first VM to need one makes it, all use
    /// it.
    fn process_id(&mut self) -> String {
        if let Some(id) = &self.id {
            return id.clone();
        }
        let address = self.namespace.slot(Slot::ProcessId);
        let held =
            || Shared.get(&address).ok().flatten().and_then(|(value, _)| String::from_utf8(value).ok());
        let id = held().unwrap_or_else(|| {
            let id = format!("gw_{:032x}", clock::random());
            // If another VM was quicker, what stands there is the id for both.
            let _ = Shared.set(&address, id.as_bytes(), Condition::Absent);
            held().unwrap_or(id)
        });
        self.id.insert(id).clone()
    }

    /// Counts and says what happened, and keeps the table's gauges, which are the poller's to set.
    fn show(&mut self, vm: &Vm) {
        let token_env = match &self.authority.token {
            Token::Env(name) => name,
            Token::None | Token::Literal(_) => "",
        };
        for event in self.poller.take_events() {
            // Anyone who takes a lease may find its namespace cleared away.
            self.entered = self.entered && event != Event::TookLease;
            vm.metrics.count(|counters| telemetry::count(counters, event));
            say(telemetry::line(event, &self.authority.cluster, token_env));
        }
        if self.poller.is_holder() && self.ms >= self.gauges_at {
            self.gauges_at = self.ms + 1_000;
            if let Some(Meta { keys, tokens, version, fresh_at, .. }) = self.view.meta() {
                gauge("flint_table_keys", keys.saturating_sub(*tokens));
                gauge("flint_revoked_tokens", *tokens);
                gauge("flint_table_version", *version);
                gauge("flint_table_age_seconds", self.ms.saturating_sub(*fresh_at) / 1_000);
            }
        }
    }
}

/// The status of an answer, and whether its body is encoded. Nothing may be asked of an answer
/// without headers.
pub(super) fn head(count: usize) -> (Option<u16>, bool) {
    if count == 0 {
        return (None, false);
    }
    let Ok(map) = flint_abi::headers(Map::CalloutHeaders) else { return (None, false) };
    let Some(headers) = Headers::read(&map) else { return (None, false) };
    let (mut status, mut encoded) = (None, false);
    for (name, value) in headers {
        match name {
            b":status" => status = std::str::from_utf8(value).ok().and_then(|status| status.parse().ok()),
            b"content-encoding" => encoded |= !value.eq_ignore_ascii_case(b"identity"),
            _ => {}
        }
    }
    (status, encoded)
}

pub(super) fn say(line: Option<(telemetry::Level, String)>) {
    if let Some((level, text)) = line {
        let level = match level {
            telemetry::Level::Info => LogLevel::Info,
            telemetry::Level::Warn => LogLevel::Warn,
        };
        calls::log(level, &text);
    }
}
