//! Grants: what one user has granted to one client.

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};

use super::{read_list, write_list};
use crate::clock;
use crate::model::draft::Mistakes;
use crate::oauth::consent;
use crate::secret;
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// The most grants that are listed, the youngest first.
const MAX_LISTED: i64 = 10_000;

/// A grant, with the names of those who are in it.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = OauthGrant)]
pub struct Grant {
    /// Its public id.
    pub id: String,
    /// The client's id.
    pub client_id: String,
    /// What people call the client.
    pub client_name: String,
    /// The user's id.
    pub user_id: String,
    /// What the user signs in with.
    pub user_name: String,
    /// What was granted.
    pub permissions: Vec<String>,
    /// `live` or `test`.
    pub environment: String,
    /// What the tokens are for.
    pub resource: String,
    /// When it was first granted.
    pub created_at: i64,
    /// When a token last came of it, to the minute.
    pub last_used_at: Option<i64>,
    /// When it was withdrawn.
    pub revoked_at: Option<i64>,
    /// Why.
    pub revoke_reason: Option<String>,
}

/// Which grants.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter {
    /// Only those of this client, by its id.
    pub client: Option<String>,
    /// Only those of this user, by id or name.
    pub user: Option<String>,
    /// Only those that were not withdrawn.
    pub live: bool,
    /// At most so many; ten thousand if nothing is said.
    pub limit: Option<i64>,
}

#[derive(FromRow)]
struct GrantRow {
    id: String,
    client_id: String,
    client_name: String,
    user_id: String,
    user_name: String,
    permissions: String,
    environment: String,
    resource: String,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    revoke_reason: Option<String>,
}

/// What is needed of a grant while something is issued.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) permissions: Vec<String>,
    pub(super) last_used_at: Option<i64>,
}

const SELECT: &str = "SELECT oauth_grant.id, client_id, oauth_client.name AS client_name, user_id, \
    oauth_user.name AS user_name, oauth_grant.permissions, oauth_grant.environment, resource, oauth_grant.created_at, \
    oauth_grant.last_used_at, revoked_at, revoke_reason FROM oauth_grant \
    JOIN oauth_client ON oauth_client.id = client_id JOIN oauth_user ON oauth_user.id = user_id";

impl TryFrom<GrantRow> for Grant {
    type Error = StoreError;

    fn try_from(row: GrantRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            client_id: row.client_id,
            client_name: row.client_name,
            user_id: row.user_id,
            user_name: row.user_name,
            permissions: read_list(&row.permissions, "oauth_grant.permissions")?,
            environment: row.environment,
            resource: row.resource,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            revoke_reason: row.revoke_reason,
        })
    }
}

impl Store {
    /// Grants, the youngest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn oauth_grants(&self, filter: &GrantFilter) -> Result<Vec<Grant>, StoreError> {
        let live = if filter.live { " AND revoked_at IS NULL" } else { "" };
        let sql = format!(
            "{SELECT} WHERE ($1 = '' OR client_id = $1) AND ($2 = '' OR user_id = $2 OR oauth_user.name = $2){live} \
             ORDER BY oauth_grant.created_at DESC, oauth_grant.id DESC LIMIT $3"
        );
        let rows: Vec<GrantRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(filter.client.clone().unwrap_or_default())
            .bind(filter.user.clone().unwrap_or_default())
            .bind(filter.limit.unwrap_or(MAX_LISTED).min(MAX_LISTED))
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Grant::try_from).collect()
    }

    /// A grant by its id.
    ///
    /// # Errors
    /// If there is no such grant.
    pub async fn oauth_grant(&self, id: &str) -> Result<Grant, StoreError> {
        let sql = format!("{SELECT} WHERE oauth_grant.id = $1");
        let row: Option<GrantRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&self.pool).await?;
        row.ok_or(StoreError::NotFound("grant"))?.try_into()
    }

    /// What the live grant of a client, a user and a resource has, if there is one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn granted(
        &self,
        client_id: &str,
        user_id: &str,
        resource: &str,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let found: Option<String> = sqlx::query_scalar(LIVE)
            .bind(client_id.to_owned())
            .bind(user_id.to_owned())
            .bind(resource.to_owned())
            .fetch_optional(&self.pool)
            .await?;
        found.map(|json| read_list(&json, "oauth_grant.permissions")).transpose()
    }

    /// Withdraws a grant: its families end, and no live token of it passes any more. `user`: only
    /// if it is theirs.
    ///
    /// # Errors
    /// If there is no such grant.
    pub async fn revoke_oauth_grant(
        &self,
        id: &str,
        user: Option<&str>,
        reason: Option<String>,
        now: i64,
        actor: &Actor,
    ) -> Result<Grant, StoreError> {
        let mut mistakes = Mistakes::default();
        let reason = mistakes.text("reason", reason);
        let reason = mistakes.none_or(reason).map_err(StoreError::Invalid)?;
        let mut write = self.write().await?;
        let grant = write.grant(id).await?;
        if user.is_some_and(|user| user != grant.user_id) {
            return Err(StoreError::NotFound("grant"));
        }
        if grant.revoked_at.is_some() {
            return Ok(grant);
        }
        write.end_grant(id, reason.as_deref(), now, actor).await?;
        let grant = write.grant(id).await?;
        write.commit().await?;
        Ok(grant)
    }
}

