//! Gateways: who may read the table, and how far each process has come.

use flint_contract::key::Digest;
use serde_json::{Value, json};
use sqlx::FromRow;

use crate::clock;
use crate::model::draft::{Mistakes, Overlap};
use crate::secret::{self, GATEWAY_PREFIX, Secret};
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// A gateway that may read the table and report use: one registration, any number of Envoy
/// processes.
#[derive(Clone, Debug, Eq, FromRow, PartialEq)]
pub struct Gateway {
    /// The token's id.
    pub id: String,
    /// What people call it; unique among those that are not revoked.
    pub name: String,
    /// When it was registered.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// One Envoy process of a gateway, and what it says that it has applied.
#[derive(Clone, Debug, Eq, FromRow, PartialEq)]
pub struct Process {
    /// Which gateway's.
    pub gateway_id: String,
    /// The id that the process gave itself.
    pub process_id: String,
    /// The number of the last change that all of its workers have applied.
    pub applied_seq: i64,
    /// When it first said so.
    pub applied_at: i64,
    /// When it was first seen.
    pub first_seen: i64,
    /// When it was last seen.
    pub seen_at: i64,
}

impl Store {
    /// Registers a gateway and makes its first token.
    ///
    /// # Errors
    /// If the name breaks a rule or is taken.
    pub async fn create_gateway(
        &self,
        name: &str,
        now: i64,
        actor: &Actor,
    ) -> Result<(Gateway, Secret), StoreError> {
        let mut mistakes = Mistakes::default();
        let name = mistakes.name(name);
        let name = mistakes.none_or(name).map_err(StoreError::Invalid)?;
        let id = secret::new_id("gw", clock::since_epoch().as_millis())?;
        let gateway = Gateway { id, name, created_at: now, created_by: actor.label(), revoked_at: None };
        let mut write = self.write().await?;
        write.room_for_gateway().await?;
        let sql = "INSERT INTO gateway (id, name, created_at, created_by) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT DO NOTHING";
        let done = sqlx::query(sql)
            .bind(gateway.id.as_str())
            .bind(gateway.name.as_str())
            .bind(now)
            .bind(gateway.created_by.as_str())
            .execute(&mut *write.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Exists("a gateway with this name already exists"));
        }
        let token = write.add_gateway_token(&gateway.id, now).await?;
        let after = Some(json!({ "name": gateway.name }));
        write.record_gateway(now, actor, "gateway.create", &gateway.id, after).await?;
        write.commit().await?;
        Ok((gateway, token))
    }

    /// Makes another token for a gateway. The tokens that it had go on for `overlap` seconds at
    /// most.
    ///
    /// # Errors
    /// If there is no such gateway, or it is revoked.
    pub async fn rotate_gateway_token(
        &self,
        id: &str,
        overlap: Overlap,
        now: i64,
        actor: &Actor,
    ) -> Result<(Gateway, Secret), StoreError> {
        let mut write = self.write().await?;
        let gateway = write.gateway(id).await?;
        if gateway.revoked_at.is_some() {
            return Err(StoreError::GatewayRevoked);
        }
        let end = now + overlap.seconds();
        let sql = "UPDATE gateway_token SET expires_at = $1 WHERE gateway_id = $2 \
                   AND (expires_at IS NULL OR expires_at > $1)";
        sqlx::query(sql).bind(end).bind(gateway.id.as_str()).execute(&mut *write.tx).await?;
        let sql = "DELETE FROM gateway_token WHERE gateway_id = $1 AND expires_at <= $2";
        sqlx::query(sql).bind(gateway.id.as_str()).bind(now).execute(&mut *write.tx).await?;
        let token = write.add_gateway_token(&gateway.id, now).await?;
        write.keep_few_tokens(&gateway.id).await?;
        let after = Some(json!({ "name": gateway.name, "old_tokens_end": clock::to_text(end) }));
        write.record_gateway(now, actor, "gateway.rotate_token", &gateway.id, after).await?;
        write.commit().await?;
        Ok((gateway, token))
    }

