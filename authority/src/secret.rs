//! Secrets: how they are made, what they look like, and what may be shown of them.
//!
//! `flint_live_` + 22 random letters and digits + 6 that check the rest. 22 of 62 symbols are 131
//! bits. The checksum is the CRC-32 of everything before it, in base 62, so that a scanner can tell
//! a real key from a likeness offline. It proves nothing: anyone who can make up a key can make up
//! its checksum.

use std::fmt;

use flint_contract::key::{Digest, Environment};

use crate::oauth::{CODE_PREFIX, REFRESH_PREFIX, SECRET_PREFIX};
use ulid::Ulid;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 22;
const CHECKSUM: usize = 6;

/// What tokens of gateways begin with. NEVER CHANGE: secret scanners look for it.
pub const GATEWAY_PREFIX: &str = "flint_gateway_";
/// How many random symbols are in what OAuth asks 160 bits of (RFC 6749 §10.10).
const LONG: usize = 27;

/// What API tokens begin with. NEVER CHANGE: secret scanners look for it.
pub const API_TOKEN_PREFIX: &str = "flint_api_";

/// A secret in plain text, on its way to whoever asked for it. `Debug` prints nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// What the letters of a key tell without asking anyone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checked {
    /// The checksum is right: the authority made this, or someone who knows how.
    Good,
    /// It begins like one of ours and its checksum is wrong: a typing error, or a key that was
    /// imported.
    WrongChecksum,
    /// It does not begin like any secret of ours.
    NotOurs,
}

/// Fills a buffer from the operating system.
///
/// # Errors
/// If the operating system has none to give.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Returns a new public id such as `key_01JF8Z…`: a prefix and a ULID, so that ids sort by age.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn new_id(prefix: &str, millis: u128) -> Result<String, NoRandomness> {
    // A ULID has 48 bits of milliseconds, which last until the year 10889.
    let id = Ulid::from_parts(millis as u64, u128::from_be_bytes(random()?));
    Ok(format!("{prefix}_{id}"))
}

/// Whether somebody has shown a secret. The digests are compared, so that time tells nothing.
#[must_use]
pub fn are_same(shown: &str, kept: &str) -> bool {
    Digest::of(shown.as_bytes()) == Digest::of(kept.as_bytes())
}

