//! What must not come back with an older copy of the database: whatever ended since ends again, as
//! the journal says, and no code and no refresh token works any more. Their holders have to sign in
//! again.

use std::collections::HashMap;

use crate::oauth::token::MAX_SKEW;
use crate::store::recovery::journal::OauthEnd;
use crate::store::{Actor, Store, StoreError, Write};

/// How each kind is asked whether it is behind: a statement with its id and the journal's time as
/// parameters.
const BEHIND: [(&str, &str); 5] = [
    ("client", "SELECT COUNT(*) FROM oauth_client WHERE id = $1 AND disabled_at IS NULL AND $2 = $2"),
    ("user", "SELECT COUNT(*) FROM oauth_user WHERE id = $1 AND disabled_at IS NULL AND $2 = $2"),
    ("grant", "SELECT COUNT(*) FROM oauth_grant WHERE id = $1 AND revoked_at IS NULL AND $2 = $2"),
    (
        "signing_key",
        "SELECT COUNT(*) FROM oauth_signing_key WHERE kid = $1 AND (published_until IS NULL OR published_until > $2)",
    ),
    ("token", "SELECT 1 - COUNT(*) FROM oauth_revoked_token WHERE jti = $1 AND $2 = $2"),
];

impl Store {
    /// What of the journal the database does not know.
    pub(in crate::store) async fn find_oauth_behind(
        &self,
        known: &HashMap<(String, String), Option<i64>>,
        now: i64,
    ) -> Result<Vec<OauthEnd>, StoreError> {
        let mut behind = Vec::new();
        for ((kind, id), at) in known {
            let Some(at) = *at else { continue };
            // Nothing of it passes any more, whatever the database says.
            if kind == "token" && at + MAX_SKEW <= now {
                continue;
            }
            if self.is_behind(kind, id, at).await? {
                behind.push(OauthEnd { oauth: kind.clone(), id: id.clone(), at: Some(at) });
            }
        }
        behind.sort_unstable_by(|one, other| (&one.oauth, &one.id).cmp(&(&other.oauth, &other.id)));
        Ok(behind)
    }

    async fn is_behind(&self, kind: &str, id: &str, at: i64) -> Result<bool, StoreError> {
        if kind == "client_secret" {
            let sql = "SELECT COUNT(*) FROM oauth_client_secret WHERE digest = $1 AND (expires_at IS NULL OR expires_at > $2)";
            let digest = hex::decode(id).unwrap_or_default();
            let count: i64 = sqlx::query_scalar(sql).bind(digest).bind(at).fetch_one(&self.pool).await?;
            return Ok(count > 0);
        }
        let Some((_, sql)) = BEHIND.iter().find(|(known, _)| *known == kind) else {
            return Ok(false);
        };
        let count: i64 = sqlx::query_scalar(*sql).bind(id.to_owned()).bind(at).fetch_one(&self.pool).await?;
        Ok(count > 0)
    }

    /// Ends what ended since, and every code and refresh token.
    pub(in crate::store) async fn end_oauth_again(
        &self,
        behind: &[OauthEnd],
        now: i64,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM oauth_session").execute(&mut *write.tx).await?;
        sqlx::query("DELETE FROM oauth_question").execute(&mut *write.tx).await?;
        for end in behind {
            write.end_again(end, now).await?;
        }
        write.end_families("id <> $1", "", now).await?;
        write.commit().await
    }
}

impl Write<'_> {
    async fn end_again(&mut self, end: &OauthEnd, now: i64) -> Result<(), StoreError> {
        let (id, at, actor) = (end.id.as_str(), end.at.unwrap_or(now), Actor::system());
        let reason = "the journal knows of its end";
        match end.oauth.as_str() {
            "client" => {
                let sql = "UPDATE oauth_client SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL";
                sqlx::query(sql).bind(at).bind(id).execute(&mut *self.tx).await?;
                self.end_client(id, reason, now, &actor).await
            }
            "user" => {
                let sql = "UPDATE oauth_user SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL";
                sqlx::query(sql).bind(at).bind(id).execute(&mut *self.tx).await?;
                self.end_user(id, now).await
            }
            "grant" => self.end_grant(id, Some(reason), now, &actor).await,
            "signing_key" => {
                let sql = "UPDATE oauth_signing_key SET published_until = $1 WHERE kid = $2";
                sqlx::query(sql).bind(at).bind(id).execute(&mut *self.tx).await?;
                Ok(())
            }
            "client_secret" => {
                let sql = "UPDATE oauth_client_secret SET expires_at = $1 WHERE digest = $2";
                let digest = hex::decode(id).unwrap_or_default();
                sqlx::query(sql).bind(at).bind(digest).execute(&mut *self.tx).await?;
                Ok(())
            }
            _ => self.tell_ends(&[(id.to_owned(), at)]).await,
        }
    }
}
