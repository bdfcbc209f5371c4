//! The authorization server's rules, after OAuth 2.1 and the security BCP (RFC 9700). Everything
//! except `keyring` is pure: requests, stored state and the time come in, and a verdict goes out.
//! Nothing here knows about HTTP or a database.
//!
//! The way of a grant: a request (`request`) becomes a question to the user (`consent`), the answer
//! a code, the code a family of tokens (`family`). A grant that is abandoned halfway leaves nothing
//! behind that works.
//!
//! 1. Nobody is redirected to a place that was not registered for the client, byte for byte; only
//!    the port of a public client's loopback address is free (RFC 9700 §2.1 and §4.1.3, RFC 8252
//!    §7.3). `redirect`
//! 2. A fault in client or redirect URI is told on a page; every other fault goes back to the
//!    client, with `state` and `iss` (RFC 6749 §4.1.2.1, RFC 9207, RFC 9700 §4.4 and §4.11).
//!    `request`
//! 3. Every code is bound to a challenge, S256 and nothing else; there is no request without one,
//!    and so no way down to less (RFC 7636, RFC 9700 §2.1.1 and §4.8). `pkce`
//! 4. A grant narrows and never widens: the client's permissions, what it asks for, what the user
//!    holds, what the user leaves ticked (RFC 9700 §2.3). `scope`, `consent`
//! 5. A code works once, for 60 seconds, for its client, redirect URI, challenge and resource. One
//!    that comes again from its client ends everything that came of it (RFC 6749 §4.1.2, RFC 9700
//!    §4.5). `family`
//! 6. A refresh token works once; the one that follows takes over. An old one that comes again,
//!    also at the same moment, ends everything (RFC 9700 §4.14.2). `family`
//! 7. A client authenticates in one way, the one that it was registered with (RFC 6749 §2.3, RFC
//!    7523 §3). `authentication`, `assertion`
//! 8. A token is for one resource, lives for ten minutes at most, and says nothing of a person but
//!    an id (RFC 8707, RFC 9068, RFC 9700 §2.3). `token`
//! 9. A signing key is published before it signs and stays published until nothing that it signed
//!    can still be alive. `key_life`
//! 10. Errors are the standards' words and fixed texts; they repeat nothing that was sent (RFC 6749
//!     §5.2). `fault`

pub mod issuer;
pub mod params;
pub mod fault;

pub mod scope;
pub mod redirect;
pub mod pkce;
pub mod client;

pub mod request;
pub mod consent;
pub mod family;

pub mod authentication;
pub mod assertion;
pub mod jwk;
pub mod jws;

pub mod token;
pub mod key_life;
pub mod keyring;
pub mod metadata;
pub mod remembered;
pub mod server;

/// What client secrets begin with. NEVER CHANGE: secret scanners look for it.
pub const SECRET_PREFIX: &str = "flint_secret_";
/// What authorization codes begin with. NEVER CHANGE: secret scanners look for it.
pub const CODE_PREFIX: &str = "flint_code_";
/// What refresh tokens begin with. NEVER CHANGE: secret scanners look for it.
pub const REFRESH_PREFIX: &str = "flint_refresh_";
