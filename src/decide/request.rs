//! A request as the core sees it: read in place from the header map as the host serialises it.
//!
//! The layout (proxy-wasm): the number of headers (4 bytes), the lengths of every name and value (4
//! and 4), then each name and value followed by a zero byte. Envoy has already lower-cased the
//! names and trimmed the values. Values stay bytes, because a header is not text.

use crate::bytes::Reader;

/// All of a request that decides.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The method; empty if there is none.
    pub method: &'a [u8],
    /// The path with its query; absent with CONNECT.
    pub path: Option<&'a [u8]>,
    /// What `authorization` has.
    pub authorization: Authorization<'a>,
    /// There are `origin` and `access-control-request-method`: with OPTIONS, a CORS preflight.
    pub asks_cors: bool,
    /// The names of headers that only the filter may set, as the client sent them.
    pub reserved: Vec<&'a [u8]>,
}

/// The `authorization` lines of a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Authorization<'a> {
    /// There is none.
    #[default]
    Absent,
    /// There is one, with this value.
    One(&'a [u8]),
    /// There are several, whatever they say.
    Several,
}

impl<'a> Request<'a> {
    /// Reads a serialised header map; `None` where it is not one.
    #[must_use]
    pub fn read(map: &'a [u8]) -> Option<Self> {
        let mut request = Self::default();
        let (mut origin, mut requested_method) = (false, false);
        for (name, value) in Headers::read(map)? {
            match name {
                b":method" => request.method = value,
                b":path" => request.path = Some(value),
                b"authorization" => {
                    request.authorization = match request.authorization {
                        Authorization::Absent => Authorization::One(value),
                        _ => Authorization::Several,
                    }
                }
                b"origin" => origin = true,
                b"access-control-request-method" => requested_method = true,
                name if is_reserved(name) => request.reserved.push(name),
                _ => {}
            }
        }
        request.asks_cors = origin && requested_method;
        Some(request)
    }
}

/// Whether only the filter may set this header: `x-flint-*`, in any letter case, and the same with
/// `_` for `-`, which many servers cannot tell apart (CGI, RFC 3875 §4.1.18).
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-flint-";
    let same = |(a, b): (&u8, &u8)| *b == if *a == b'_' { b'-' } else { a.to_ascii_lowercase() };
    name.len() >= PREFIX.len() && name.iter().zip(PREFIX).all(same)
}

/// The headers of a serialised map.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    lengths: Reader<'a>,
    bytes: Reader<'a>,
    left: u32,
}

impl<'a> Headers<'a> {
    /// Reads a map; `None` where the lengths do not add up to exactly its size. A map of no bytes
    /// is empty.
    #[must_use]
    pub fn read(map: &'a [u8]) -> Option<Self> {
        if map.is_empty() {
            return Some(Self { lengths: Reader::new(map), bytes: Reader::new(map), left: 0 });
        }
        let mut reader = Reader::new(map);
        let left = reader.u32()?;
        let table = reader.bytes((left as usize).checked_mul(8)?)?;
        let headers = Self { lengths: Reader::new(table), bytes: reader, left };
        let size = table.as_chunks().0.iter().try_fold(0_usize, |size, length: &[u8; 4]| {
            size.checked_add(u32::from_le_bytes(*length) as usize)?.checked_add(1)
        })?;
        (size == reader.rest().len()).then_some(headers)
    }

    fn text(&mut self, length: u32) -> Option<&'a [u8]> {
        let text = self.bytes.bytes(length as usize)?;
        self.bytes.u8()?;
        Some(text)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (name, value) = (self.lengths.u32()?, self.lengths.u32()?);
        Some((self.text(name)?, self.text(value)?))
    }
}

/// Serialises a header map.
#[must_use]
pub fn serialise<'h>(headers: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone) -> Vec<u8> {
    let size: usize = headers.clone().map(|(name, value)| name.len() + value.len() + 10).sum();
    let mut out = Vec::with_capacity(4 + size);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(u32::try_from(headers.clone().count()).unwrap_or(u32::MAX).to_le_bytes());
    for (name, value) in headers.clone() {
        out.extend(length(name));
        out.extend(length(value));
    }
    for (name, value) in headers {
        out.extend(name);
        out.push(0);
        out.extend(value);
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(headers: &[(&str, &str)]) -> Vec<u8> {
        serialise(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn what_decides_is_read() {
        let map = map(&[
            (":method", "GET"),
            (":path", "/a?b"),
            ("authorization", "Bearer x"),
            ("origin", "https://a"),
            ("x-flint-owner", "evil"),
            ("access-control-request-method", "PUT"),
            ("X_Flint-key_id", "evil"),
        ]);
        let request = Request::read(&map).unwrap();
        assert_eq!((request.method, request.path), (&b"GET"[..], Some(&b"/a?b"[..])));
        assert_eq!(request.authorization, Authorization::One(b"Bearer x"));
        assert!(request.asks_cors);
        assert_eq!(request.reserved, [&b"x-flint-owner"[..], b"X_Flint-key_id"]);
    }

    #[test]
    fn several_authorization_lines_are_never_one() {
        let map =
            map(&[("authorization", "Bearer a"), ("a", ""), ("authorization", ""), ("authorization", "c")]);
        assert_eq!(Request::read(&map).unwrap().authorization, Authorization::Several);
    }

    #[test]
    fn an_absent_path_is_not_an_empty_one() {
        assert_eq!(Request::read(&map(&[(":method", "CONNECT")])).unwrap().path, None);
        assert_eq!(Request::read(&map(&[(":path", "")])).unwrap().path, Some(&b""[..]));
        assert_eq!(Request::read(&[]).unwrap().path, None);
    }

    #[test]
    fn reserved_names_are_told_from_their_neighbours() {
        for name in ["x-flint-", "x-flint-key-id", "X-FLINT-OWNER", "x_flint_owner"] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["x-flint", "x-flinty-a", "xx-flint-a", "flint-key"] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_map_that_does_not_add_up_is_refused() {
        let good = map(&[("a", "b"), ("c", "d")]);
        assert!(Request::read(&good).is_some());
        for size in 1..good.len() {
            assert!(Request::read(&good[..size]).is_none(), "{size}");
        }
        let mut long = good;
        long.push(0);
        assert!(Request::read(&long).is_none());
    }

    proptest! {
        #[test]
        fn headers_come_back_as_they_went_in(headers in prop::collection::vec((".{0,9}", ".{0,9}"), 0..9)) {
            let pairs = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            let map = serialise(pairs.clone());
            prop_assert!(Headers::read(&map).unwrap().eq(pairs));
        }

        #[test]
        fn no_bytes_make_it_panic(map in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = Request::read(&map);
        }
    }
}
