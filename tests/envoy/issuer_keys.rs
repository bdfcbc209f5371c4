//! The keys of an issuer: fetched once for all workers, whatever its server does.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authority::{Authority, Reply};
use crate::client::{Protocol, Request};
use crate::expect;
use crate::harness::{eventually, throughout};
use crate::keys::Key;
use crate::scene::{Scene, configuration};
use crate::tokens::{Token, jwk, oauth, set};

/// A gateway whose issuer has a server apart from the authority.
struct Apart {
    scene: Scene,
    issuer: Authority,
}

fn jwks(fields: Value) -> Value {
    let mut all = oauth("issuer", json!({}));
    for (name, value) in fields.as_object().expect("fields") {
        all["jwks"][name] = value.clone();
    }
    configuration(json!({"oauth": all}))
}

impl Apart {
    fn with(issuer: Authority, workers: usize, fields: Value) -> Self {
        let address = issuer.address();
        let scene = Scene::plan(|plan| {
            plan.workers(workers).cluster("issuer", address).listener("main", jwks(fields))
        });
        Self { scene, issuer }
    }

    /// One whose keys 1 and 2 are there.
    fn start(workers: usize, fields: Value) -> Self {
        let issuer = Authority::start();
        issuer.serve_keys(set(&[1, 2]));
        let apart = Self::with(issuer, workers, fields);
        apart.scene.authority.synced();
        eventually("the keys are there", || apart.passes(&Token::granting("documents:read")));
        apart
    }

    fn status(&self, token: &Token) -> u16 {
        self.scene.send("main", &Request::get("/documents").bearer(token.text())).status
    }

    fn passes(&self, token: &Token) -> bool {
        self.status(token) == 200
    }
}

#[test]
fn without_a_set_a_token_waits_and_then_cannot_be_decided_and_keys_pass_meanwhile() {
    let apart = Apart::with(Authority::down(), 2, json!({}));
    let key = Key::live("reader").may(&["documents:read"]);
    apart.scene.authority.publish([&key]);
    let token = Token::granting("documents:read");
    let request = Request::get("/documents").bearer(token.text());
    expect::denied(&apart.scene.send("main", &request), "unavailable");
    let key = Request::get("/documents").bearer(&key.secret);
    assert_eq!(apart.scene.send("main", &key).status, 200);
    let malformed = Request::get("/documents").bearer("a.b.c");
    expect::denied(&apart.scene.send("main", &malformed), "invalid_access_token");
    apart.issuer.serve_keys(set(&[1]));
    apart.issuer.up();
    eventually("it recovers by itself", || apart.passes(&token));
}

#[test]
fn many_tokens_wait_for_one_call() {
    let issuer = Authority::start();
    issuer.serve_keys(set(&[1]));
    issuer.every_key_call(Reply::Hold);
    let apart = Apart::with(issuer, 4, json!({}));
    apart.scene.authority.synced();
    let mut connections = apart.scene.connections("main");
    let request = Request::get("/documents").bearer(Token::granting("documents:read").text());
    for connection in &mut connections {
        connection.write(&request).expect("the connection is open");
    }
    eventually("the call has come", || apart.issuer.key_calls() == 1);
    apart.issuer.recover();
    let answers: Vec<_> =
        connections.iter_mut().map(|connection| connection.read("GET").expect("an answer")).collect();
    // On a slow machine the second may be over for some.
    assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)), "{answers:?}");
    assert_eq!(apart.issuer.key_calls(), 1);
}

#[test]
fn bad_answers_change_nothing() {
    let apart = Apart::start(1, json!({"refresh_seconds": 1}));
    let token = Token::granting("documents:read");
    let body = |text: String| Reply::Body(String::new(), text.into_bytes());
    let encoded = Reply::Body("content-encoding: gzip\r\n".into(), set(&[3]).to_string().into_bytes());
    let padded = format!("{}{}", set(&[3]), " ".repeat(256 << 10));
    for bad in [
        Reply::Status(500, set(&[3]).to_string()),
        Reply::Status(304, String::new()),
        body("<html>".into()),
        body(json!({"keys": []}).to_string()),
        body(json!({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]}).to_string()),
        body(json!({"keys": vec![jwk(3); 101]}).to_string()),
        body(padded),
        encoded,
        Reply::CutShort,
        Reply::Huge(33 << 20),
        Reply::Reset,
    ] {
        let failures = apart.scene.gateway.statistic("wasmcustom.flint_jwks_failures");
        apart.issuer.next_key_calls([bad.clone()]);
        eventually("the failure is counted", || {
            apart.scene.gateway.statistic("wasmcustom.flint_jwks_failures") > failures
        });
        assert!(apart.passes(&token), "{bad:?}");
    }
    let log = apart.scene.gateway.log();
    assert!(log.contains("the signing keys could not be fetched from cluster \"issuer\""), "{log}");
}

