//! The wire of the gateways as the description shows it. The types themselves are shared with the
//! filter, which has no use for descriptions; a test compares the two.

use serde::Serialize;
use utoipa::ToSchema;

/// A page of the key table.
#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub(in crate::api) struct PageSchema {
    /// Opaque; goes back with the next call.
    cursor: String,
    /// There is more to be had at once.
    more: bool,
    /// The cursor of the call is not known: what follows, up to `more: false`, is a whole new
    /// table.
    reset: bool,
    /// Entries to insert or replace, by digest.
    keys: Vec<EntrySchema>,
    /// Digests to forget.
    removed: Vec<String>,
    /// Access tokens that are refused although they have not expired.
    revoked_tokens: Vec<RevokedTokenSchema>,
}

/// A key of the table. Times are whole Unix seconds.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyEntry)]
pub(in crate::api) struct EntrySchema {
    /// The key's digest.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// The key's public id.
    id: String,
    /// `live` or `test`.
    #[schema(pattern = "^(live|test)$")]
    environment: String,
    /// Grants.
    permissions: Vec<String>,
    owner: Option<String>,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    allowed_cidrs: Option<Vec<String>>,
}

/// An access token that was revoked before its time.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedToken)]
pub(in crate::api) struct RevokedTokenSchema {
    jti: String,
    expires_at: i64,
}

/// What a gateway counted.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageReport)]
pub(in crate::api) struct ReportSchema {
    /// Unique; a report that comes again has the same id and the same entries.
    #[schema(pattern = "^[!-~]{1,128}$")]
    report_id: String,
    /// When counting began, in Unix seconds.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    from: i64,
    /// When counting ended; not before it began.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    to: i64,
    /// A line for each key and outcome that occurred.
    #[schema(max_items = 50_000)]
    entries: Vec<ReportEntrySchema>,
    /// Decisions that were made and are in no report; left out is none.
    #[schema(required = false, minimum = 0)]
    dropped: u64,
}

/// How often one key met one outcome.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageEntry)]
pub(in crate::api) struct ReportEntrySchema {
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    key_id: String,
    /// The outcome's word, such as `allowed`.
    outcome: String,
    #[schema(minimum = 1, maximum = 281_474_976_710_656_i64)]
    count: u64,
    /// The last time, in Unix seconds.
    #[schema(minimum = 0, maximum = 253_402_300_799_i64)]
    last_used: i64,
}

#[cfg(test)]
mod tests {
    use flint_contract::protocol::{KeyEntry, Page, RevokedToken, UsageEntry, UsageReport};
    use serde_json::{Value, json};

    fn fields(value: &Value) -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_description_has_the_fields_of_the_wire() {
        let schemas = json!(crate::api::openapi::document())["components"]["schemas"].clone();
        let described = |name: &str| fields(&schemas[name]["properties"]);
        let entry = KeyEntry {
            owner: Some(String::new()),
            not_before: Some(0),
            expires_at: Some(0),
            revoked_at: Some(0),
            allowed_cidrs: Some(vec![]),
            ..KeyEntry::default()
        };
        let used = UsageEntry { key_id: String::new(), outcome: String::new(), count: 1, last_used: 0 };
        let report = UsageReport { report_id: String::new(), from: 0, to: 0, entries: vec![], dropped: 0 };
        let token = RevokedToken { jti: String::new(), expires_at: 0 };
        assert_eq!(described("Page"), fields(&json!(Page::default())));
        assert_eq!(described("KeyEntry"), fields(&json!(entry)));
        assert_eq!(described("RevokedToken"), fields(&json!(token)));
        assert_eq!(described("UsageReport"), fields(&json!(report)));
        assert_eq!(described("UsageEntry"), fields(&json!(used)));
    }
}
