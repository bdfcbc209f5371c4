//! The wire between a gateway and its authority (contract §6, §7): pages of the key table, and
//! usage reports.
//!
//! The authority writes pages with [`Page`] and reads reports with [`UsageReport`]; the filter does
//! the reverse, and reads pages more strictly.

use serde::{Deserialize, Serialize};

/// Where pages of the key table are asked for.
pub const KEY_TABLE_PATH: &str = "/v1/key-table";
/// Where usage reports are sent.
pub const USAGE_PATH: &str = "/v1/usage";
/// The header that names the Envoy process; 1 to 128 printable ASCII characters without spaces.
pub const GATEWAY_HEADER: &str = "x-flint-gateway";

/// One answer of `GET /v1/key-table`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Page {
    /// Opaque; goes back with the next call.
    pub cursor: String,
    /// There is more to be had at once.
    pub more: bool,
    /// The cursor of the call is not known: what follows, up to `more: false`, is a whole new
    /// table.
    #[serde(default)]
    pub reset: bool,
    /// Entries to insert or replace, by digest.
    #[serde(default)]
    pub keys: Vec<KeyEntry>,
    /// Digests to forget.
    #[serde(default)]
    pub removed: Vec<String>,
    /// Access tokens that are refused although they have not expired.
    #[serde(default)]
    pub revoked_tokens: Vec<RevokedToken>,
}

/// A key as the wire has it. Times are whole Unix seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct KeyEntry {
    /// The key's digest, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The key's public name.
    pub id: String,
    /// `live` or `test`.
    pub environment: String,
    /// Grants.
    pub permissions: Vec<String>,
    /// Who the key belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The first second in which the key passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<i64>,
    /// The first second in which the key no longer passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The first second in which the key is refused as revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<i64>,
    /// Where the key may be used from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_cidrs: Option<Vec<String>>,
}

/// An access token that was revoked before its time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RevokedToken {
    /// The token's `jti`.
    pub jti: String,
    /// When it would have expired, in Unix seconds.
    pub expires_at: i64,
}

/// The body of `POST /v1/usage`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct UsageReport {
    /// Unique; a report that comes again has the same id and the same entries.
    pub report_id: String,
    /// When counting began, in Unix seconds.
    pub from: i64,
    /// When counting ended, in Unix seconds.
    pub to: i64,
    /// A line for each key and outcome that occurred.
    pub entries: Vec<UsageEntry>,
    /// Decisions that were made and are in no report, for want of room.
    #[serde(default)]
    pub dropped: u64,
}

/// How often one key met one outcome.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct UsageEntry {
    /// The key's public name.
    pub key_id: String,
    /// The outcome's word.
    pub outcome: String,
    /// How often, at least 1.
    pub count: u64,
    /// The last time, in Unix seconds.
    pub last_used: i64,
}
