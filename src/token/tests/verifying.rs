//! The verifier with its memory and its sets.

use serde_json::{Value, json};

use super::support::*;
use crate::config::Config;
use crate::config::oauth::KeySource;
use crate::feed::poller::{Answer, Now};
use crate::table::tests::Memory;
use crate::token::fetch::{Fetcher, Settings};
use crate::token::verifier::Time;
use crate::token::{Fault, Judged, Verifier, held};

const SETTINGS: Settings = Settings { refresh_seconds: 300, timeout_seconds: 5 };

fn config(issuers: &Value) -> Config {
    Config::parse(json!({"oauth": issuers}).to_string().as_bytes()).unwrap()
}

fn fetched(path: &str, name: &str) -> Value {
    json!({"issuer": name, "audience": "https://api.example.com", "jwks": {"cluster": "auth", "path": path}})
}

const OURS: &str = "https://auth.example.com";

/// A process with one worker.
struct Process {
    store: Memory,
    config: Config,
    verifier: Verifier,
}

impl Process {
    fn new(issuers: &Value) -> Self {
        let config = config(issuers);
        let verifier = Verifier::new(&config.oauth);
        Self { store: Memory::default(), config, verifier }
    }

    fn ours() -> Self {
        Self::new(&fetched("/keys", OURS))
    }

    /// The set of the issuer in this place becomes this, at a time.
    fn put(&self, issuer: usize, keys: &[u8], ms: u64) {
        let KeySource::Fetched(jwks) = &self.config.oauth.keys[issuer] else { panic!() };
        let mut fetcher = Fetcher::new(held::namespace(jwks), ms);
        // Each time another VM: the lease of the one before has run out.
        let now = Now { ms, served: false, random: 30_000 };
        held::View::new(held::namespace(jwks)).ask(&self.store, ms).unwrap();
        assert!(fetcher.poll(&self.store, SETTINGS, now).is_some());
        let keys: Vec<_> = keys.iter().map(|number| jwk(*number)).collect();
        let body = json!({"keys": keys}).to_string();
        let answer = Answer { status: Some(200), encoded: false, body: body.as_bytes() };
        fetcher.handle_answer(&self.store, SETTINGS, answer, now);
    }

    fn judge_at(&mut self, token: &str, unix: i64, ms: u64) -> Judged {
        let time = Time { unix, ms, ms_now: || ms };
        self.verifier.judge(&self.config.oauth, &self.store, token.as_bytes(), None, time)
    }

    fn judge(&mut self, token: &str, ms: u64) -> Judged {
        self.judge_at(token, NOW, ms)
    }
}

fn is_good(judged: &Judged) -> bool {
    matches!(judged, Judged::Good(_))
}

fn is_refused(judged: &Judged) -> bool {
    matches!(judged, Judged::Refused(Fault::Invalid))
}

#[test]
fn a_token_waits_for_the_first_set_and_then_passes() {
    let mut process = Process::ours();
    let Judged::Wait(awaited) = process.judge(&token(), 0) else { panic!() };
    assert!(!awaited.is_for_a_kid() && !process.verifier.has_come(&process.store, awaited));
    assert!(is_refused(&process.judge("a.b.c", 0)), "what is malformed needs no keys");
    process.put(0, &[1], 5_000);
    assert!(process.verifier.has_come(&process.store, awaited));
    assert!(is_good(&process.judge(&token(), 5_010)));
}

#[test]
fn a_set_that_is_too_old_is_none_for_old_and_new_tokens() {
    let mut process = Process::ours();
    process.put(0, &[1], 5_000);
    assert!(is_good(&process.judge(&token(), 5_000)));
    let other = sign(&header(), &with(claims(), "jti", Some(json!("other"))));
    for token in [token(), other] {
        assert!(matches!(process.judge(&token, 5_000 + 86_400_000), Judged::Unavailable));
    }
}

#[test]
fn a_token_that_is_remembered_still_begins_and_ends() {
    let mut process = Process::ours();
    process.put(0, &[1], 5_000);
    let token = token();
    assert!(is_good(&process.judge_at(&token, NOW, 5_000)));
    assert!(is_good(&process.judge_at(&token, NOW + 629, 5_000)));
    assert!(matches!(process.judge_at(&token, NOW + 630, 5_000), Judged::Refused(Fault::Expired)));
    assert!(is_refused(&process.judge_at(&token, NOW - 31, 5_000)), "iat");
    assert!(is_good(&process.judge_at(&token, NOW, 5_000)));
}

