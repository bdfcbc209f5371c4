//! The form of a token: the compact serialisation of a JWS (RFC 7515 §7.1).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::MAX_TOKEN;

/// The three parts of a token, none of them empty, each still encoded.
#[derive(Clone, Copy)]
pub(super) struct Parts<'t> {
    signed: &'t [u8],
    header: &'t [u8],
    claims: &'t [u8],
    signature: &'t [u8],
}

impl<'t> Parts<'t> {
    /// Splits a token at its two dots.
    pub(super) fn split(token: &'t [u8]) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let none_is_empty = [header, claims, signature].iter().all(|part| !part.is_empty());
        let signed = token.get(..header.len() + 1 + claims.len())?;
        (none_is_empty && parts.next().is_none()).then_some(Self { signed, header, claims, signature })
    }

    /// What the signature is made over.
    pub(super) const fn signed(&self) -> &'t [u8] {
        self.signed
    }

    pub(super) fn header(&self) -> Option<Vec<u8>> {
        decode(self.header)
    }

    pub(super) fn claims(&self) -> Option<Vec<u8>> {
        decode(self.claims)
    }

    pub(super) fn signature(&self) -> Option<Vec<u8>> {
        decode(self.signature)
    }
}

/// Decodes unpadded base64url. One text alone stands for any bytes: bits that decode to nothing
/// have to be zero (RFC 4648 §3.5), else a token could be changed and still be the same.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_none_is_empty() {
        for bad in ["", ".", "..", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.", "a.b.c.d", "...."] {
            assert!(Parts::split(bad.as_bytes()).is_none(), "{bad}");
        }
        let parts = Parts::split(b"aa.bb.cc").unwrap();
        assert_eq!((parts.signed(), parts.header, parts.claims), (&b"aa.bb"[..], &b"aa"[..], &b"bb"[..]));
    }

    #[test]
    fn nothing_is_read_of_a_token_that_is_too_long() {
        let token = |length: usize| format!("a.b.{}", "c".repeat(length - 4));
        assert!(Parts::split(token(MAX_TOKEN).as_bytes()).is_some());
        assert!(Parts::split(token(MAX_TOKEN + 1).as_bytes()).is_none());
    }

    #[test]
    fn base64url_is_canonical_and_unpadded() {
        for good in ["", "YQ", "YWE", "YWFh", "-_-_"] {
            assert!(decode(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["YR", "YWF", "YQ=", "YQ==", "Y", "YQ\n", " YQ", "Y Q", "+/+/", "YW%46", "\u{e9}"] {
            assert!(decode(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
