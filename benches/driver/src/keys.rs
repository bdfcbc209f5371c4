//! Synthetic keys: the n-th key is the same in every program of a run.

use flint_contract::key::Digest;

/// Whether the keys of a feed have an end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// No times at all: the filter need not look at the clock.
    Plain,
    /// They end, decades from now.
    Expiring,
    /// As plain, but whoever imported them chose digests that differ in their first bytes alone.
    /// That of [`ORDINARY`] is one that a key has.
    Chosen,
}

/// A key that passes whatever the kind.
const ORDINARY: u32 = 7;

/// The n-th key, as long as those that the authority makes (28 characters after the prefix).
pub(crate) fn key(n: u32) -> String {
    format!("flint_live_bench{n:023}")
}

/// Appends the n-th key's entry (contract §6); `version` tells one state of it from another.
pub(crate) fn put_entry(out: &mut String, n: u32, kind: Kind, version: usize, revoked: bool) {
    let digest = match kind {
        Kind::Chosen if n != ORDINARY => format!("{n:08x}{:056}", 0),
        _ => hexadecimal(&Digest::of(key(n).as_bytes())),
    };
    let end = match kind {
        Kind::Plain | Kind::Chosen => "",
        Kind::Expiring => r#","expires_at":4102444800"#,
    };
    let revoked = if revoked { r#","revoked_at":1"# } else { "" };
    out.push_str(r#"{"sha256":""#);
    out.push_str(&digest);
    out.push_str(&format!(r#"","id":"key_01bench{n:016}","environment":"live","owner":"org_{version}_{n}""#));
    out.push_str(&format!(r#","permissions":["documents:read","documents:write"]{end}{revoked}}}"#));
}

fn hexadecimal(digest: &Digest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
