//! Handles a request: reads its headers, decides, and carries the decision out with as few host
//! calls as possible.

use std::net::{IpAddr, SocketAddr};

use flint_abi::{Map, Refused};
use flint_contract::key::Digest;
use flint_contract::outcome::Outcome;
use proxy_wasm::types::Action;

use super::calls;
use super::clock;
use super::gateway::Gateway;
use super::root::{Root, Waiting};
use super::shared::Shared;
use crate::config::Config;
use crate::decide::decision::{Decision, Permit, Refusal, World, decide, waited_in_vain};
use crate::decide::lookup::{Keys, Readiness, readiness};
use crate::decide::reply::{self, reply};
use crate::decide::request::{Request, serialise};
use crate::report::telemetry::Counter;
use crate::table::{Fault, Found};
use crate::token::verifier::{Awaited, Time};
use crate::token::{Judged, Verified};

/// How long a request waits for the first table and for keys, in all, in milliseconds: a second,
/// less the tick that ends it.
const WAIT: u64 = 950;

/// What to do with a request that has been decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Continue,
    /// An answer has been sent.
    Answered,
    Wait(Option<Awaited>),
}

/// The world as a decision asks about it.
struct Host<'a> {
    root: &'a Root,
    keys: Keys<'a, Shared>,
    now: Option<i64>,
}

/// A request's headers are there.
pub(super) fn on_request(root: &Root, context: u32) -> Action {
    root.vm.served.set(true);
    match serve(root, true) {
        Next::Continue => Action::Continue,
        Next::Answered => Action::Pause,
        Next::Wait(awaited) => {
            root.wait(Waiting { context, until: clock::monotonic_ms() + WAIT, awaited });
            Action::Pause
        }
    }
}

/// A request that waited is decided; it may continue waiting, for something else, until its time is
/// over.
pub(super) fn resume(root: &Root, waiting: Waiting, now: u64) {
    // One that ended is not among those that wait; should it be, there is nothing left to do for
    // it.
    if calls::set_effective_context(waiting.context).is_err() {
        return;
    }
    match serve(root, now < waiting.until) {
        Next::Continue => {
            let _ = calls::resume_request();
        }
        Next::Answered => {}
        Next::Wait(awaited) => root.wait(Waiting { awaited, ..waiting }),
    }
}

/// Envoy does not let it come to this; if it did, nothing would pass.
pub(super) fn refuse_without_configuration() -> Action {
    refuse_blindly("flint");
    Action::Pause
}

/// Whether there is a table that answers.
pub(super) fn is_usable(config: &Config, gateway: &Gateway) -> bool {
    readiness(config, &gateway.view, gateway.ms) == Readiness::Usable
}

/// Decides a request and carries the decision out.
fn serve(root: &Root, may_wait: bool) -> Next {
    let Ok(map) = flint_abi::headers(Map::RequestHeaders) else {
        return give_up(root);
    };
    let Some(request) = Request::read(&map) else { return give_up(root) };
    #[cfg(feature = "faults")]
    root.faults.trap(request.path);
    let decision = match root.gateway() {
        Some(gateway) => {
            let gateway = &mut *gateway.borrow_mut();
            let table = Some((&mut gateway.view, &Shared));
            ask(root, &request, Keys { config: &root.config, table, now: gateway.ms })
        }
        None => ask(root, &request, Keys { config: &root.config, table: None, now: 0 }),
    };
    let decision = match decision {
        Decision::Wait(wait) if may_wait => return Next::Wait(wait.awaited),
        Decision::Wait(wait) => waited_in_vain(&root.config, wait),
        decision => decision,
    };
    let carried_out = match &decision {
        Decision::Forward(permit) => forward(root, &request, permit).map(|()| Next::Continue),
        Decision::Refuse(refusal) => refuse(root, &request, refusal).map(|()| Next::Answered),
        Decision::Serve(document) => serve_document(root, document).map(|()| Next::Answered),
        Decision::Wait(wait) => Ok(Next::Wait(wait.awaited)),
    };
    // Half of the headers may be written: what cannot be carried out is refused.
    carried_out.unwrap_or_else(|_| give_up(root))
}

fn ask<'c>(root: &'c Root, request: &Request<'_>, keys: Keys<'_, Shared>) -> Decision<'c> {
    decide(&root.config, request, &mut Host { root, keys, now: None })
}

fn forward(root: &Root, request: &Request<'_>, permit: &Permit) -> Result<(), Refused> {
    strip(request)?;
    let outcome = permit.outcome();
    // A record that was accepted was read: it reads again.
    let record = permit.key().map(|found| found.record().ok_or(Refused(0))).transpose()?;
    if let Some(record) = &record {
        if !root.config.forward_authorization {
            calls::remove_request_header(b"authorization")?;
        }
        // Nothing is left under these names, so adding is setting, at half the cost.
        calls::add_request_header("x-flint-credential", b"api_key")?;
        calls::add_request_header("x-flint-key-id", record.id.as_bytes())?;
        calls::add_request_header("x-flint-environment", record.environment.as_str().as_bytes())?;
        if let Some(owner) = record.owner {
            calls::add_request_header("x-flint-owner", owner.as_bytes())?;
        }
        calls::set_property("flint_key_id", record.id.as_bytes())?;
    }
    if let Some(token) = permit.token() {
        forward_token(root, token)?;
    }
    calls::set_property("flint_outcome", outcome.as_str().as_bytes())?;
    count(root, outcome, record.map(|record| record.id));
    Ok(())
}

