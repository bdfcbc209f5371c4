//! A request: its headers read, decided, and the decision carried out with as few host calls as it takes.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use flint_abi::{Map, Refused};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::clock;
use super::gateway::Gateway;
use super::root::{State, Waiting};
use super::shared::Shared;
use crate::config::Config;
use crate::decision::{Decision, Permit, Refusal, World, decide, undecided};
use crate::key::Digest;
use crate::lookup::{Keys, Table};
use crate::outcome::Outcome;
use crate::reply::reply;
use crate::request::{Request, serialise};
use crate::table::{Fault, Found};
use crate::telemetry::Counter;

/// How long a request waits for the first table, in milliseconds: a second, less the tick that ends it.
const WAIT: u64 = 950;

/// The context of one request.
pub(super) struct Http {
    context: u32,
    /// `None` where there is no good configuration; Envoy does not let it come to that.
    state: Option<Rc<State>>,
    waits: bool,
}

/// What to do with a request that has been decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Continue,
    /// An answer has been sent.
    Answered,
    Wait,
}

/// The world as a decision asks about it.
struct Host<'a> {
    keys: Keys<'a, Shared>,
    now: Option<i64>,
}

// === impl Http ===

impl Http {
    pub(super) const fn new(context: u32, state: Option<Rc<State>>) -> Self {
        Self { context, state, waits: false }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(state) = &self.state else {
            refuse_blindly("flint");
            return Action::Pause;
        };
        state.vm.served.set(true);
        match serve(state, true) {
            Next::Continue => Action::Continue,
            Next::Answered => Action::Pause,
            Next::Wait => {
                let until = clock::monotonic_ms() + WAIT;
                state.waiting.borrow_mut().push(Waiting { context: self.context, until });
                self.waits = true;
                Action::Pause
            }
        }
    }
}

impl Drop for Http {
    /// A request that ends while it waits, waits no longer.
    fn drop(&mut self) {
        if self.waits
            && let Some(state) = &self.state
        {
            state.waiting.borrow_mut().retain(|waiting| waiting.context != self.context);
        }
    }
}

/// Whether there is a table that answers, or none is needed.
pub(super) fn is_usable(config: &Config, gateway: &mut Gateway) -> bool {
    let now = gateway.ms;
    Keys { config, table: Some((&mut gateway.view, &Shared)), now }.table() == Table::Usable
}

/// Decides the requests that wait, if there is a table by now, and those that have waited long enough in any case.
pub(super) fn resume_waiting(state: &State) {
    if state.waiting.borrow().is_empty() {
        return;
    }
    let now = clock::monotonic_ms();
    let came = state.gateway().is_none_or(|gateway| gateway.borrow().view.meta().is_some());
    let waiting = std::mem::take(&mut *state.waiting.borrow_mut());
    let (ready, still) = waiting.into_iter().partition(|waiting| came || waiting.until <= now);
    *state.waiting.borrow_mut() = still;
    let ready: Vec<Waiting> = ready;
    for Waiting { context, .. } in ready {
        // A request that has gone in the meantime is refused here, and there is nothing left to do for it.
        if flint_abi::set_effective_context(context).is_ok() && serve(state, false) == Next::Continue {
            let _ = flint_abi::resume_request();
        }
    }
}

/// Decides a request and carries the decision out.
fn serve(state: &State, may_wait: bool) -> Next {
    let Ok(map) = flint_abi::headers(Map::RequestHeaders) else {
        return refuse_blindly(&state.config.realm);
    };
    let Some(request) = Request::read(&map) else { return refuse_blindly(&state.config.realm) };
    #[cfg(feature = "faults")]
    state.faults.trap(request.path);
    let decision = match state.gateway() {
        Some(gateway) => {
            let gateway = &mut *gateway.borrow_mut();
            let table = Some((&mut gateway.view, &Shared));
            ask(&state.config, &request, Keys { config: &state.config, table, now: gateway.ms })
        }
        None => ask(&state.config, &request, Keys { config: &state.config, table: None, now: 0 }),
    };
    let decision = match decision {
        Decision::Wait if may_wait => return Next::Wait,
        Decision::Wait => undecided(&state.config),
        decision => decision,
    };
    let carried_out = match &decision {
        Decision::Forward(permit) => forward(state, &request, permit).map(|()| Next::Continue),
        Decision::Refuse(refusal) => refuse(state, &request, refusal).map(|()| Next::Answered),
        Decision::Wait => Ok(Next::Wait),
    };
    // Half of the headers may be written: what cannot be carried out is refused.
    carried_out.unwrap_or_else(|_| refuse_blindly(&state.config.realm))
}

