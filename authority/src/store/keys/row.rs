//! A key as its row, and the row as a key.

use flint_contract::key::{Digest, Environment};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, FromRow};

use crate::model::Key;
use crate::store::{StoreError, Write};

/// The columns of a [`KeyRow`].
macro_rules! key_columns {
    () => {
        "id, digest, version, name, environment, hint, permissions, owner, allowed_cidrs, not_before, \
         expires_at, revoked_at, revoke_reason, rotate_by, replaces, replaced_by, created_at, created_by, updated_at"
    };
}
pub(in crate::store) use key_columns;

#[derive(FromRow)]
pub(in crate::store) struct KeyRow {
    id: String,
    digest: Vec<u8>,
    version: i64,
    name: String,
    environment: String,
    hint: Option<String>,
    permissions: String,
    owner: Option<String>,
    allowed_cidrs: Option<String>,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    revoke_reason: Option<String>,
    rotate_by: Option<i64>,
    replaces: Option<String>,
    replaced_by: Option<String>,
    created_at: i64,
    created_by: String,
    updated_at: i64,
}

impl KeyRow {
    pub(in crate::store) fn into_key(self) -> Result<Key, StoreError> {
        let bytes: [u8; 32] = self.digest.try_into().map_err(|_| StoreError::Corrupt("api_key.digest"))?;
        let list =
            |json: &str| serde_json::from_str(json).map_err(|_| StoreError::Corrupt("a list of api_key"));
        Ok(Key {
            id: self.id,
            digest: Digest::from_bytes(bytes),
            version: self.version,
            name: self.name,
            environment: Environment::parse(&self.environment)
                .ok_or(StoreError::Corrupt("api_key.environment"))?,
            hint: self.hint,
            permissions: list(&self.permissions)?,
            owner: self.owner,
            allowed_cidrs: self.allowed_cidrs.as_deref().map(list).transpose()?,
            not_before: self.not_before,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
            revoke_reason: self.revoke_reason,
            rotate_by: self.rotate_by,
            replaces: self.replaces,
            replaced_by: self.replaced_by,
            created_at: self.created_at,
            created_by: self.created_by,
            updated_at: self.updated_at,
        })
    }
}

impl Write<'_> {
    /// Writes a new key with this change number. `false`: a key with that digest or name exists, or
    /// did.
    pub(in crate::store) async fn insert_key(&mut self, key: &Key, seq: i64) -> Result<bool, StoreError> {
        let sql = "INSERT INTO api_key (change_seq, version, name, permissions, owner, allowed_cidrs, not_before, \
                   expires_at, revoked_at, revoke_reason, rotate_by, replaces, replaced_by, updated_at, id, digest, \
                   environment, hint, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
                   $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING";
        let done = bind_changing(sqlx::query(sql), key, seq)
            .bind(key.digest.as_bytes().to_vec())
            .bind(key.environment.as_str())
            .bind(key.hint.as_deref())
            .bind(key.created_at)
            .bind(key.created_by.as_str())
            .execute(&mut *self.tx)
            .await?;
        let is_new = done.rows_affected() == 1;
        if is_new {
            self.write_words(key).await?;
        }
        Ok(is_new)
    }

    /// Writes what can change of a key. `false`: someone else changed it first.
    pub(in crate::store) async fn update_key(&mut self, key: &Key, seq: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE api_key SET change_seq = $1, version = $2, name = $3, permissions = $4, owner = $5, \
                   allowed_cidrs = $6, not_before = $7, expires_at = $8, revoked_at = $9, revoke_reason = $10, \
                   rotate_by = $11, replaces = $12, replaced_by = $13, updated_at = $14 \
                   WHERE id = $15 AND version = $16";
        let done =
            bind_changing(sqlx::query(sql), key, seq).bind(key.version - 1).execute(&mut *self.tx).await?;
        Ok(done.rows_affected() == 1)
    }
}

/// The first fifteen parameters that both statements share.
fn bind_changing<'q>(
    query: Query<'q, Any, AnyArguments>,
    key: &'q Key,
    seq: i64,
) -> Query<'q, Any, AnyArguments> {
    query
        .bind(seq)
        .bind(key.version)
        .bind(key.name.as_str())
        .bind(to_json(&key.permissions))
        .bind(key.owner.as_deref())
        .bind(key.allowed_cidrs.as_deref().map(to_json))
        .bind(key.not_before)
        .bind(key.expires_at)
        .bind(key.revoked_at)
        .bind(key.revoke_reason.as_deref())
        .bind(key.rotate_by)
        .bind(key.replaces.as_deref())
        .bind(key.replaced_by.as_deref())
        .bind(key.updated_at)
        .bind(key.id.as_str())
}

fn to_json(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}
