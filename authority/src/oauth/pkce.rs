//! Proof keys (RFC 7636): S256 and nothing else, of every client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flint_contract::key::Digest;

/// How many characters a challenge has: a SHA-256 in base64url.
const CHALLENGE: usize = 43;

/// Whether this may be a challenge: 43 characters of base64url (RFC 7636 §4.2).
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == CHALLENGE && text.bytes().all(is_base64url)
}

/// Whether this may be a verifier: 43 to 128 unreserved characters (RFC 7636 §4.1).
#[must_use]
pub fn is_verifier(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

/// Whether a verifier is the one of a challenge. Both are digests of what is secret, so time tells
/// nothing of it.
#[must_use]
pub fn matches(challenge: &str, verifier: &str) -> bool {
    let digest = Digest::of(verifier.as_bytes());
    is_verifier(verifier) && URL_SAFE_NO_PAD.encode(digest.as_bytes()) == challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7636_appendix_b_the_example_matches() {
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(challenge) && matches(challenge, verifier));
        assert!(!matches(challenge, &verifier.replace('d', "e")));
        // What `plain` would take (RFC 9700 §2.1.1).
        assert!(!matches(verifier, verifier));
    }

    #[test]
    fn rfc7636_4_1_a_verifier_is_43_to_128_unreserved_characters() {
        for (text, good) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("-._~".repeat(32), true),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(43)), false),
            (format!("{}é", "a".repeat(43)), false),
        ] {
            assert_eq!(is_verifier(&text), good, "{text}");
        }
    }

    #[test]
    fn rfc7636_4_2_a_challenge_is_43_characters_of_base64url() {
        for (text, good) in [
            ("a".repeat(43), true),
            ("a".repeat(42), false),
            ("a".repeat(44), false),
            (format!("{}=", "a".repeat(42)), false),
            (format!("{}.", "a".repeat(42)), false),
        ] {
            assert_eq!(is_challenge(&text), good, "{text}");
        }
    }
}