    /// Revokes a gateway: its tokens are good for nothing from now on, and its name may be given to
    /// another. What its processes know stays with them until their table is too old.
    ///
    /// # Errors
    /// If there is no such gateway.
    pub async fn revoke_gateway(&self, id: &str, now: i64, actor: &Actor) -> Result<Gateway, StoreError> {
        let mut write = self.write().await?;
        let mut gateway = write.gateway(id).await?;
        if gateway.revoked_at.is_none() {
            gateway.revoked_at = Some(now);
            let sql = "UPDATE gateway SET revoked_at = $1 WHERE id = $2";
            sqlx::query(sql).bind(now).bind(gateway.id.as_str()).execute(&mut *write.tx).await?;
            let after = Some(json!({ "name": gateway.name, "revoked_at": clock::to_text(now) }));
            write.record_gateway(now, actor, "gateway.revoke", &gateway.id, after).await?;
            write.commit().await?;
        }
        Ok(gateway)
    }

    /// The gateway that this token is good for, if any.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn gateway_of_token(&self, token: &Digest, now: i64) -> Result<Option<String>, StoreError> {
        self.check_files()?;
        let sql = "SELECT gateway.id FROM gateway_token JOIN gateway ON gateway.id = gateway_token.gateway_id \
                   WHERE digest = $1 AND (expires_at IS NULL OR expires_at > $2) AND revoked_at IS NULL";
        let digest = token.as_bytes().to_vec();
        Ok(sqlx::query_scalar(sql).bind(digest).bind(now).fetch_optional(&self.pool).await?)
    }

    /// All gateways by name, of one name the one that is good first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn gateways(&self) -> Result<Vec<Gateway>, StoreError> {
        let sql = "SELECT id, name, created_at, created_by, revoked_at FROM gateway \
                   ORDER BY name, revoked_at IS NOT NULL, created_at DESC, id DESC";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// All processes that were last seen at a time or since, those seen last first. What this
    /// program has heard and not written down yet is among it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn processes(&self, since: i64) -> Result<Vec<Process>, StoreError> {
        self.write_acknowledgements().await?;
        let sql = "SELECT gateway_id, process_id, applied_seq, applied_at, first_seen, seen_at FROM gateway_process \
                   WHERE seen_at >= $1 ORDER BY seen_at DESC, process_id";
        Ok(sqlx::query_as(sql).bind(since).fetch_all(&self.pool).await?)
    }

    /// Forgets processes that were last seen before a time.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_processes(&self, since: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM gateway_process WHERE seen_at < $1";
        sqlx::query(sql).bind(since).execute(&mut *write.tx).await?;
        write.commit().await
    }
}

impl Write<'_> {
    /// A gateway by its public id or its name; of several of one name the one that is good, else
    /// the youngest.
    async fn gateway(&mut self, id: &str) -> Result<Gateway, StoreError> {
        let sql = "SELECT id, name, created_at, created_by, revoked_at FROM gateway WHERE id = $1 OR name = $1 \
                   ORDER BY id = $1 DESC, revoked_at IS NOT NULL, created_at DESC, id DESC LIMIT 1";
        let found: Option<Gateway> =
            sqlx::query_as(sql).bind(id.to_owned()).fetch_optional(&mut *self.tx).await?;
        found.ok_or(StoreError::NotFound("gateway"))
    }

    async fn add_gateway_token(&mut self, gateway_id: &str, now: i64) -> Result<Secret, StoreError> {
        let token = Secret::generate(GATEWAY_PREFIX)?;
        let sql = "INSERT INTO gateway_token (digest, gateway_id, created_at) VALUES ($1, $2, $3)";
        let digest = token.digest().as_bytes().to_vec();
        sqlx::query(sql).bind(digest).bind(gateway_id).bind(now).execute(&mut *self.tx).await?;
        Ok(token)
    }

    async fn record_gateway(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        id: &str,
        after: Option<Value>,
    ) -> Result<(), StoreError> {
        let line = AuditEvent { action, subject_kind: "gateway", subject: id, before: None, after };
        self.record(now, actor, line).await
    }
}
