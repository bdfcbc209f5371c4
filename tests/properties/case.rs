//! A request, a configuration and the state of the world, made from bytes: those of a property test
//! or of a fuzzer.
//!
//! Most choices are among words that matter, so that random bytes get far; some are raw.

use std::net::IpAddr;

use flint_auth::decide::lookup::Readiness;

/// One thing to decide about.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Both environments are admitted, and not only `live`.
    pub(crate) both_environments: bool,
    /// `unavailable` is `allow`.
    pub(crate) fails_open: bool,
    /// `default` is `deny`.
    pub(crate) denies_unmatched: bool,
    /// `cors_preflight` is `allow`.
    pub(crate) lets_preflights_pass: bool,
    /// The state of the table.
    pub(crate) table: Readiness,
    /// The clock.
    pub(crate) now: Option<i64>,
    /// The client.
    pub(crate) address: Option<IpAddr>,
    /// The header lines, in order.
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

const METHODS: [&str; 8] = ["GET", "HEAD", "PUT", "OPTIONS", "DELETE", "CONNECT", "get", ""];
const PATHS: [&str; 16] = [
    "/healthz",
    "/documents",
    "/documents/7",
    "/documents/",
    "/admin",
    "/admin/a/b",
    "/other",
    "*",
    "/healthz?a=/../b",
    "//healthz",
    "/healthz/",
    "/a/../healthz",
    "/healthz;/../admin",
    "/%2e%2E/admin",
    "/%68ealthz",
    "healthz",
];
const SEGMENTS: [&str; 12] =
    ["/", "healthz", "documents", "admin", ".", "..", ";", "%2f", "%00", "?", "\\", "#"];
const SCHEMES: [&str; 8] =
    ["Bearer", "bearer", "BEARER", "Basic", "Bearer-x", "", "Bearer Bearer", "Basic x, Bearer"];
const GAPS: [&str; 6] = [" ", " ", " ", "   ", "\t", ""];
const TOKENS: [&str; 16] = [
    "flint_live_reader",
    "flint_live_all",
    "flint_live_none",
    "flint_live_revoked",
    "flint_live_timed",
    "flint_live_near",
    "flint_live_nowhere",
    "flint_test_writer",
    "flint_live_later",
    "flint_live_unknown",
    "flint_live_",
    "flint_prod_reader",
    "eyJ.a.b",
    "flint_live_reader,",
    "flint_live_reader Bearer flint_live_all",
    "",
];
const TIMES: [Option<i64>; 8] =
    [Some(0), Some(499), Some(500), Some(999), Some(1000), Some(1999), Some(2000), None];
const ADDRESSES: [&str; 6] = ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.1", "11.0.0.0", "2001:db8::1", ""];

/// Choices taken from bytes, zero if there are none left.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let choice = usize::from(self.byte()) % all.len();
        *all.get(choice).unwrap_or_else(|| unreachable!("the remainder is less than the length"))
    }

    fn raw(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte() % 16);
        (0..length).map(|_| self.byte()).collect()
    }
}

impl Case {
    /// Makes a case; every string of bytes makes one.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let mut from = Choices(bytes);
        let flags = from.byte();
        let flag = |bit: u8| flags & (1 << bit) != 0;
        let table = from.of(&[
            Readiness::Usable,
            Readiness::Usable,
            Readiness::Usable,
            Readiness::Awaited,
            Readiness::TooOld,
        ]);
        let now = from.of(&TIMES);
        let address = from.of(&ADDRESSES).parse().ok();
        let mut headers = vec![(b":method".to_vec(), from.of(&METHODS).as_bytes().to_vec())];
        headers.extend(path(&mut from).map(|path| (b":path".to_vec(), path)));
        for _ in 0..from.of(&[1, 1, 1, 1, 0, 2]) {
            headers.push((b"authorization".to_vec(), credential(&mut from)));
        }
        if flag(4) {
            headers.push((b"origin".to_vec(), b"https://a".to_vec()));
        }
        if flag(5) {
            headers.push((b"access-control-request-method".to_vec(), b"PUT".to_vec()));
        }
        if flag(6) {
            headers.insert(0, (b"x-flint-key-id".to_vec(), from.raw()));
            headers.push((b"X-Flint-Owner".to_vec(), b"evil".to_vec()));
        }
        Self {
            both_environments: flag(0),
            fails_open: flag(1),
            denies_unmatched: flag(2),
            lets_preflights_pass: flag(3),
            table,
            now,
            address,
            headers,
        }
    }
}

fn path(from: &mut Choices<'_>) -> Option<Vec<u8>> {
    match from.of(&[0, 0, 0, 0, 1, 1, 2, 3]) {
        0 => Some(from.of(&PATHS).into()),
        1 => {
            let length = from.of(&[1, 2, 3, 4, 5, 6]);
            Some((0..length).flat_map(|_| from.of(&SEGMENTS).bytes()).collect())
        }
        2 => Some(from.raw()),
        _ => None,
    }
}

fn credential(from: &mut Choices<'_>) -> Vec<u8> {
    if from.of(&[false, false, false, false, false, true]) {
        return from.raw();
    }
    [from.of(&SCHEMES), from.of(&GAPS), from.of(&TOKENS), from.of(&["", "", "", "", " ", " x", ",", "="])]
        .concat()
        .into_bytes()
}
