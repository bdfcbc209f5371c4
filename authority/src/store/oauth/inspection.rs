//! What is known of a token (RFC 7662).

use flint_contract::key::Digest;
use sqlx::FromRow;

use super::read_list;
use crate::store::{Store, StoreError};

/// A refresh token that is good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LiveRefresh {
    /// Whose it is.
    pub client_id: String,
    /// Who it speaks for.
    pub user_id: String,
    /// What it can get.
    pub scope: Vec<String>,
    /// When its code was exchanged.
    pub issued_at: i64,
    /// The first second in which it is no longer good.
    pub expires_at: i64,
}

#[derive(FromRow)]
struct LiveRefreshRow {
    client_id: String,
    user_id: String,
    scope: String,
    issued_at: i64,
    idle_end: i64,
    family_end: i64,
}

impl Store {
    /// A refresh token, if it is good.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn live_refresh_token(&self, token: &str, now: i64) -> Result<Option<LiveRefresh>, StoreError> {
        let sql = "SELECT oauth_family.client_id, oauth_family.user_id, oauth_family.scope, \
                   oauth_family.used_at AS issued_at, oauth_refresh_token.expires_at AS idle_end, \
                   oauth_family.expires_at AS family_end FROM oauth_refresh_token \
                   JOIN oauth_family ON oauth_family.id = family_id \
                   JOIN oauth_user ON oauth_user.id = oauth_family.user_id AND oauth_user.disabled_at IS NULL \
                   JOIN oauth_client ON oauth_client.id = oauth_family.client_id AND oauth_client.disabled_at IS NULL \
                   WHERE digest = $1 AND oauth_refresh_token.used_at IS NULL AND ended_at IS NULL \
                   AND oauth_refresh_token.expires_at > $2 AND oauth_family.expires_at > $2";
        let digest = Digest::of(token.as_bytes()).as_bytes().to_vec();
        let row: Option<LiveRefreshRow> =
            sqlx::query_as(sql).bind(digest).bind(now).fetch_optional(&self.pool).await?;
        let read = |row: LiveRefreshRow| {
            Ok(LiveRefresh {
                scope: read_list(&row.scope, "oauth_family.scope")?,
                client_id: row.client_id,
                user_id: row.user_id,
                issued_at: row.issued_at,
                expires_at: row.idle_end.min(row.family_end),
            })
        };
        row.map(read).transpose()
    }

    /// Whether an access token was issued here and has not ended.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn is_live_access_token(&self, jti: &str, now: i64) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) FROM oauth_access_token WHERE jti = $1 AND expires_at > $2";
        let count: i64 = sqlx::query_scalar(sql).bind(jti.to_owned()).bind(now).fetch_one(&self.pool).await?;
        Ok(count == 1)
    }
}