const LIVE: &str = "SELECT permissions FROM oauth_grant \
    WHERE client_id = $1 AND user_id = $2 AND resource = $3 AND revoked_at IS NULL";

impl Write<'_> {
    async fn grant(&mut self, id: &str) -> Result<Grant, StoreError> {
        let sql = format!("{SELECT} WHERE oauth_grant.id = $1");
        let row: Option<GrantRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *self.tx).await?;
        row.ok_or(StoreError::NotFound("grant"))?.try_into()
    }

    /// A live grant, which nobody else changes until the commit.
    pub(super) async fn held_grant(&mut self, id: &str) -> Result<Option<Held>, StoreError> {
        let sql = format!(
            "SELECT permissions, last_used_at FROM oauth_grant WHERE id = $1 AND revoked_at IS NULL{}",
            self.store.alone()
        );
        let row: Option<(String, Option<i64>)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *self.tx).await?;
        let read = |(permissions, last_used_at): (String, Option<i64>)| {
            let permissions = read_list(&permissions, "oauth_grant.permissions")?;
            Ok(Held { permissions, last_used_at })
        };
        row.map(read).transpose()
    }

    /// Notes that a token came of a grant, to the minute.
    pub(super) async fn touch_grant(&mut self, id: &str, held: &Held, now: i64) -> Result<(), StoreError> {
        if held.last_used_at.is_none_or(|time| now - time >= 60) {
            let sql = "UPDATE oauth_grant SET last_used_at = $1 WHERE id = $2";
            sqlx::query(sql).bind(now).bind(id).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    /// Withdraws a grant, unless it was withdrawn before.
    pub(super) async fn end_grant(
        &mut self,
        id: &str,
        reason: Option<&str>,
        now: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let sql =
            "UPDATE oauth_grant SET revoked_at = $1, revoke_reason = $2 WHERE id = $3 AND revoked_at IS NULL";
        let done = sqlx::query(sql).bind(now).bind(reason).bind(id).execute(&mut *self.tx).await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        self.note_end("grant", id, Some(now));
        self.end_families("grant_id = $1", id, now).await?;
        let grant = self.grant(id).await?;
        self.record_grant(now, actor, "oauth.grant.revoke", &grant).await
    }

    /// Makes the grant of an answer, or brings the live one up to it. Tells its id.
    pub(super) async fn write_grant(
        &mut self,
        new: &NewGrant<'_>,
        now: i64,
        actor: &Actor,
    ) -> Result<String, StoreError> {
        let NewGrant { client_id, user_id, resource, .. } = *new;
        let permissions = consent::granted_now(&[], new.offered, new.left);
        let id = secret::new_id("grant", clock::since_epoch().as_millis())?;
        let sql = "INSERT INTO oauth_grant (id, client_id, user_id, resource, permissions, environment, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
        let done = sqlx::query(sql)
            .bind(id.as_str())
            .bind(client_id)
            .bind(user_id)
            .bind(resource)
            .bind(write_list(&permissions))
            .bind(new.environment)
            .bind(now)
            .execute(&mut *self.tx)
            .await?;
        if done.rows_affected() == 1 {
            let grant = self.grant(&id).await?;
            self.record_grant(now, actor, "oauth.grant.create", &grant).await?;
            return Ok(id);
        }
        self.widen_grant(new, now, actor).await
    }

    async fn widen_grant(
        &mut self,
        new: &NewGrant<'_>,
        now: i64,
        actor: &Actor,
    ) -> Result<String, StoreError> {
        let sql = format!(
            "SELECT id, permissions FROM oauth_grant WHERE client_id = $1 AND user_id = $2 AND resource = $3 \
             AND revoked_at IS NULL{}",
            self.store.alone()
        );
        let (id, json): (String, String) = sqlx::query_as(AssertSqlSafe(sql))
            .bind(new.client_id)
            .bind(new.user_id)
            .bind(new.resource)
            .fetch_one(&mut *self.tx)
            .await?;
        let before = read_list(&json, "oauth_grant.permissions")?;
        let after = consent::granted_now(&before, new.offered, new.left);
        if after != before {
            let sql = "UPDATE oauth_grant SET permissions = $1 WHERE id = $2";
            sqlx::query(sql).bind(write_list(&after)).bind(id.as_str()).execute(&mut *self.tx).await?;
            let grant = self.grant(&id).await?;
            self.record_grant(now, actor, "oauth.grant.update", &grant).await?;
        }
        Ok(id)
    }

    async fn record_grant(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        grant: &Grant,
    ) -> Result<(), StoreError> {
        let after = Some(json!({
            "client": grant.client_id,
            "client_name": grant.client_name,
            "user": grant.user_id,
            "user_name": grant.user_name,
            "permissions": grant.permissions,
            "resource": grant.resource,
            "revoked_at": grant.revoked_at.map(clock::to_text),
            "revoke_reason": grant.revoke_reason,
        }));
        let line =
            AuditEvent { action, subject_kind: "oauth_grant", subject: &grant.id, before: None, after };
        self.record(now, actor, line).await
    }
}

/// What a user has just said yes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewGrant<'a> {
    pub(super) client_id: &'a str,
    pub(super) user_id: &'a str,
    pub(super) resource: &'a str,
    pub(super) environment: &'static str,
    pub(super) offered: &'a [String],
    pub(super) left: &'a [String],
}
