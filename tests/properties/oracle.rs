//! What the contract says of a case (§2 to §4), worked out without the filter's own code: by words,
//! not by trees, and over strings, not in place.

use std::net::IpAddr;
use std::sync::OnceLock;

use flint_auth::config::Config;
use flint_auth::decide::decision::{Decision, World, decide};
use flint_auth::decide::lookup::{Keys, Readiness};
use flint_auth::decide::reply::{Context, reply};
use flint_auth::decide::request::{Request, serialise};
use flint_auth::table::{Fault, Found, Store, store};
use flint_auth::token::Judged;
use flint_contract::key::Digest;
use flint_contract::outcome::Outcome;

use super::case::Case;

/// What becomes of a request.
#[derive(Debug, Eq, PartialEq)]
enum Answer {
    Forward(Outcome, Option<String>),
    Refuse(Outcome, Option<String>),
    Wait,
}

/// What is known of a key: its secret, and its entry but for the digest, as JSON.
const KEYS: [(&str, &str); 9] = [
    ("flint_live_reader", r#""environment":"live","permissions":["documents:read"]"#),
    ("flint_live_all", r#""environment":"live","permissions":["*"]"#),
    ("flint_live_none", r#""environment":"live","permissions":[]"#),
    ("flint_live_revoked", r#""environment":"live","permissions":["*"],"revoked_at":1000"#),
    ("flint_live_timed", r#""environment":"live","permissions":["*"],"not_before":500,"expires_at":2000"#),
    ("flint_live_near", r#""environment":"live","permissions":["*"],"allowed_cidrs":["10.0.0.0/8"]"#),
    ("flint_live_nowhere", r#""environment":"live","permissions":["*"],"allowed_cidrs":[]"#),
    ("flint_test_writer", r#""environment":"test","permissions":["documents:*"]"#),
    ("flint_live_later", r#""environment":"test","permissions":["documents:write"],"not_before":500"#),
];

const ROUTES: &str = r#"[
    {"path":"/admin/**","all_of":["admin:all"]},
    {"path":"/documents/{id}","methods":["PUT","DELETE"],"any_of":["documents:write","documents:admin"]},
    {"path":"/documents","methods":["GET"],"all_of":["documents:read"]},
    {"path":"/healthz","methods":["GET"],"public":true}
]"#;

/// Decides the case, and asserts that it is decided as the contract says. Answers the outcome; none
/// is to wait.
pub(crate) fn check(case: &Case) -> Option<Outcome> {
    let map = serialise(case.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
    let request = Request::read(&map).unwrap_or_else(|| panic!("a map that was serialised is one"));
    let config = config(case);
    let mut state = State { case, config };
    let decision = decide(config, &request, &mut state);
    let answer = match &decision {
        Decision::Forward(permit) => Answer::Forward(permit.outcome(), permit.key().map(id)),
        Decision::Refuse(refusal) => {
            let context = Context { realm: &config.realm, scope: refusal.scope, ..Context::default() };
            let answer = reply(refusal.outcome, &context);
            assert!(matches!(answer.status, 401 | 403 | 503), "{answer:?}");
            Answer::Refuse(refusal.outcome, refusal.key.as_ref().map(id))
        }
        Decision::Wait(_) => Answer::Wait,
        Decision::Serve(_) => panic!("there is no metadata here"),
    };
    assert_eq!(answer, expected(case), "{case:#?}");
    let reserved = |name: &&[u8]| name.to_ascii_lowercase().starts_with(b"x-flint-");
    let names = case.headers.iter().map(|(name, _)| name.as_slice()).filter(reserved);
    assert!(names.eq(request.reserved.iter().copied()), "every x-flint- header is known to be removed");
    match answer {
        Answer::Forward(outcome, _) | Answer::Refuse(outcome, _) => Some(outcome),
        Answer::Wait => None,
    }
}

fn id(found: &Found) -> String {
    found.record().map_or_else(|| panic!("a record that was written is one"), |record| record.id.to_owned())
}

struct State<'a> {
    case: &'a Case,
    config: &'a Config,
}

/// There is no authority here, so nobody looks into a store.
struct NoStore;

impl Store for NoStore {
    fn get(&self, _: &store::Address) -> Result<Option<(Vec<u8>, u32)>, Fault> {
        Err(Fault::Refused)
    }

    fn set(&self, _: &store::Address, _: &[u8], _: store::Condition) -> Result<(), Fault> {
        Err(Fault::Refused)
    }
}

impl World for State<'_> {
    fn readiness(&mut self) -> Readiness {
        self.case.table
    }

    fn find(&mut self, digest: &Digest) -> Result<Option<Found>, Fault> {
        Keys::<NoStore> { config: self.config, table: None, now: 0 }.find(digest)
    }

    fn access_token(&mut self, _: &[u8], _: Option<&str>) -> Judged {
        panic!("access tokens are not configured here")
    }

    fn now(&mut self) -> Option<i64> {
        self.case.now
    }

    fn client_address(&mut self) -> Option<IpAddr> {
        self.case.address
    }
}

/// The configurations of all cases, made once.
fn config(case: &Case) -> &'static Config {
    static CONFIGS: OnceLock<Vec<Config>> = OnceLock::new();
    let all = CONFIGS.get_or_init(|| (0..16).map(|flags| parse(|bit| flags & (1 << bit) != 0)).collect());
    let flags = [case.both_environments, case.fails_open, case.denies_unmatched, case.lets_preflights_pass];
    let index = flags.iter().rev().fold(0, |index, flag| 2 * index + usize::from(*flag));
    all.get(index).unwrap_or_else(|| panic!("there are sixteen"))
}

fn parse(flag: impl Fn(u32) -> bool) -> Config {
    let word = |bit, set, unset| if flag(bit) { set } else { unset };
    let keys = KEYS.iter().map(|(secret, entry)| {
        let digest = Digest::of(secret.as_bytes()).to_hex();
        format!(r#"{{"sha256":"{digest}","id":"{}",{entry}}}"#, secret.replace("flint_", ""))
    });
    let text = format!(
        r#"{{"environments":{},"unavailable":"{}","default":"{}","cors_preflight":"{}","routes":{ROUTES},"keys":[{}]}}"#,
        word(0, r#"["live","test"]"#, r#"["live"]"#),
        word(1, "allow", "deny"),
        word(2, "deny", "authenticated"),
        word(3, "allow", "authenticate"),
        keys.collect::<Vec<_>>().join(","),
    );
    Config::parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
}

// === the contract, in plain words ===

enum Wanted {
    Nothing,
    AnyKey,
    Permission(fn(&[&str]) -> bool),
    Impossible,
}

fn expected(case: &Case) -> Answer {
    let value =
        |wanted: &str| case.headers.iter().find(|(name, _)| name == wanted.as_bytes()).map(|(_, v)| v);
    let method = value(":method").map_or("", |method| std::str::from_utf8(method).unwrap_or(""));
    let wanted = wanted(case, method, value(":path"));
    let preflight =
        method == "OPTIONS" && value("origin").is_some() && value("access-control-request-method").is_some();
    let ambiguous = value(":path").is_some_and(|path| {
        let path = path.split(|byte| *byte == b'?').next().unwrap();
        path != b"*" && !is_normal(path)
    });
    if matches!(wanted, Wanted::Nothing) || (preflight && case.lets_preflights_pass && !ambiguous) {
        return Answer::Forward(Outcome::Public, None);
    }
    let lines: Vec<&[u8]> =
        case.headers.iter().filter(|(name, _)| name == b"authorization").map(|(_, v)| v.as_slice()).collect();
    let token = match token(&lines) {
        Ok(token) => token,
        Err(outcome) => return Answer::Refuse(outcome, None),
    };
    match case.table {
        Readiness::Awaited => return Answer::Wait,
        Readiness::TooOld => return undecided(case, &wanted),
        Readiness::Usable => {}
    }
    let Some((secret, entry)) = KEYS.iter().find(|(secret, _)| secret.as_bytes() == token) else {
        return Answer::Refuse(Outcome::UnknownKey, None);
    };
    let id = Some(secret.replace("flint_", ""));
    match judged(case, secret, entry, &wanted) {
        None => undecided(case, &wanted),
        Some(Outcome::Allowed) => Answer::Forward(Outcome::Allowed, id),
        Some(outcome) => Answer::Refuse(outcome, id),
    }
}

fn undecided(case: &Case, wanted: &Wanted) -> Answer {
    if case.fails_open && !matches!(wanted, Wanted::Impossible) {
        Answer::Forward(Outcome::Unavailable, None)
    } else {
        Answer::Refuse(Outcome::Unavailable, None)
    }
}

fn is_normal(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    let has = |wanted: &str| lower.windows(wanted.len()).any(|window| window == wanted.as_bytes());
    path.starts_with(b"/")
        && !["//", ";", "\\", "#", "%2f", "%5c", "%2e", "%00"].into_iter().any(has)
        && path.split(|byte| *byte == b'/').all(|segment| segment != b"." && segment != b"..")
        && path.iter().all(|byte| (0x20..0x7f).contains(byte))
}

fn wanted(case: &Case, method: &str, path: Option<&Vec<u8>>) -> Wanted {
    let unmatched = if case.denies_unmatched { Wanted::Impossible } else { Wanted::AnyKey };
    let Some(path) = path.filter(|path| *path != b"*") else { return unmatched };
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    if !is_normal(path) {
        return Wanted::Impossible;
    }
    let path = std::str::from_utf8(path).unwrap_or_else(|_| panic!("a normal path is ASCII"));
    let method = method.to_ascii_uppercase();
    let gets = method == "GET" || method == "HEAD";
    let document = path.strip_prefix("/documents/").is_some_and(|id| !id.is_empty() && !id.contains('/'));
    if path == "/healthz" && gets {
        Wanted::Nothing
    } else if path == "/documents" && gets {
        Wanted::Permission(|held| {
            held.iter().any(|grant| ["documents:read", "documents:*", "*"].contains(grant))
        })
    } else if document && (method == "PUT" || method == "DELETE") {
        Wanted::Permission(|held| {
            held.iter().any(|grant| ["documents:write", "documents:*", "*"].contains(grant))
        })
    } else if path == "/admin" || path.starts_with("/admin/") {
        Wanted::Permission(|held| held.contains(&"*"))
    } else {
        unmatched
    }
}

/// The one token of the request, or how it fails to be one.
fn token<'a>(lines: &[&'a [u8]]) -> Result<&'a [u8], Outcome> {
    let [line] = lines else {
        return Err(if lines.is_empty() { Outcome::NoCredential } else { Outcome::Malformed });
    };
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().position(|byte| !is_space(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    let line = line.get(start..end).unwrap_or_default();
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let scheme = line.iter().position(|byte| !is_scheme(byte)).unwrap_or(line.len());
    let (scheme, rest) = line.split_at(scheme);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        let lower = line.to_ascii_lowercase();
        let later = lower.split(|byte| *byte == b',').skip(1).any(|part| {
            let start = part.iter().position(|byte| !is_space(byte)).unwrap_or(part.len());
            let part = part.get(start..).unwrap_or_default();
            let end = part.iter().position(|byte| !is_scheme(byte)).unwrap_or(part.len());
            let (scheme, rest) = part.split_at(end);
            let said = rest.iter().find(|byte| !is_space(byte)).is_some_and(|next| *next != b'=');
            scheme == b"bearer" || (!scheme.is_empty() && rest.first() == Some(&b' ') && said)
        });
        let nameless = scheme.is_empty() && !line.is_empty();
        return Err(if later || nameless { Outcome::Malformed } else { Outcome::NoCredential });
    }
    let token =
        rest.iter().position(|byte| *byte != b' ').and_then(|start| rest.get(start..)).unwrap_or_default();
    let body = token.iter().position(|byte| *byte == b'=').and_then(|end| token.get(..end)).unwrap_or(token);
    let padding = token.get(body.len()..).unwrap_or_default();
    let good = rest.first() == Some(&b' ')
        && !body.is_empty()
        && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
        && padding.iter().all(|byte| *byte == b'=');
    if !good {
        return Err(Outcome::Malformed);
    }
    let key = token.strip_prefix(b"flint_live_").or_else(|| token.strip_prefix(b"flint_test_"));
    let is_key = |body: &[u8]| {
        (1..=200).contains(&body.len())
            && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
    };
    if key.is_some_and(|body| !is_key(body)) { Err(Outcome::Malformed) } else { Ok(token) }
}

/// Steps 4 and 5 of the decision; `None` where the time matters and cannot be told.
fn judged(case: &Case, secret: &str, entry: &str, wanted: &Wanted) -> Option<Outcome> {
    match secret {
        "flint_live_revoked" if case.now? >= 1000 => return Some(Outcome::Revoked),
        "flint_live_timed" if case.now? >= 2000 => return Some(Outcome::Expired),
        "flint_live_timed" | "flint_live_later" if case.now? < 500 => return Some(Outcome::NotYetValid),
        _ => {}
    }
    if entry.contains(r#""environment":"test""#) && !case.both_environments {
        return Some(Outcome::WrongEnvironment);
    }
    let near = || {
        let address = case.address.map(|address| address.to_canonical().to_string());
        address.is_some_and(|address| address.starts_with("10."))
    };
    if secret == "flint_live_nowhere" || (secret == "flint_live_near" && !near()) {
        return Some(Outcome::AddressNotAllowed);
    }
    let held: Vec<&str> = ["documents:read", "documents:write", "documents:*", "*"]
        .into_iter()
        .filter(|grant| entry.contains(&format!("\"{grant}\"")))
        .collect();
    let enough = match wanted {
        Wanted::Nothing | Wanted::AnyKey => true,
        Wanted::Permission(is_met_by) => is_met_by(&held),
        Wanted::Impossible => false,
    };
    Some(if enough { Outcome::Allowed } else { Outcome::MissingPermission })
}
