//! Reading the credential (contract §2; RFC 6750 §2.1, RFC 9110 §11.4). A request has one, has
//! none, or has a malformed one.
//!
//! 1. Several `authorization` lines are malformed, even if one of them is good: the first never
//!    wins.
//! 2. So is one line with several credentials, of whatever schemes.
//! 3. No line, an empty line and another scheme all count as no credential.
//! 4. `Bearer` in any letter case, one or more spaces, one token68. Nothing after the scheme,
//!    anything else between, and anything after the token are malformed.
//! 5. A token that begins like an API key is one, or is malformed. Any other token is left to the
//!    code that knows access tokens.

use flint_contract::key::{Environment, Shape, shape};

use crate::decide::request::Authorization;

/// What a request presents.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Credential<'a> {
    /// Nothing for us.
    Absent,
    /// Something that is not one bearer credential.
    Malformed,
    /// An API key in plain text, and the environment that it says it is of.
    ApiKey(&'a [u8], Environment),
    /// Another token.
    Token(&'a [u8]),
}

impl<'a> Credential<'a> {
    /// Reads what `authorization` has.
    #[must_use]
    pub fn read(authorization: Authorization<'a>) -> Self {
        let value = match authorization {
            Authorization::Absent => return Self::Absent,
            Authorization::Several => return Self::Malformed,
            Authorization::One(value) => trim(value),
        };
        let (scheme, rest) = value.split_at(value.iter().take_while(|byte| is_tchar(**byte)).count());
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            let malformed = (scheme.is_empty() && !value.is_empty()) || has_second_credential(value);
            return if malformed { Self::Malformed } else { Self::Absent };
        }
        let token = after_spaces(rest);
        if token.len() == rest.len() || !is_token68(token) {
            return Self::Malformed;
        }
        match shape(token) {
            Shape::Key(environment) => Self::ApiKey(token, environment),
            Shape::Malformed => Self::Malformed,
            Shape::Other => Self::Token(token),
        }
    }
}

/// Never shows a key or a token.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Malformed => "Malformed",
            Self::ApiKey(_, Environment::Live) => "ApiKey(flint_live_…)",
            Self::ApiKey(_, Environment::Test) => "ApiKey(flint_test_…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// Whether a comma is followed by another credential, `scheme SP …` or a bare `Bearer`, and not by
/// one more parameter of the same, `name=…`. Envoy joins several lines into one in this way.
fn has_second_credential(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').skip(1).map(trim).any(|part| {
        let (scheme, rest) = part.split_at(part.iter().take_while(|byte| is_tchar(**byte)).count());
        let begins = rest.first() == Some(&b' ') && trim(rest).first().is_some_and(|next| *next != b'=');
        scheme.eq_ignore_ascii_case(b"bearer") || (!scheme.is_empty() && begins)
    })
}

/// Takes leading spaces away, and no other white space.
fn after_spaces(value: &[u8]) -> &[u8] {
    let spaces = value.iter().take_while(|byte| **byte == b' ').count();
    value.get(spaces..).unwrap_or_default()
}

/// Takes optional white space away at both ends (RFC 9110 §5.6.3).
fn trim(value: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| is_ows(byte)).count();
    let value = value.get(start..).unwrap_or_default();
    let end = value.iter().rev().take_while(|byte| is_ows(byte)).count();
    value.get(..value.len() - end).unwrap_or_default()
}

/// A character of a token (RFC 9110 §5.6.2), which an authentication scheme is.
const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 9110 §11.2).
fn is_token68(token: &[u8]) -> bool {
    let body = token.iter().take_while(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    });
    let body = body.count();
    body > 0 && token.iter().skip(body).all(|byte| *byte == b'=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Credential<'_> {
        Credential::read(Authorization::One(value.as_bytes()))
    }

    #[test]
    fn one_bearer_credential_is_read() {
        let key = Credential::ApiKey(b"flint_live_abc123xyz789", Environment::Live);
        for value in [
            "Bearer flint_live_abc123xyz789",
            "bearer flint_live_abc123xyz789",
            "BEARER    flint_live_abc123xyz789",
            "  Bearer flint_live_abc123xyz789\t",
        ] {
            assert_eq!(read(value), key, "{value}");
        }
        assert_eq!(read("Bearer flint_test_a"), Credential::ApiKey(b"flint_test_a", Environment::Test));
        assert_eq!(read("Bearer eyJ.a-b_c~d+e/f=="), Credential::Token(b"eyJ.a-b_c~d+e/f=="));
        assert_eq!(read("Bearer FLINT_LIVE_a"), Credential::Token(b"FLINT_LIVE_a"));
    }

    #[test]
    fn no_line_an_empty_one_and_another_scheme_are_no_credential() {
        assert_eq!(Credential::read(Authorization::Absent), Credential::Absent);
        for value in [
            "",
            " ",
            "Basic YTpi",
            "Token x",
            "Bearer-x y",
            "Bearerx",
            "flint_live_abc",
            "BearerToken flint_live_a",
            "Digest username=\"a\", realm=\"b\"",
            "Digest a=b,c = d",
            "Basic YTpi,",
        ] {
            assert_eq!(read(value), Credential::Absent, "{value}");
        }
    }

    #[test]
    fn what_is_not_one_bearer_credential_is_malformed() {
        assert_eq!(Credential::read(Authorization::Several), Credential::Malformed);
        let too_long = format!("Bearer flint_live_{}", "a".repeat(201));
        for value in [
            "Bearer",
            "Bearer ",
            "bearer",
            "Bearer\tflint_live_a",
            "Bearer \tflint_live_a",
            "Bearer flint_live_",
            "Bearer flint_live_a b",
            "Bearer flint_live_a, Bearer flint_live_b",
            "Bearer flint_live_a,",
            "Bearer a,Bearer b",
            "Basic YTpi, Bearer flint_live_a",
            "Basic YTpi,Basic YTpi",
            "Digest a=\"b\", Basic YTpi",
            "Basic YTpi,bearer",
            "Bearer flint_live_a=",
            "Bearer flint_live_%61",
            "Bearer flint_live_é",
            "Bearer =",
            "Bearer a=b",
            "Bearer \"a\"",
            "Bearer:a",
            ",Bearer a",
            "é",
            "Bearer flint_live_a\0",
            too_long.as_str(),
        ] {
            assert_eq!(read(value), Credential::Malformed, "{value}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?} {:?}", read("Bearer flint_live_s3cret"), read("Bearer s3cret"));
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = Credential::read(Authorization::One(&value));
        }

        #[test]
        fn a_key_is_only_read_from_exactly_one_bearer_value(
            before in "[ -~]{0,8}", key in "flint_(live|test)_[A-Za-z0-9_-]{1,20}", after in "[ -~]{0,8}",
        ) {
            let value = format!("{before}{key}{after}");
            if let Credential::ApiKey(token, _) = read(&value) {
                let scheme = before.trim_matches([' ', '\t']);
                prop_assert!(scheme.eq_ignore_ascii_case("bearer") && before.ends_with(' '), "{}", value);
                prop_assert!(token.starts_with(key.as_bytes()) && !after.contains(','));
            }
        }
    }
}