fn ask<'c>(config: &'c Config, request: &Request<'_>, keys: Keys<'_, Shared>) -> Decision<'c> {
    decide(config, request, &mut Host { keys, now: None })
}

fn forward(state: &State, request: &Request<'_>, permit: &Permit) -> Result<(), Refused> {
    strip(request)?;
    let outcome = permit.outcome();
    if let Some(found) = permit.key() {
        // A record that was accepted was read: it reads again.
        let record = found.record().ok_or(Refused(0))?;
        if !state.config.forward_authorization {
            flint_abi::remove_request_header(b"authorization")?;
        }
        // Nothing is left under these names, so adding is setting, at half the cost.
        flint_abi::add_request_header(b"x-flint-credential", b"api_key")?;
        flint_abi::add_request_header(b"x-flint-key-id", record.id.as_bytes())?;
        flint_abi::add_request_header(b"x-flint-environment", record.environment.as_str().as_bytes())?;
        if let Some(owner) = record.owner {
            flint_abi::add_request_header(b"x-flint-owner", owner.as_bytes())?;
        }
        flint_abi::set_property(b"flint_key_id", record.id.as_bytes())?;
    }
    flint_abi::set_property(b"flint_outcome", outcome.as_str().as_bytes())?;
    count(state, outcome, permit.key());
    Ok(())
}

fn refuse(state: &State, request: &Request<'_>, refusal: &Refusal<'_>) -> Result<(), Refused> {
    strip(request)?;
    if let Some(record) = refusal.key.as_ref().and_then(Found::record) {
        flint_abi::set_property(b"flint_key_id", record.id.as_bytes())?;
    }
    flint_abi::set_property(b"flint_outcome", refusal.outcome.as_str().as_bytes())?;
    answer(refusal.outcome, &state.config.realm, refusal)?;
    count(state, refusal.outcome, refusal.key.as_ref());
    Ok(())
}

fn answer(outcome: Outcome, realm: &str, refusal: &Refusal<'_>) -> Result<(), Refused> {
    let reply = reply(outcome, realm, refusal.scope);
    let headers = serialise(reply.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    flint_abi::send_local_response(reply.status, reply.details, &headers, reply.body)
}

/// Refuses where not even the headers can be read or written.
fn refuse_blindly(realm: &str) -> Next {
    let refusal = Refusal { outcome: Outcome::Unavailable, scope: None, key: None };
    // If this fails too the request stays paused, until Envoy's timeout ends it: it is not forwarded.
    let _ = flint_abi::set_property(b"flint_outcome", refusal.outcome.as_str().as_bytes());
    let _ = answer(refusal.outcome, realm, &refusal);
    Next::Answered
}

/// Takes away what only the filter may say.
fn strip(request: &Request<'_>) -> Result<(), Refused> {
    request.reserved.iter().try_for_each(|name| flint_abi::remove_request_header(name))
}

fn count(state: &State, outcome: Outcome, key: Option<&Found>) {
    state.vm.metrics.add(Counter::Requests(outcome), 1);
    if let Some(record) = key.and_then(Found::record)
        && let Some(gateway) = state.gateway()
    {
        let gateway = &mut *gateway.borrow_mut();
        if !gateway.usage.count(record.id, outcome, gateway.ms, gateway.unix) {
            state.vm.metrics.add(Counter::UsageDropped, 1);
        }
    }
}

// === impl Host ===

impl World for Host<'_> {
    fn table(&mut self) -> Table {
        self.keys.table()
    }

    fn find(&mut self, digest: &Digest) -> Result<Option<Found>, Fault> {
        self.keys.find(digest)
    }

    fn now(&mut self) -> Option<i64> {
        self.now = self.now.or_else(clock::unix);
        self.now
    }

    /// `source.address` is the client's as Envoy has worked it out from the trusted hops, with its port.
    fn client_address(&mut self) -> Option<IpAddr> {
        let address = flint_abi::property(b"source\0address").ok()??;
        let address = std::str::from_utf8(&address).ok()?;
        address.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| address.parse()).ok()
    }
}
