//! Keys: making, finding and changing them.

pub mod catalogue; // the permissions that are offered
pub mod counts; // how many keys there are
pub mod importing; // keys of elsewhere
pub mod listing; // found and sorted, page by page

pub(in crate::store) mod row; // a key as the database has it
mod search; // by which keys are found

use flint_contract::key::Digest;
use sqlx::AnyConnection;

use super::recovery::journal::{ExpiryChange, Revocation};
use super::{Actor, Store, StoreError, Write};
use crate::clock;
use crate::model::Key;
use crate::model::draft::{CheckedAmendment, Draft, Mistakes, Overlap, Reason};
use crate::model::lifecycle::{Issuance, Rotation};
use crate::secret::{self, Secret};
use row::{KeyRow, key_columns};

/// A key and its secret, for the one answer that shows it.
#[derive(Debug)]
pub struct Made {
    /// The key.
    pub key: Key,
    /// Its secret.
    pub secret: Secret,
}

/// Both keys of a rotation and the new secret.
#[derive(Debug)]
pub struct Rotated {
    /// The key that goes.
    pub old: Key,
    /// The key that comes, and its secret.
    pub new: Made,
}

const BY_ID: &str = concat!("SELECT ", key_columns!(), " FROM api_key WHERE id = $1 AND removed_at IS NULL");
const BY_DIGEST: &str =
    concat!("SELECT ", key_columns!(), " FROM api_key WHERE digest = $1 AND removed_at IS NULL");

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn create_key(&self, draft: Draft, now: i64, actor: &Actor) -> Result<Made, StoreError> {
        let made = issue(draft.environment.prefix(), now, actor)?;
        let made = Made { key: made.0.key(draft), secret: made.1 };
        let mut write = self.write().await?;
        let seq = write.next_changes(1).await?;
        if !write.insert_key(&made.key, seq).await? {
            return Err(StoreError::Exists("a key with this digest already exists, or did"));
        }
        write.record_key(now, actor, "key.create", None, Some(&made.key)).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Finds a key by its public name.
    ///
    /// # Errors
    /// If there is none.
    pub async fn key(&self, id: &str) -> Result<Key, StoreError> {
        let mut connection = self.pool.acquire().await?;
        find(&mut connection, id).await
    }

    /// Finds a key by the digest of its secret.
    ///
    /// # Errors
    /// If there is none.
    pub async fn key_by_digest(&self, digest: &Digest) -> Result<Key, StoreError> {
        let row: Option<KeyRow> =
            sqlx::query_as(BY_DIGEST).bind(digest.as_bytes().to_vec()).fetch_optional(&self.pool).await?;
        row.ok_or(StoreError::NotFound("key"))?.into_key()
    }

    /// Changes what the amendment names. An amendment that changes nothing leaves no trace.
    ///
    /// # Errors
    /// The rules of the key's life that it breaks.
    pub async fn amend_key(
        &self,
        id: &str,
        change: CheckedAmendment,
        now: i64,
        actor: &Actor,
    ) -> Result<Key, StoreError> {
        let mut write = self.write().await?;
        let before = write.find_to_change(id).await?;
        let Some(after) = before.amend(now, change)? else {
            return Ok(before);
        };
        if after.expires_at != before.expires_at && after.ends_before_it_begins() {
            let mut mistakes = Mistakes::default();
            mistakes.add("expires_at", "must be after not_before; so that the key is never used, revoke it");
            mistakes.none_or(()).map_err(StoreError::Invalid)?;
        }
        write.replace_key(&before, &after, "key.update", now, actor).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Ends a key for good. Revoking a revoked key changes nothing and is not an error.
    ///
    /// # Errors
    /// If there is no such key.
    pub async fn revoke_key(
        &self,
        id: &str,
        reason: Option<Reason>,
        now: i64,
        actor: &Actor,
    ) -> Result<Key, StoreError> {
        self.end_key(id, reason.map(Into::into), now, actor).await
    }

    async fn end_key(
        &self,
        id: &str,
        reason: Option<String>,
        now: i64,
        actor: &Actor,
    ) -> Result<Key, StoreError> {
        let mut write = self.write().await?;
        let before = write.find_to_change(id).await?;
        let Some(after) = before.revoke(now, reason) else {
            return Ok(before);
        };
        write.replace_key(&before, &after, "key.revoke", now, actor).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Revokes the key that this is the secret of: anyone who holds a key may end it.
    ///
    /// # Errors
    /// If it is no key of this authority.
    pub async fn revoke_leaked(
        &self,
        secret: &str,
        address: Option<String>,
        now: i64,
    ) -> Result<Key, StoreError> {
        let key = self.key_by_digest(&Digest::of(secret.as_bytes())).await?;
        let actor = Actor { kind: "key_holder", name: key.id.clone(), address };
        self.end_key(&key.id, Some("reported as leaked by someone who holds the key".into()), now, &actor)
            .await
    }

    /// Removes a key that is over: lists and gateways forget it, and its digest is never taken
    /// again.
    ///
    /// # Errors
    /// If there is no such key, or it is not over.
    pub async fn remove_key(&self, id: &str, now: i64, actor: &Actor) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let before = write.find_to_change(id).await?;
        let after = before.remove(now)?;
        write.replace_key(&before, &after, "key.remove", now, actor).await?;
        let sql = "UPDATE api_key SET removed_at = $1 WHERE id = $2";
        sqlx::query(sql).bind(now).bind(id.to_owned()).execute(&mut *write.tx).await?;
        write.remove_words(&before).await?;
        write.commit().await
    }

    /// Makes a key that takes over from this one, which stays valid for the overlap at most.
    ///
    /// # Errors
    /// If there is no such key, or it cannot be rotated any more.
    pub async fn rotate_key(
        &self,
        id: &str,
        overlap: Overlap,
        now: i64,
        actor: &Actor,
    ) -> Result<Rotated, StoreError> {
        let mut write = self.write().await?;
        let before = write.find_to_change(id).await?;
        let (issuance, secret) = issue(before.environment.prefix(), now, actor)?;
        let Rotation { old, new } = before.rotate(issuance, overlap.seconds())?;
        // The new key comes first, so that no gateway ever knows neither.
        let seq = write.next_changes(1).await?;
        if !write.insert_key(&new, seq).await? {
            return Err(StoreError::Exists("a key with this digest already exists, or did"));
        }
        write.record_key(now, actor, "key.create", None, Some(&new)).await?;
        write.replace_key(&before, &old, "key.rotate", now, actor).await?;
        write.commit().await?;
        Ok(Rotated { old, new: Made { key: new, secret } })
    }
}

impl Write<'_> {
    /// Finds a key that nobody else changes before the commit: of two changes at the same time the
    /// second sees the first, and neither fails because of the other.
    pub(super) async fn find_to_change(&mut self, id: &str) -> Result<Key, StoreError> {
        self.lock_changes().await?;
        find(&mut self.tx, id).await
    }

    pub(super) async fn replace_key(
        &mut self,
        before: &Key,
        after: &Key,
        action: &'static str,
        now: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let seq = self.next_changes(1).await?;
        if !self.update_key(after, seq).await? {
            return Err(crate::model::Refusal::Stale(after.version).into());
        }
        if before.name != after.name || before.owner != after.owner {
            self.remove_words(before).await?;
            self.write_words(after).await?;
        }
        if before.revoked_at != after.revoked_at {
            self.revoked.extend(Revocation::of(after));
        }
        if before.expires_at != after.expires_at {
            self.ends.push(ExpiryChange::of(after));
        }
        self.record_key(now, actor, action, Some(before), Some(after)).await
    }
}

pub(super) async fn find(connection: &mut AnyConnection, id: &str) -> Result<Key, StoreError> {
    let row: Option<KeyRow> = sqlx::query_as(BY_ID).bind(id.to_owned()).fetch_optional(connection).await?;
    row.ok_or(StoreError::NotFound("key"))?.into_key()
}

fn issue(prefix: &str, now: i64, actor: &Actor) -> Result<(Issuance, Secret), StoreError> {
    let secret = Secret::generate(prefix)?;
    let issuance = Issuance {
        id: secret::new_id("key", clock::since_epoch().as_millis())?,
        digest: secret.digest(),
        hint: Some(secret.hint()),
        now,
        by: actor.label(),
    };
    Ok((issuance, secret))
}
