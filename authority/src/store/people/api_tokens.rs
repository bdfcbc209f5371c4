//! API tokens: the credentials of automation, each with its permissions.

use flint_contract::key::Digest;
use flint_contract::permission::grants;
use serde_json::json;
use sqlx::FromRow;

use crate::clock;
use crate::model::draft::Mistakes;
use crate::secret::{self, API_TOKEN_PREFIX, Secret};
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError};

/// A token, without its secret.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct ApiToken {
    /// The token's id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Grants.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// The first second in which it is no longer good.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// When it was last shown, to the minute.
    pub last_used_at: Option<i64>,
}

/// What a new token shall be.
#[derive(Clone, Debug, Default)]
pub struct NewApiToken {
    /// What people will call it.
    pub name: String,
    /// Grants, at least one.
    pub permissions: Vec<String>,
    /// Until when.
    pub expires_at: Option<i64>,
}

#[derive(FromRow)]
struct ApiTokenRow {
    id: String,
    name: String,
    permissions: String,
    created_at: i64,
    created_by: String,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

const COLUMNS: &str = "id, name, permissions, created_at, created_by, expires_at, revoked_at, last_used_at";

impl ApiToken {
    /// Whether it grants this permission.
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|grant| grants(grant, permission))
    }
}

impl TryFrom<ApiTokenRow> for ApiToken {
    type Error = StoreError;

    fn try_from(row: ApiTokenRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            name: row.name,
            permissions: serde_json::from_str(&row.permissions)
                .map_err(|_| StoreError::Corrupt("api_token.permissions"))?,
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        })
    }
}

impl Store {
    /// Makes a token.
    ///
    /// # Errors
    /// Every rule that the request breaks.
    pub async fn create_api_token(
        &self,
        new: NewApiToken,
        now: i64,
        actor: &Actor,
    ) -> Result<(ApiToken, Secret), StoreError> {
        let mut mistakes = Mistakes::default();
        let (name, permissions) = (mistakes.name(&new.name), mistakes.permissions(new.permissions));
        let expires_at = mistakes.time("expires_at", new.expires_at);
        if permissions.is_empty() {
            mistakes.add("permissions", "must not be empty: a token without permissions is useless");
        }
        if expires_at.is_some_and(|end| end <= now) {
            mistakes.add("expires_at", "must be in the future");
        }
        let id = secret::new_id("tok", clock::since_epoch().as_millis())?;
        let token = ApiToken {
            id,
            name,
            permissions,
            created_at: now,
            created_by: actor.label(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let token = mistakes.none_or(token).map_err(StoreError::Invalid)?;
        let secret = Secret::generate(API_TOKEN_PREFIX)?;
        let sql = "INSERT INTO api_token (id, name, digest, permissions, created_at, created_by, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let mut write = self.write().await?;
        write.room_for_api_token(now).await?;
        sqlx::query(sql)
            .bind(token.id.as_str())
            .bind(token.name.as_str())
            .bind(secret.digest().as_bytes().to_vec())
            .bind(json!(token.permissions).to_string())
            .bind(now)
            .bind(token.created_by.as_str())
            .bind(token.expires_at)
            .execute(&mut *write.tx)
            .await?;
        write.record(now, actor, line("api_token.create", &token)).await?;
        write.commit().await?;
        Ok((token, secret))
    }

    /// The token that this is the digest of, if it is good.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn api_token(&self, digest: &Digest, now: i64) -> Result<Option<ApiToken>, StoreError> {
        self.check_files()?;
        let sql = "SELECT id, name, permissions, created_at, created_by, expires_at, revoked_at, last_used_at \
                   FROM api_token WHERE digest = $1 AND revoked_at IS NULL \
                   AND (expires_at IS NULL OR expires_at > $2)";
        let bytes = digest.as_bytes().to_vec();
        let row: Option<ApiTokenRow> =
            sqlx::query_as(sql).bind(bytes).bind(now).fetch_optional(&self.pool).await?;
        let Some(token) = row.map(ApiToken::try_from).transpose()? else {
            return Ok(None);
        };
        if token.last_used_at.is_none_or(|time| now - time >= 60) {
            let sql = "UPDATE api_token SET last_used_at = $1 WHERE id = $2";
            let mut write = self.write().await?;
            sqlx::query(sql).bind(now).bind(token.id.as_str()).execute(&mut *write.tx).await?;
            write.commit().await?;
        }
        Ok(Some(token))
    }

    /// All tokens, the youngest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_token ORDER BY created_at DESC, id DESC");
        let rows: Vec<ApiTokenRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        rows.into_iter().map(ApiToken::try_from).collect()
    }

    /// Ends a token for good. Revoking a revoked one changes nothing.
    ///
    /// # Errors
    /// If there is no such token.
    pub async fn revoke_api_token(&self, id: &str, now: i64, actor: &Actor) -> Result<ApiToken, StoreError> {
        let mut write = self.write().await?;
        let sql = format!("SELECT {COLUMNS} FROM api_token WHERE id = $1");
        let row: Option<ApiTokenRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(id.to_owned())
            .fetch_optional(&mut *write.tx)
            .await?;
        let mut token = ApiToken::try_from(row.ok_or(StoreError::NotFound("API token"))?)?;
        if token.revoked_at.is_none() {
            token.revoked_at = Some(now);
            let sql = "UPDATE api_token SET revoked_at = $1 WHERE id = $2";
            sqlx::query(sql).bind(now).bind(token.id.as_str()).execute(&mut *write.tx).await?;
            write.record(now, actor, line("api_token.revoke", &token)).await?;
            write.commit().await?;
        }
        Ok(token)
    }
}

fn line<'a>(action: &'static str, token: &'a ApiToken) -> AuditEvent<'a> {
    let after = json!({
        "name": token.name,
        "permissions": token.permissions,
        "expires_at": token.expires_at.map(clock::to_text),
        "revoked_at": token.revoked_at.map(clock::to_text),
    });
    AuditEvent { action, subject_kind: "api_token", subject: &token.id, before: None, after: Some(after) }
}
