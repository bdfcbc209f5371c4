//! Any bytes are a token that is refused, or one whose claims keep their rules; only a good
//! signature gives them out.
#![no_main]

use std::sync::LazyLock;

use flint_auth::config::{Config, oauth::KeySource};
use flint_auth::token::{MAX_TOKEN, Unverified};
use libfuzzer_sys::fuzz_target;

/// The key is that of RFC 7515 §A.3; the fuzzer does not have its other half.
const CONFIG: &str = r#"{"oauth": {"issuer": "https://a", "audience": "b", "token_types": ["at+jwt", "JWT", ""],
    "algorithms": ["ES256", "EdDSA", "RS256"], "scope_claim": ["a", "scope"], "jwks": {"keys": [{"kty": "EC",
    "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}}}"#;

static PARSED: LazyLock<Config> = LazyLock::new(|| match Config::parse(CONFIG.as_bytes()) {
    Ok(config) => config,
    Err(errors) => panic!("{errors}"),
});

fuzz_target!(|bytes: &[u8]| {
    let oauth = &PARSED.oauth;
    let Ok(unverified) = Unverified::read(bytes, &oauth.issuers, 1_790_000_000) else { return };
    assert!(bytes.len() <= MAX_TOKEN && bytes.iter().filter(|byte| **byte == b'.').count() == 2);
    let KeySource::Inline(keys) = &oauth.keys[unverified.issuer] else { return };
    let _ = unverified.kid_is_known(keys);
    assert!(unverified.verify(keys).is_none(), "nobody can sign");
});