/// Judges a secret by its letters alone.
#[must_use]
pub fn check(secret: &str) -> Checked {
    let short = [Environment::Live.prefix(), Environment::Test.prefix(), GATEWAY_PREFIX, API_TOKEN_PREFIX];
    let long = [SECRET_PREFIX, CODE_PREFIX, REFRESH_PREFIX];
    let behind = |prefixes: &[&str]| prefixes.iter().find_map(|prefix| secret.strip_prefix(prefix));
    let found = behind(&short).map(|body| (body, RANDOM)).or_else(|| behind(&long).map(|body| (body, LONG)));
    let Some((body, symbols)) = found else {
        return Checked::NotOurs;
    };
    let shaped = body.len() == symbols + CHECKSUM && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let good = shaped && {
        let (checked, sum) = secret.split_at(secret.len() - CHECKSUM);
        checksum(checked) == sum
    };
    if good { Checked::Good } else { Checked::WrongChecksum }
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

// === impl Secret ===

impl Secret {
    /// Makes a new secret with this prefix.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn generate(prefix: &str) -> Result<Self, NoRandomness> {
        Self::generate_of(prefix, RANDOM)
    }

    /// Makes a new secret with this prefix and 160 random bits.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn generate_long(prefix: &str) -> Result<Self, NoRandomness> {
        Self::generate_of(prefix, LONG)
    }

    fn generate_of(prefix: &str, symbols: usize) -> Result<Self, NoRandomness> {
        let mut text = String::with_capacity(prefix.len() + symbols + CHECKSUM);
        text.push_str(prefix);
        while text.len() < prefix.len() + symbols {
            let bytes: [u8; 32] = random()?;
            // 248 is four times 62: what is above would make the first symbols likelier.
            let fair = bytes
                .iter()
                .filter(|byte| **byte < 248)
                .map(|byte| char::from(ALPHABET[*byte as usize % 62]));
            text.extend(fair.take(prefix.len() + symbols - text.len()));
        }
        text.push_str(&checksum(&text));
        Ok(Self(text))
    }

    /// The plain text, for the one answer that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// What may be shown of a generated secret ever after: its prefix, its first and its last four
    /// characters, which is what somebody who holds it can compare. The last four are of the
    /// checksum and tell 24 bits of the rest: of 131 random bits some 83 stay unknown.
    #[must_use]
    pub fn hint(&self) -> String {
        let start = self.0.len().saturating_sub(RANDOM + CHECKSUM - 4);
        let end = self.0.len().saturating_sub(4);
        format!("{}…{}", &self.0[..start], &self.0[end..])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_has_its_shape_and_checksum() {
        for prefix in ["flint_live_", "flint_test_", GATEWAY_PREFIX, API_TOKEN_PREFIX] {
            let secret = Secret::generate(prefix).unwrap();
            assert_eq!(secret.reveal().len(), prefix.len() + 28);
            assert_eq!(check(secret.reveal()), Checked::Good);
        }
        for prefix in [SECRET_PREFIX, CODE_PREFIX, REFRESH_PREFIX] {
            let secret = Secret::generate_long(prefix).unwrap();
            assert_eq!(secret.reveal().len(), prefix.len() + 33);
            assert_eq!(check(secret.reveal()), Checked::Good);
        }
    }

    /// Worked by another program: `zlib.crc32(b"flint_live_" + b"A" * 22)` is 0x5673062, in base 62
    /// `068LrO`.
    #[test]
    fn the_checksum_is_crc_32_in_base_62() {
        let text = format!("flint_live_{}", "A".repeat(22));
        assert_eq!(checksum(&text), "068LrO");
        assert_eq!(check(&format!("{text}068LrO")), Checked::Good);
    }

    #[test]
    fn one_changed_character_is_found() {
        let secret = Secret::generate("flint_live_").unwrap();
        for place in "flint_live_".len()..secret.reveal().len() {
            let mut bytes = secret.reveal().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(check(std::str::from_utf8(&bytes).unwrap()), Checked::WrongChecksum, "place {place}");
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        assert_eq!(check("sk_live_abc"), Checked::NotOurs);
        assert_eq!(check("flint_live_abc123xyz789"), Checked::WrongChecksum);
        assert_eq!(check("flint_live_ääääääääääääää"), Checked::WrongChecksum);
        assert_eq!(check(""), Checked::NotOurs);
    }

    #[test]
    fn every_symbol_is_equally_likely() {
        let mut counts = [0_u32; 128];
        for _ in 0..2_000 {
            let secret = Secret::generate("").unwrap();
            for byte in &secret.reveal().as_bytes()[..RANDOM] {
                counts[usize::from(*byte)] += 1;
            }
        }
        // 44,000 draws of 62 symbols: 710 each, and six standard deviations are 160.
        assert!(ALPHABET.iter().all(|symbol| (550..870).contains(&counts[usize::from(*symbol)])));
    }

    #[test]
    fn a_hint_shows_four_characters_at_either_end_and_debug_none() {
        let secret = Secret("flint_live_abcdEFGHIJKLMNOPQRSTUVWXwxyz".into());
        assert_eq!(secret.hint(), "flint_live_abcd…wxyz");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn names_sort_by_age() {
        let (first, second) =
            (new_id("key", 1_790_000_000_000).unwrap(), new_id("key", 1_790_000_000_001).unwrap());
        assert!(
            first < second && first.len() == 30 && flint_contract::entry::is_id(&first),
            "{first} {second}"
        );
    }
}
