//! Revoking tokens before they expire. Every revocation is in the feed of the gateways before it is
//! answered.

use flint_contract::key::Digest;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::clock;
use crate::oauth::token::MAX_SKEW;
use crate::store::audit::AuditEvent;
use crate::store::recovery::journal::OauthEnd;
use crate::store::{Actor, Store, StoreError, Write};

/// How long a family is remembered that has ended, in seconds.
const REMEMBERED: i64 = 3_600;
/// How many rows are written in one statement.
const CHUNK: usize = 200;

/// What came of asking for a token's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revoked {
    /// It has ended, now or before, or there never was such a token.
    Done,
    /// It is another client's, and nothing has ended.
    NotYours,
}

impl Store {
    /// Ends the family of a refresh token, as its client asks (RFC 7009 §2.1). A used one ends it
    /// too: anyone who has it wants everything ended that came of it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_refresh_token(
        &self,
        token: &str,
        client_id: &str,
        now: i64,
        actor: &Actor,
    ) -> Result<Revoked, StoreError> {
        let sql = "SELECT oauth_family.id, client_id FROM oauth_refresh_token \
                   JOIN oauth_family ON oauth_family.id = family_id WHERE digest = $1 AND ended_at IS NULL";
        let digest = Digest::of(token.as_bytes()).as_bytes().to_vec();
        let found: Option<(String, String)> =
            sqlx::query_as(sql).bind(digest).fetch_optional(&self.pool).await?;
        let Some((family_id, owner)) = found else {
            return Ok(Revoked::Done);
        };
        if owner != client_id {
            return Ok(Revoked::NotYours);
        }
        let mut write = self.write().await?;
        write.end_family(&family_id, now).await?;
        write.record_family(now, actor, "oauth.token.revoke", &family_id).await?;
        write.commit().await?;
        Ok(Revoked::Done)
    }

    /// Ends one access token, as its client asks.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_access_token(
        &self,
        jti: &str,
        client_id: &str,
        now: i64,
        actor: &Actor,
    ) -> Result<Revoked, StoreError> {
        let sql = "SELECT client_id FROM oauth_access_token WHERE jti = $1 AND expires_at > $2";
        let owner: Option<String> = sqlx::query_scalar(sql)
            .bind(jti.to_owned())
            .bind(now - MAX_SKEW)
            .fetch_optional(&self.pool)
            .await?;
        match owner {
            None => return Ok(Revoked::Done),
            Some(owner) if owner != client_id => return Ok(Revoked::NotYours),
            Some(_) => {}
        }
        let mut write = self.write().await?;
        write.end_access_tokens("jti = $1", jti, now).await?;
        let line = AuditEvent {
            action: "oauth.token.revoke",
            subject_kind: "oauth_token",
            subject: jti,
            before: None,
            after: None,
        };
        write.record(now, actor, line).await?;
        write.commit().await?;
        Ok(Revoked::Done)
    }
}

impl Write<'_> {
    /// Ends a family: its code, its refresh tokens, its access tokens.
    pub(super) async fn end_family(&mut self, id: &str, now: i64) -> Result<(), StoreError> {
        self.end_families("id = $1", id, now).await
    }

    /// Ends families. `which` is a condition on their rows with one parameter, `$1`.
    pub(super) async fn end_families(
        &mut self,
        which: &'static str,
        value: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        // First: anyone who issues for one of them right now has its row locked, and what it issues
        // is seen afterwards.
        let sql = format!(
            "UPDATE oauth_family SET ended_at = $2, forget_at = $3 WHERE {which} AND ended_at IS NULL RETURNING id"
        );
        let ended: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(value)
            .bind(now)
            .bind(now + REMEMBERED)
            .fetch_all(&mut *self.tx)
            .await?;
        for id in ended {
            let sql = "DELETE FROM oauth_refresh_token WHERE family_id = $1";
            sqlx::query(sql).bind(id.as_str()).execute(&mut *self.tx).await?;
            self.end_access_tokens("family_id = $1", &id, now).await?;
        }
        Ok(())
    }

    /// Ends all that a client has: what users granted it, and what it got for itself.
    pub(super) async fn end_client(
        &mut self,
        id: &str,
        reason: &str,
        now: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        self.note_end("client", id, Some(now));
        self.end_families("client_id = $1", id, now).await?;
        self.end_access_tokens("client_id = $1", id, now).await?;
        let sql = "SELECT id FROM oauth_grant WHERE client_id = $1 AND revoked_at IS NULL";
        let grants: Vec<String> = sqlx::query_scalar(sql).bind(id).fetch_all(&mut *self.tx).await?;
        for grant in grants {
            self.end_grant(&grant, Some(reason), now, actor).await?;
        }
        Ok(())
    }

    /// Ends access tokens that may still pass somewhere. `which` is a condition on their rows with
    /// one parameter, `$1`.
    pub(super) async fn end_access_tokens(
        &mut self,
        which: &'static str,
        value: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "DELETE FROM oauth_access_token WHERE {which} AND expires_at > $2 RETURNING jti, expires_at"
        );
        let ended: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(value)
            .bind(now - MAX_SKEW)
            .fetch_all(&mut *self.tx)
            .await?;
        self.tell_ends(&ended).await
    }

    /// Puts ends into the feed and into the journal.
    pub(in crate::store) async fn tell_ends(&mut self, ended: &[(String, i64)]) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        let mut change = self.next_changes(ended.len() as i64).await?;
        for chunk in ended.chunks(CHUNK) {
            let rows: Vec<_> = (0..chunk.len())
                .map(|row| format!("(${}, ${}, ${})", 3 * row + 1, 3 * row + 2, 3 * row + 3))
                .collect();
            let sql = format!(
                "INSERT INTO oauth_revoked_token (jti, expires_at, change_seq) VALUES {} ON CONFLICT DO NOTHING",
                rows.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (jti, expires_at) in chunk {
                query = query.bind(jti.as_str()).bind(*expires_at).bind(change);
                change += 1;
            }
            query.execute(&mut *self.tx).await?;
        }
        for (jti, expires_at) in ended {
            self.note_end("token", jti, Some(*expires_at));
        }
        Ok(())
    }

    /// Notes for the journal that something has ended, or, without a time, that it began again.
    pub(super) fn note_end(&mut self, kind: &'static str, id: &str, at: Option<i64>) {
        self.oauth_ends.push(OauthEnd { oauth: kind.into(), id: id.into(), at });
    }

    pub(super) async fn record_family(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        family_id: &str,
    ) -> Result<(), StoreError> {
        let sql = "SELECT grant_id, client_id, user_id FROM oauth_family WHERE id = $1";
        let (grant_id, client_id, user_id): (String, String, String) =
            sqlx::query_as(sql).bind(family_id).fetch_one(&mut *self.tx).await?;
        let after = Some(json!({ "client": client_id, "user": user_id, "ended_at": clock::to_text(now) }));
        let line =
            AuditEvent { action, subject_kind: "oauth_grant", subject: &grant_id, before: None, after };
        self.record(now, actor, line).await
    }
}
