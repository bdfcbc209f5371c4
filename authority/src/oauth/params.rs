//! The parameters of a request, from its query or its body (RFC 6749 §3.1, §3.2 and appendix B).
//!
//! 1. A parameter without a value counts as absent.
//! 2. A value is bytes: `state` comes back as it was, whatever it is made of. Everything else must
//!    be UTF-8.
//! 3. A parameter that comes twice is never first-wins or last-wins: it is told.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The most parameters of a request that are looked at.
pub const MAX_PARAMS: usize = 100;

/// Names and values in the order in which they came, without those that are empty.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(Vec<u8>, Vec<u8>)>);

/// A parameter that came more than once, or is no UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unclear;

impl Params {
    /// Reads `a=1&b=2`. `None`: there are too many.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let read = |pair: &[u8]| {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            (decode(name), decode(value))
        };
        let list: Vec<_> = pairs.map(read).take(MAX_PARAMS + 1).collect();
        let is_bounded = list.len() <= MAX_PARAMS;
        is_bounded.then(|| Self(list.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |pair| pair.0 == name.as_bytes()).map(|pair| pair.1.as_slice())
    }

    /// Whether a name came with a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of a name, as bytes.
    ///
    /// # Errors
    /// If it came more than once.
    pub fn bytes(&self, name: &str) -> Result<Option<&[u8]>, Unclear> {
        let mut values = self.0.iter().filter(|pair| pair.0 == name.as_bytes()).map(|pair| pair.1.as_slice());
        let first = values.next();
        if values.next().is_some() { Err(Unclear) } else { Ok(first) }
    }

    /// The value of a name, as text.
    ///
    /// # Errors
    /// If it came more than once, or is no UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Unclear> {
        self.bytes(name)?.map(|bytes| std::str::from_utf8(bytes).map_err(|_| Unclear)).transpose()
    }

    /// Whether any name but `except` came more than once.
    #[must_use]
    pub fn repeats(&self, except: &str) -> bool {
        let mut names: Vec<&[u8]> =
            self.0.iter().map(|pair| pair.0.as_slice()).filter(|name| *name != except.as_bytes()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// One half of a pair, form-decoded.
#[must_use]
pub fn decode(text: &[u8]) -> Vec<u8> {
    let spaced: Cow<'_, [u8]> = if text.contains(&b'+') {
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<_>>().into()
    } else {
        text.into()
    };
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_a_parameter_without_a_value_is_absent() {
        let params = Params::parse(b"a=&b&c=1&&c=").unwrap();
        assert_eq!(
            (params.text("a"), params.text("b"), params.text("c")),
            (Ok(None), Ok(None), Ok(Some("1")))
        );
        assert!(!params.has("a") && params.has("c") && !params.repeats(""));
    }

    #[test]
    fn rfc6749_3_1_a_parameter_that_comes_twice_is_told() {
        let params = Params::parse(b"a=1&%61=1&b=2").unwrap();
        assert_eq!((params.text("a"), params.text("b")), (Err(Unclear), Ok(Some("2"))));
        assert!(params.repeats("") && params.repeats("b") && !params.repeats("a"));
    }

    #[test]
    fn rfc6749_appendix_b_values_are_form_decoded_bytes() {
        let params = Params::parse(b"a=x+y%20z%2B&b=%FF%00&c=%zz=").unwrap();
        assert_eq!(params.text("a"), Ok(Some("x y z+")));
        assert_eq!((params.bytes("b"), params.text("b")), (Ok(Some(&b"\xff\0"[..])), Err(Unclear)));
        assert_eq!(params.text("c"), Ok(Some("%zz=")));
    }

    #[test]
    fn a_request_has_a_hundred_parameters_at_most() {
        assert!(Params::parse("a=1&".repeat(MAX_PARAMS).as_bytes()).is_some());
        assert!(Params::parse("a=1&".repeat(MAX_PARAMS + 1).as_bytes()).is_none());
    }
}
