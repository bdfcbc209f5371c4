//! The audit log: who changed what, when and from where, with the values before and after. It is
//! append-only; the database itself refuses anything else.

use serde_json::{Value, json};
use sqlx::FromRow;

use super::{Actor, Store, StoreError, Write};
use crate::clock;
use crate::model::Key;

/// What happened, for one line of the log.
pub(super) struct AuditEvent<'a> {
    pub(super) action: &'static str,
    pub(super) subject_kind: &'static str,
    pub(super) subject: &'a str,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Write<'_> {
    pub(super) async fn record(
        &mut self,
        now: i64,
        actor: &Actor,
        event: AuditEvent<'_>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit (at, actor_kind, actor, address, action, subject_kind, subject, before_json, \
                   after_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(sql)
            .bind(now)
            .bind(actor.kind)
            .bind(actor.name.as_str())
            .bind(actor.address.as_deref())
            .bind(event.action)
            .bind(event.subject_kind)
            .bind(event.subject)
            .bind(event.before.map(|value| value.to_string()))
            .bind(event.after.map(|value| value.to_string()))
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
        self.record(now, actor, AuditEvent { action, subject_kind: "key", subject, before, after }).await
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

/// About how much one page may take, in bytes.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// How many lines are read at a time.
const PART: usize = 200;

/// A page of the log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AuditPage {
    /// The lines, the youngest first.
    pub lines: Vec<AuditLine>,
    /// Where the next page begins; `None` if there is certainly no other.
    pub next: Option<i64>,
}

/// Which lines of the log.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only what happened to this: the public id of a key, a gateway, a token or an operator.
    pub subject: Option<String>,
    /// Only what was done by this: an actor's kind and name.
    pub actor: Option<String>,
    /// Only actions that begin like this, such as `key.`.
    pub action: Option<String>,
    /// From this time on, in Unix seconds.
    pub since: Option<i64>,
    /// Only lines older than this one.
    pub before: Option<i64>,
    /// How many lines.
    pub limit: u32,
}

/// One line of the log.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct AuditLine {
    /// Its number; they grow with time.
    pub seq: i64,
    /// When, in Unix seconds.
    pub at: i64,
    /// `cli`, `operator`, `api_token`, `key_holder` or `system`.
    pub actor_kind: String,
    /// Who.
    pub actor: String,
    /// Where the request came from.
    pub address: Option<String>,
    /// What was done, such as `key.revoke`.
    pub action: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// To which.
    pub subject: String,
    /// How it was.
    pub before: Option<Value>,
    /// How it is.
    pub after: Option<Value>,
}

#[derive(FromRow)]
struct AuditRow {
    seq: i64,
    at: i64,
    actor_kind: String,
    actor: String,
    address: Option<String>,
    action: String,
    subject_kind: String,
    subject: String,
    before_json: Option<String>,
    after_json: Option<String>,
}

impl Store {
    /// Reads a page of the log, the youngest line first. It ends early where its lines say a lot.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<AuditPage, StoreError> {
        let limit = filter.limit as usize;
        let (mut page, mut bytes) = (AuditPage::default(), 0);
        let mut before = filter.before.unwrap_or(i64::MAX);
        while page.lines.len() < limit {
            let wanted = (limit - page.lines.len()).min(PART);
            let rows = self.audit_rows(filter, before, wanted).await?;
            let is_last = rows.len() < wanted;
            for row in rows {
                (before, bytes) = (row.seq, bytes + row.size());
                page.lines.push(row.try_into()?);
                if bytes > MOST_BYTES {
                    page.next = Some(before);
                    return Ok(page);
                }
            }
            if is_last {
                return Ok(page);
            }
        }
        page.next = page.lines.last().map(|line| line.seq);
        Ok(page)
    }

    async fn audit_rows(
        &self,
        filter: &AuditFilter,
        before: i64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        const ALL: &str = "SELECT seq, at, actor_kind, actor, address, action, subject_kind, subject, before_json, \
             after_json FROM audit WHERE seq < $1 AND at >= $2 AND ($3 = '' OR subject = $3) \
             AND ($4 = '' OR actor = $4) AND ($5 = '' OR SUBSTR(action, 1, LENGTH($5)) = $5) \
             ORDER BY seq DESC LIMIT $6";
        // Of one subject or actor there are few lines among many: its index must be used.
        const BY_SUBJECT: &str = "SELECT seq, at, actor_kind, actor, address, action, subject_kind, subject, before_json, \
             after_json FROM audit WHERE subject = $3 AND seq < $1 AND at >= $2 AND ($4 = '' OR actor = $4) \
             AND ($5 = '' OR SUBSTR(action, 1, LENGTH($5)) = $5) ORDER BY seq DESC LIMIT $6";
        const BY_ACTOR: &str = "SELECT seq, at, actor_kind, actor, address, action, subject_kind, subject, before_json, \
             after_json FROM audit WHERE actor = $4 AND seq < $1 AND at >= $2 AND ($3 = '' OR subject = $3) \
             AND ($5 = '' OR SUBSTR(action, 1, LENGTH($5)) = $5) ORDER BY seq DESC LIMIT $6";
        let sql = match (&filter.subject, &filter.actor) {
            (Some(_), _) => BY_SUBJECT,
            (None, Some(_)) => BY_ACTOR,
            (None, None) => ALL,
        };
        let rows = sqlx::query_as(sql)
            .bind(before)
            .bind(filter.since.unwrap_or(0))
            .bind(filter.subject.as_deref().unwrap_or_default())
            .bind(filter.actor.as_deref().unwrap_or_default())
            .bind(filter.action.as_deref().unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }
}

impl AuditRow {
    /// About how much it takes, in bytes.
    fn size(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        200 + of(&self.before_json) + of(&self.after_json)
    }
}

impl TryFrom<AuditRow> for AuditLine {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        let json = |text: Option<String>| {
            text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("audit"))).transpose()
        };
        Ok(Self {
            seq: row.seq,
            at: row.at,
            actor_kind: row.actor_kind,
            actor: row.actor,
            address: row.address,
            action: row.action,
            subject_kind: row.subject_kind,
            subject: row.subject,
            before: json(row.before_json)?,
            after: json(row.after_json)?,
        })
    }
}
