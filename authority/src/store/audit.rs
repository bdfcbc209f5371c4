//! The audit log: who did what to what, when, from where, before and after. Lines are only ever added; the database
//! itself refuses anything else.

use serde_json::{Value, json};

use super::{Actor, StoreError, Write};
use crate::clock;
use crate::model::Key;

/// One line, still to be written.
pub(super) struct Line<'a> {
    pub(super) action: &'static str,
    pub(super) subject_kind: &'static str,
    pub(super) subject: &'a str,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Write<'_> {
    pub(super) async fn record(&mut self, now: i64, actor: &Actor, line: Line<'_>) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit (at, actor_kind, actor, address, action, subject_kind, subject, before_json, \
                   after_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(sql)
            .bind(now)
            .bind(actor.kind)
            .bind(actor.name.as_str())
            .bind(actor.address.as_deref())
            .bind(line.action)
            .bind(line.subject_kind)
            .bind(line.subject)
            .bind(line.before.map(|value| value.to_string()))
            .bind(line.after.map(|value| value.to_string()))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    pub(super) async fn record_key(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        before: Option<&Key>,
        after: Option<&Key>,
    ) -> Result<(), StoreError> {
        let subject = after.or(before).map_or("", |key| key.id.as_str());
        let (before, after) = (before.map(facts), after.map(facts));
        self.record(now, actor, Line { action, subject_kind: "key", subject, before, after }).await
    }
}

/// What the log says of a key: everything that people decide. Neither digest nor hint.
fn facts(key: &Key) -> Value {
    let time = |time: Option<i64>| time.map(clock::to_text);
    json!({
        "name": key.name,
        "environment": key.environment.as_str(),
        "permissions": key.permissions,
        "owner": key.owner,
        "allowed_cidrs": key.allowed_cidrs,
        "not_before": time(key.not_before),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "revoke_reason": key.revoke_reason,
        "rotate_by": time(key.rotate_by),
        "replaces": key.replaces,
        "replaced_by": key.replaced_by,
    })
}
