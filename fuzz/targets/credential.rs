//! Any bytes are a header map or are not, and any value of `authorization` is read as at most one
//! credential.
#![no_main]

use flint_auth::decide::credential::Credential;
use flint_auth::decide::request::{Authorization, Headers, Request};
use flint_contract::key::{MAX_BODY, Shape, shape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    value(bytes);
    map(bytes);
});

/// A key or token is only ever the whole of what follows one scheme and its spaces.
fn value(value: &[u8]) {
    let (token, environment) = match Credential::read(Authorization::One(value)) {
        Credential::Absent | Credential::Malformed => return,
        Credential::ApiKey(key, environment) => (key, Some(environment)),
        Credential::Token(token) => (token, None),
    };
    match environment {
        Some(environment) => {
            assert!(shape(token) == Shape::Key(environment));
            assert!(token.len() <= environment.prefix().len() + MAX_BODY);
        }
        None => assert!(shape(token) == Shape::Other),
    }
    let text = value.trim_ascii();
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b' ').filter(|part| !part.is_empty()).collect();
    assert!(parts.len() == 2 && parts[0].eq_ignore_ascii_case(b"bearer") && parts[1] == token);
    assert!(!token.is_empty() && token.iter().all(u8::is_ascii_graphic) && !token.contains(&b','));
}

/// Reading counts the lines of `authorization` as a walk over the map does.
fn map(map: &[u8]) {
    let Some(request) = Request::read(map) else { return };
    let headers = Headers::read(map).expect("a request was read of it");
    let mut lines = headers.filter(|(name, _)| *name == b"authorization").map(|(_, value)| value);
    let expected = match (lines.next(), lines.next()) {
        (None, _) => Authorization::Absent,
        (Some(value), None) => Authorization::One(value),
        (Some(_), Some(_)) => Authorization::Several,
    };
    assert!(request.authorization == expected);
    let _ = Credential::read(request.authorization);
}
