//! The public halves of the keys that sign tokens. They are the same for every server that uses one
//! database.

use serde_json::{Value, json};
use sqlx::FromRow;

use crate::clock;
use crate::oauth::key_life::{self, Algorithm, KeyTimes, MAX_PUBLISHED};
use crate::oauth::keyring::{KeyError, Keyring};
use crate::secret;
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// A key as it is published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKey {
    /// Its times.
    pub times: KeyTimes,
    /// Its public half.
    pub jwk: Value,
}

#[derive(FromRow)]
struct SigningKeyRow {
    kid: String,
    algorithm: String,
    jwk: String,
    created_at: i64,
    signs_from: i64,
    published_until: Option<i64>,
}

const SELECT: &str = "SELECT kid, algorithm, jwk, created_at, signs_from, published_until FROM oauth_signing_key \
    WHERE published_until IS NULL OR published_until > $1 ORDER BY signs_from, kid";

impl TryFrom<SigningKeyRow> for SigningKey {
    type Error = StoreError;

    fn try_from(row: SigningKeyRow) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt("oauth_signing_key");
        let times = KeyTimes {
            kid: row.kid,
            algorithm: Algorithm::parse(&row.algorithm).ok_or_else(corrupt)?,
            created_at: row.created_at,
            signs_from: row.signs_from,
            published_until: row.published_until,
        };
        Ok(Self { times, jwk: serde_json::from_str(&row.jwk).map_err(|_| corrupt())? })
    }
}

impl Store {
    /// The keys that are published, in the order in which they sign.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn signing_keys(&self, now: i64) -> Result<Vec<SigningKey>, StoreError> {
        let rows: Vec<SigningKeyRow> = sqlx::query_as(SELECT).bind(now).fetch_all(&self.pool).await?;
        rows.into_iter().map(SigningKey::try_from).collect()
    }

    /// Makes a key, if there is none that stays: a new database has none, and the last one of a
    /// restored database may have an end that was planned for another to take over. Of several
    /// servers that start at once one does.
    ///
    /// # Errors
    /// If the database or the keyring fails.
    pub async fn create_first_signing_key(&self, keyring: &Keyring, now: i64) -> Result<bool, StoreError> {
        if self.signing_keys(now).await?.iter().any(stays) {
            return Ok(false);
        }
        let rotated =
            self.rotate_signing_key(keyring, Algorithm::Es256, false, true, now, &Actor::system()).await;
        rotated.map(|made| made.is_some())
    }

    /// Makes a key and plans when it signs. `only_first`: unless there is one already.
    ///
    /// # Errors
    /// If there are too many, or database or keyring fail.
    pub async fn rotate_signing_key(
        &self,
        keyring: &Keyring,
        algorithm: Algorithm,
        at_once: bool,
        only_first: bool,
        now: i64,
        actor: &Actor,
    ) -> Result<Option<SigningKey>, StoreError> {
        let kid = secret::new_id("sig", clock::since_epoch().as_millis())?;
        // Before the transaction: an RSA key takes its time, and nobody should wait for it.
        let jwk = make(keyring, &kid, algorithm).await?;
        let mut key = SigningKey { times: times(&kid, algorithm, now), jwk };
        match self.write_rotation(&mut key, at_once, only_first, actor).await {
            Ok(true) => Ok(Some(key)),
            Ok(false) => {
                keyring.forget(&kid);
                Ok(None)
            }
            Err(error) => {
                keyring.forget(&kid);
                Err(error)
            }
        }
    }

    /// Withdraws a key that no longer signs.
    ///
    /// # Errors
    /// If there is no such key, or it signs, or will.
    pub async fn retire_signing_key(&self, kid: &str, now: i64, actor: &Actor) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        // One rotation at a time.
        write.lock_changes().await?;
        let rows: Vec<SigningKeyRow> = sqlx::query_as(SELECT).bind(now).fetch_all(&mut *write.tx).await?;
        let keys: Vec<_> = rows.into_iter().map(SigningKey::try_from).collect::<Result<_, _>>()?;
        let keys: Vec<_> = keys.into_iter().map(|key| key.times).collect();
        let key = keys.iter().find(|key| key.kid == kid).ok_or(StoreError::NotFound("signing key"))?;
        if !key_life::may_retire(key, &keys, now) {
            return Err(StoreError::NotPossible(
                "only a key that no longer signs can be retired; rotate the one that signs",
            ));
        }
        let sql = "UPDATE oauth_signing_key SET published_until = $1 WHERE kid = $2";
        sqlx::query(sql).bind(now).bind(kid).execute(&mut *write.tx).await?;
        write.note_end("signing_key", kid, Some(now));
        let after = Some(json!({ "published_until": clock::to_text(now) }));
        let (action, subject_kind) = ("oauth.keys.retire", "signing_key");
        let line = AuditEvent { action, subject_kind, subject: kid, before: None, after };
        write.record(now, actor, line).await?;
        write.commit().await
    }

    async fn write_rotation(
        &self,
        key: &mut SigningKey,
        at_once: bool,
        only_first: bool,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let now = key.times.created_at;
        let mut write = self.write().await?;
        // One rotation at a time.
        write.lock_changes().await?;
        let rows: Vec<SigningKeyRow> = sqlx::query_as(SELECT).bind(now).fetch_all(&mut *write.tx).await?;
        let before: Vec<_> = rows.into_iter().map(SigningKey::try_from).collect::<Result<_, _>>()?;
        if only_first && before.iter().any(stays) {
            return Ok(false);
        }
        if before.len() >= MAX_PUBLISHED && !at_once {
            return Err(StoreError::NotPossible(
                "ten signing keys are published already; wait until old ones are withdrawn",
            ));
        }
        let before: Vec<_> = before.into_iter().map(|key| key.times).collect();
        let rotation = key_life::rotate(&before, now, at_once);
        key.times.signs_from = rotation.signs_from;
        for (kid, end) in &rotation.ends {
            let sql = "UPDATE oauth_signing_key SET published_until = $1 WHERE kid = $2";
            sqlx::query(sql).bind(*end).bind(kid.as_str()).execute(&mut *write.tx).await?;
            write.note_end("signing_key", kid, Some(*end));
        }
        write.insert_signing_key(key).await?;
        write.record_rotation(key, at_once, now, actor).await?;
        write.publishes = true;
        write.commit().await?;
        Ok(true)
    }
}