#[test]
fn a_dead_server_leaves_the_known_set_working_until_it_is_too_old() {
    let apart = Apart::start(2, json!({"refresh_seconds": 1, "max_staleness_seconds": 4}));
    let token = Token::granting("documents:read");
    apart.issuer.go_down();
    throughout("the set works", Duration::from_millis(1_500), || apart.passes(&token));
    eventually("the set is too old", || apart.status(&token) == 503);
    apart.issuer.up();
    eventually("it recovers", || apart.passes(&token));
}

#[test]
fn a_new_key_is_known_as_soon_as_a_token_has_its_kid() {
    let apart = Apart::start(4, json!({}));
    let calls = apart.issuer.key_calls();
    apart.issuer.serve_keys(set(&[1, 2, 3]));
    let token = Token::granting("documents:read").signed_by(3);
    for mut connection in apart.scene.connections("main") {
        let answer = connection.send(&Request::get("/documents").bearer(token.text()));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(apart.issuer.key_calls(), calls + 1, "one call for all workers");
}

#[test]
fn unknown_kids_by_the_thousand_make_one_call_in_five_seconds() {
    let apart = Apart::start(4, json!({}));
    let (calls, begun) = (apart.issuer.key_calls(), Instant::now());
    let address = apart.scene.gateway.address();
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..250 {
                    let kid = json!(format!("unknown-{thread}-{number}"));
                    let token = Token::granting("documents:read").header("kid", kid).text();
                    let answer = Request::get("/documents").bearer(token).send(Protocol::Http1, address);
                    expect::denied(&answer, "invalid_access_token");
                }
            });
        }
    });
    // One at the beginning of each five seconds, however many those were.
    let made = apart.issuer.key_calls() - calls;
    let most = usize::try_from(begun.elapsed().as_secs() / 5 + 1).unwrap();
    assert!((1..=most).contains(&made), "{made} calls, not {most}");
}

#[test]
fn an_unknown_kid_is_refused_though_the_server_hangs() {
    let apart = Apart::start(1, json!({}));
    apart.issuer.every_key_call(Reply::Never);
    let token = Token::granting("documents:read").signed_by(3);
    let answer = apart.scene.send("main", &Request::get("/documents").bearer(token.text()));
    expect::denied(&answer, "invalid_access_token");
    assert!(apart.passes(&Token::granting("documents:read")));
}

#[test]
fn a_key_that_leaves_the_set_takes_its_tokens_with_it() {
    let apart = Apart::start(4, json!({"refresh_seconds": 1}));
    let (old, new) = (Token::granting("documents:read"), Token::granting("documents:read").signed_by(2));
    let mut connections = apart.scene.connections("main");
    let mut statuses = |token: &Token| -> Vec<u16> {
        let request = Request::get("/documents").bearer(token.text());
        connections.iter_mut().map(|connection| connection.send(&request).status).collect()
    };
    assert!(statuses(&old).iter().all(|status| *status == 200));
    apart.issuer.serve_keys(set(&[2]));
    let calls = apart.issuer.key_calls();
    // The second of these was made after the first one's answer was taken.
    eventually("the new set is there", || apart.issuer.key_calls() >= calls + 2);
    assert!(statuses(&old).iter().all(|status| *status == 401));
    assert!(statuses(&new).iter().all(|status| *status == 200));
}

#[test]
fn an_update_keeps_the_set_warm_though_its_server_is_down() {
    let mut apart = Apart::start(2, json!({}));
    let token = Token::granting("documents:read");
    apart.issuer.go_down();
    let mut updated = jwks(json!({"refresh_seconds": 600, "timeout_seconds": 2}));
    updated["realm"] = json!("updated");
    apart.scene.gateway.reconfigure("main", updated).expect("the configuration is good");
    eventually("the update is in force", || {
        let answer = apart.scene.send("main", &Request::get("/documents"));
        answer.header("www-authenticate") == Some("Bearer realm=\"updated\"")
    });
    assert!(apart.passes(&token));
}

#[test]
fn keys_are_rotated_under_load_and_no_live_token_breaks() {
    let apart = Apart::start(4, json!({"refresh_seconds": 1}));
    let address = apart.scene.gateway.address();
    let send = |number: u8| {
        let token = Token::granting("documents:read").signed_by(number).text();
        Request::get("/documents").bearer(token).send(Protocol::Http1, address).status
    };
    for first in 1..4_u8 {
        // Published, then used, then the one before is withdrawn.
        apart.issuer.serve_keys(set(&[first, first + 1]));
        eventually("the new key is known", || send(first + 1) == 200);
        let statuses: Vec<u16> = (0..20).map(|turn| send(first + turn % 2)).collect();
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
}
