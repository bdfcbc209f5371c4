//! API keys: what one looks like, and the digest that stands for it everywhere else.
//!
//! Shape (contract §2.3): `flint_live_` or `flint_test_`, then 1 to 200 characters of
//! `[A-Za-z0-9_-]`. Nothing else is asked of a key here; the checksum of keys that the authority
//! makes is for scanners.
//!
//! A key in plain text is only ever borrowed from the request. What is kept, compared and sent is
//! its SHA-256.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// What every live key begins with. NEVER CHANGE: secret scanners and users' configurations look
/// for it.
pub const LIVE_PREFIX: &str = "flint_live_";
/// What every test key begins with. NEVER CHANGE: secret scanners and users' configurations look
/// for it.
pub const TEST_PREFIX: &str = "flint_test_";
/// The most characters that may follow the prefix.
pub const MAX_BODY: usize = 200;

/// The world a key belongs to: production, or the sandbox.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Environment {
    /// Production.
    Live,
    /// The sandbox.
    Test,
}

/// The SHA-256 of a whole key, prefix included. On the wire it is 64 lower-case hexadecimal digits.
///
/// `Debug` prints nothing of it: a digest in a log would be a handle on the key's record.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

/// Whether a token is shaped like an API key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// A key of this environment, as far as its letters tell.
    Key(Environment),
    /// It begins like a key and then breaks the rule of the shape.
    Malformed,
    /// It does not begin like a key.
    Other,
}

/// Tells an API key from other tokens by its letters alone.
#[must_use]
pub fn shape(token: &[u8]) -> Shape {
    let (environment, body) = if let Some(body) = token.strip_prefix(LIVE_PREFIX.as_bytes()) {
        (Environment::Live, body)
    } else if let Some(body) = token.strip_prefix(TEST_PREFIX.as_bytes()) {
        (Environment::Test, body)
    } else {
        return Shape::Other;
    };
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=MAX_BODY).contains(&body.len()) && body.iter().all(legal) {
        Shape::Key(environment)
    } else {
        Shape::Malformed
    }
}

// === impl Environment ===

impl Environment {
    /// The word on the wire: `live` or `test`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// What keys of this environment begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Live => LIVE_PREFIX,
            Self::Test => TEST_PREFIX,
        }
    }

    /// Reads the word on the wire; exact, in lower case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Digest ===

impl Digest {
    /// The digest of a key or token: SHA-256 of all its bytes.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Takes 32 bytes for a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lower-case hexadecimal digits; anything else, upper case included, is `None`
    /// (contract §6).
    #[must_use]
    pub fn parse_hex(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 64 lower-case hexadecimal digits of the wire.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_follows_the_contract() {
        let longest = format!("flint_live_{}", "a".repeat(200));
        let too_long = format!("flint_live_{}", "a".repeat(201));
        for (token, expected) in [
            ("flint_live_abc123xyz789", Shape::Key(Environment::Live)),
            ("flint_test_A-_9", Shape::Key(Environment::Test)),
            (longest.as_str(), Shape::Key(Environment::Live)),
            (too_long.as_str(), Shape::Malformed),
            ("flint_live_", Shape::Malformed),
            ("flint_live_a.b", Shape::Malformed),
            ("flint_test_é", Shape::Malformed),
            ("flint_prod_abc", Shape::Other),
            ("FLINT_LIVE_abc", Shape::Other),
            ("flint_live", Shape::Other),
            ("", Shape::Other),
        ] {
            assert_eq!(shape(token.as_bytes()), expected, "{token}");
        }
    }

    #[test]
    fn digest_is_read_and_written_in_lower_case_hex_only() {
        // FIPS 180-4, the example "abc".
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_hex(), text);
        assert_eq!(Digest::parse_hex(text), Some(Digest::of(b"abc")));
        assert_eq!(Digest::parse_hex(&text.to_uppercase()), None);
        assert_eq!(Digest::parse_hex(&text[1..]), None);
        assert_eq!(Digest::parse_hex(&format!("{text}00")), None);
    }

    #[test]
    fn debug_shows_nothing_of_a_digest() {
        assert_eq!(format!("{:?}", Digest::of(b"abc")), "Digest(…)");
    }
}