#[test]
fn a_token_whose_key_has_left_the_set_is_refused_at_once() {
    let mut process = Process::ours();
    process.put(0, &[1, 2], 5_000);
    let token = token();
    assert!(is_good(&process.judge(&token, 5_000)) && is_good(&process.judge(&token, 5_000)));
    process.put(0, &[1, 3], 15_000);
    assert!(is_good(&process.judge(&token, 15_000)), "its key is still there");
    process.put(0, &[3], 25_000);
    assert!(is_refused(&process.judge(&token, 25_001)), "no other call is allowed now");
    process.put(0, &[1], 35_000);
    assert!(is_good(&process.judge(&token, 35_001)));
    // The same kid, another key.
    let KeySource::Fetched(_) = &process.config.oauth.keys[0] else { panic!() };
    process.put(0, &[3], 45_000);
    assert!(!is_good(&process.judge(&token, 55_000)));
}

#[test]
fn a_token_with_an_unknown_kid_waits_for_one_call() {
    let mut process = Process::ours();
    process.put(0, &[1], 5_000);
    let unknown = sign_texts(&with(header(), "kid", Some(json!("k2"))).to_string(), &claims().to_string(), 2);
    let Judged::Wait(awaited) = process.judge(&unknown, 12_000) else { panic!() };
    assert!(awaited.is_for_a_kid() && !process.verifier.has_come(&process.store, awaited));
    process.put(0, &[1, 2], 12_010);
    assert!(process.verifier.has_come(&process.store, awaited));
    assert!(is_good(&process.judge(&unknown, 12_020)));
    let never = sign(&with(header(), "kid", Some(json!("k9"))), &claims());
    assert!(is_refused(&process.judge(&never, 12_030)), "not so soon again");
}

#[test]
fn rfc_8725_section_3_8_a_set_of_one_issuer_never_serves_another() {
    let other = "https://other.example.com";
    let mut process = Process::new(&json!([fetched("/keys", OURS), fetched("/other", other)]));
    process.put(0, &[1], 5_000);
    process.put(1, &[2], 5_000);
    let of = |name: &str, number: u8| {
        let header = with(header(), "kid", None).to_string();
        sign_texts(&header, &with(claims(), "iss", Some(json!(name))).to_string(), number)
    };
    for (name, number, good) in [(OURS, 1, true), (OURS, 2, false), (other, 2, true), (other, 1, false)] {
        assert_eq!(is_good(&process.judge(&of(name, number), 5_000)), good, "{name} {number}");
    }
}

#[test]
fn keys_of_the_configuration_need_nothing_else() {
    let mut inline = fetched("/keys", OURS);
    inline["jwks"] = json!({"keys": [jwk(1)]});
    let mut process = Process::new(&inline);
    assert!(is_good(&process.judge(&token(), 0)) && is_good(&process.judge(&token(), u64::MAX)));
    let unknown = sign(&with(header(), "kid", Some(json!("k9"))), &claims());
    assert!(is_refused(&process.judge(&unknown, 0)));
    assert!(is_refused(&process.judge(&"x".repeat(9_000), 0)));
}

#[test]
fn memory_is_bounded_and_keeps_what_is_used() {
    let mut inline = fetched("/keys", OURS);
    inline["jwks"] = json!({"keys": [jwk(1)]});
    let config = config(&inline);
    let store = Memory::default();
    let mut verifier = Verifier::with_memory(&config.oauth, 20_000);
    let mut judge = |token: &str| {
        let time = Time { unix: NOW, ms: 0, ms_now: || 0 };
        assert!(is_good(&verifier.judge(&config.oauth, &store, token.as_bytes(), None, time)));
        verifier.remembered()
    };
    let numbered = |number: u32| sign(&header(), &with(claims(), "jti", Some(json!(format!("j{number}")))));
    let most = (0..200).map(|number| judge(&numbered(number)).max(judge(&token()))).max().unwrap();
    assert!((20..120).contains(&most), "{most}");
}

#[test]
fn nothing_that_was_refused_is_remembered() {
    let mut process = Process::ours();
    process.put(0, &[1], 5_000);
    for number in 0..50 {
        let claims = with(claims(), "jti", Some(json!(format!("j{number}"))));
        assert!(!is_good(&process.judge(&sign_texts(&header().to_string(), &claims.to_string(), 2), 5_000)));
    }
    assert_eq!(process.verifier.remembered(), 0);
}

#[test]
fn a_token_is_for_the_resource_that_it_is_used_at() {
    let mut inline = fetched("/keys", OURS);
    inline["jwks"] = json!({"keys": [jwk(1)]});
    let mut process = Process::new(&inline);
    let audiences = json!(["https://api.example.com", "https://api.example.com/mcp"]);
    let token = sign(&header(), &with(claims(), "aud", Some(audiences)));
    for _ in 0..2 {
        for (resource, good) in
            [("https://api.example.com/mcp", true), ("https://api.example.com/other", false)]
        {
            let time = Time { unix: NOW, ms: 0, ms_now: || 0 };
            let judged = process.verifier.judge(
                &process.config.oauth,
                &process.store,
                token.as_bytes(),
                Some(resource),
                time,
            );
            assert_eq!(is_good(&judged), good, "{resource}");
        }
    }
}