/// Whether no end of a key is planned.
fn stays(key: &SigningKey) -> bool {
    key.times.published_until.is_none()
}

async fn make(keyring: &Keyring, kid: &str, algorithm: Algorithm) -> Result<Value, StoreError> {
    let (folder, kid) = (keyring.folder().to_owned(), kid.to_owned());
    let making = tokio::task::spawn_blocking(move || Keyring::in_folder(folder).make(&kid, algorithm));
    match making.await {
        Ok(Ok(jwk)) => Ok(jwk),
        Ok(Err(KeyError::File(path, error))) => Err(StoreError::File(path, error)),
        _ => Err(StoreError::Corrupt("a new signing key")),
    }
}

fn times(kid: &str, algorithm: Algorithm, now: i64) -> KeyTimes {
    KeyTimes { kid: kid.into(), algorithm, created_at: now, signs_from: now, published_until: None }
}

impl Write<'_> {
    async fn insert_signing_key(&mut self, key: &SigningKey) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth_signing_key (kid, algorithm, jwk, created_at, signs_from) \
                   VALUES ($1, $2, $3, $4, $5)";
        sqlx::query(sql)
            .bind(key.times.kid.as_str())
            .bind(key.times.algorithm.as_str())
            .bind(key.jwk.to_string())
            .bind(key.times.created_at)
            .bind(key.times.signs_from)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    async fn record_rotation(
        &mut self,
        key: &SigningKey,
        at_once: bool,
        now: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let after = Some(json!({
            "algorithm": key.times.algorithm.as_str(),
            "signs_from": clock::to_text(key.times.signs_from),
            "others_withdrawn": at_once,
        }));
        let subject = key.times.kid.as_str();
        let line = AuditEvent {
            action: "oauth.keys.rotate",
            subject_kind: "signing_key",
            subject,
            before: None,
            after,
        };
        self.record(now, actor, line).await
    }
}