/// Tells the upstream of an access token.
fn forward_token(root: &Root, token: &Verified) -> Result<(), Refused> {
    if !root.config.forward_authorization {
        calls::remove_request_header(b"authorization")?;
    }
    let claims = &token.claims;
    let issuer = root.config.oauth.issuers.get(token.issuer).ok_or(Refused(0))?;
    // A token of no environment is not accepted.
    let environment = claims.environment.ok_or(Refused(0))?;
    calls::add_request_header("x-flint-credential", b"access_token")?;
    calls::add_request_header("x-flint-environment", environment.as_str().as_bytes())?;
    calls::add_request_header("x-flint-issuer", issuer.name.as_bytes())?;
    if let Some(subject) = &claims.subject {
        calls::add_request_header("x-flint-subject", subject.as_bytes())?;
    }
    if let Some(client_id) = &claims.client_id {
        calls::add_request_header("x-flint-client-id", client_id.as_bytes())?;
    }
    show_client(token)
}

/// Sets the filter state that names the client of a token whose signature is good.
fn show_client(token: &Verified) -> Result<(), Refused> {
    match &token.claims.client_id {
        Some(client_id) => calls::set_property("flint_client_id", client_id.as_bytes()),
        None => Ok(()),
    }
}

/// Answers with the metadata of a resource.
fn serve_document(root: &Root, document: &[u8]) -> Result<(), Refused> {
    calls::set_property("flint_outcome", Outcome::Public.as_str().as_bytes())?;
    let headers =
        serialise(reply::METADATA_HEADERS.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    flint_abi::send_local_response(200, reply::METADATA_DETAILS, &headers, document)?;
    count(root, Outcome::Public, None);
    Ok(())
}

fn refuse(root: &Root, request: &Request<'_>, refusal: &Refusal<'_>) -> Result<(), Refused> {
    strip(request)?;
    let record = refusal.key.as_ref().and_then(Found::record);
    if let Some(record) = &record {
        calls::set_property("flint_key_id", record.id.as_bytes())?;
    }
    if let Some(token) = &refusal.token {
        show_client(token)?;
    }
    calls::set_property("flint_outcome", refusal.outcome.as_str().as_bytes())?;
    let resource = root.config.resources.at(request.path);
    answer(
        refusal.outcome,
        &reply::Context {
            realm: &root.config.realm,
            scope: refusal.scope,
            fault: refusal.fault,
            metadata_url: resource.map(|resource| &*resource.metadata_url),
        },
    )?;
    count(root, refusal.outcome, record.map(|record| record.id));
    Ok(())
}

fn answer(outcome: Outcome, context: &reply::Context<'_>) -> Result<(), Refused> {
    let reply = reply(outcome, context);
    let headers = serialise(reply.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    flint_abi::send_local_response(reply.status, reply.details, &headers, reply.body)
}

fn give_up(root: &Root) -> Next {
    count(root, Outcome::Unavailable, None);
    refuse_blindly(&root.config.realm)
}

/// Refuses where not even the headers can be read or written.
fn refuse_blindly(realm: &str) -> Next {
    let outcome = Outcome::Unavailable;
    // If this fails too the request stays paused, until Envoy's timeout ends it: it is not
    // forwarded.
    let _ = calls::set_property("flint_outcome", outcome.as_str().as_bytes());
    let _ = answer(outcome, &reply::Context { realm, ..reply::Context::default() });
    Next::Answered
}

/// Takes away what only the filter may say.
fn strip(request: &Request<'_>) -> Result<(), Refused> {
    request.reserved.iter().try_for_each(|name| calls::remove_request_header(name))
}

fn count(root: &Root, outcome: Outcome, key_id: Option<&str>) {
    root.vm.metrics.add(Counter::Requests(outcome), 1);
    if let Some(key_id) = key_id
        && let Some(gateway) = root.gateway()
    {
        let gateway = &mut *gateway.borrow_mut();
        if !gateway.usage.count(key_id, outcome, gateway.ms, gateway.unix) {
            root.vm.metrics.add(Counter::UsageDropped, 1);
        }
    }
}

// === impl Host ===

impl World for Host<'_> {
    fn readiness(&mut self) -> Readiness {
        self.keys.readiness()
    }

    fn find(&mut self, digest: &Digest) -> Result<Option<Found>, Fault> {
        self.keys.find(digest)
    }

    fn access_token(&mut self, token: &[u8], resource: Option<&str>) -> Judged {
        // Without a clock nothing can be said of a token's times.
        let Some(unix) = self.now() else { return Judged::Unavailable };
        let time = Time { unix, ms: self.root.ms.get(), ms_now: clock::monotonic_ms };
        let mut verifier = self.root.verifier.borrow_mut();
        verifier.judge(&self.root.config.oauth, &Shared, token, resource, time)
    }

    fn now(&mut self) -> Option<i64> {
        self.now = self.now.or_else(clock::unix);
        self.now
    }

    /// `source.address` is the client's as Envoy has worked it out from the trusted hops, with its
    /// port.
    fn client_address(&mut self) -> Option<IpAddr> {
        let address = calls::property(&["source", "address"]).ok()??;
        let address = std::str::from_utf8(&address).ok()?;
        address.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| address.parse()).ok()
    }
}
