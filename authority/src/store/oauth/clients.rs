//! Clients and their secrets.

use flint_contract::key::{Digest, Environment};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, FromRow};

use super::{read_list, write_list};
use crate::clock;
use crate::model::MAX_OVERLAP;
use crate::model::draft::Mistakes;
use crate::oauth::SECRET_PREFIX;
use crate::oauth::authentication::{Known, Once};
use crate::oauth::client::{
    Amendment, AuthMethod, Client, GrantType, Kind, Lifetimes, NewClient, Registration,
};
use crate::secret::{self, Secret};
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// What may be told of a client's secret.
#[derive(Clone, Debug, Eq, FromRow, PartialEq)]
pub struct SecretFacts {
    /// The characters that may be shown.
    pub hint: String,
    /// When it was made.
    pub created_at: i64,
    /// The first second in which it is no longer good.
    pub expires_at: Option<i64>,
}

/// A client with all that may be told of it.
#[derive(Clone, Debug)]
pub struct Described {
    /// The client.
    pub client: Client,
    /// Its secrets, the oldest first.
    pub secrets: Vec<SecretFacts>,
}

#[derive(FromRow)]
pub(super) struct ClientRow {
    id: String,
    name: String,
    kind: String,
    environment: String,
    redirect_uris: String,
    permissions: String,
    grant_types: String,
    auth_method: String,
    jwks: Option<String>,
    access_seconds: i64,
    refresh_idle_seconds: i64,
    refresh_max_seconds: i64,
    created_at: i64,
    created_by: String,
    disabled_at: Option<i64>,
    last_used_at: Option<i64>,
}

/// A client, and one of its secrets if it has any.
#[derive(FromRow)]
struct KnownRow {
    #[sqlx(flatten)]
    client: ClientRow,
    digest: Option<Vec<u8>>,
    ends_at: Option<i64>,
}

/// What a [`ClientRow`] is read from.
pub(super) const FROM_CLIENT: &str = "SELECT id, name, kind, environment, redirect_uris, permissions, grant_types, auth_method, \
     jwks, access_seconds, refresh_idle_seconds, refresh_max_seconds, created_at, created_by, disabled_at, last_used_at \
     FROM oauth_client WHERE removed_at IS NULL";

impl TryFrom<ClientRow> for Client {
    type Error = StoreError;

    fn try_from(row: ClientRow) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt("oauth_client");
        let grant_types = read_list(&row.grant_types, "oauth_client.grant_types")?;
        let grant_types: Option<Vec<_>> = grant_types.iter().map(|word| GrantType::parse(word)).collect();
        let jwks = row.jwks.map(|text| serde_json::from_str::<Value>(&text)).transpose();
        let registration = Registration {
            name: row.name,
            kind: Kind::parse(&row.kind).ok_or_else(corrupt)?,
            environment: Environment::parse(&row.environment).ok_or_else(corrupt)?,
            redirect_uris: read_list(&row.redirect_uris, "oauth_client.redirect_uris")?,
            permissions: read_list(&row.permissions, "oauth_client.permissions")?,
            grant_types: grant_types.ok_or_else(corrupt)?,
            auth_method: AuthMethod::parse(&row.auth_method).ok_or_else(corrupt)?,
            jwks: jwks.map_err(|_| corrupt())?,
            lifetimes: Lifetimes {
                access: row.access_seconds,
                refresh_idle: row.refresh_idle_seconds,
                refresh_max: row.refresh_max_seconds,
            },
        };
        Ok(Self {
            id: row.id,
            registration,
            created_at: row.created_at,
            created_by: row.created_by,
            disabled_at: row.disabled_at,
            last_used_at: row.last_used_at,
        })
    }
}

impl Store {
    /// Registers a client, and makes a secret if it is to show one.
    ///
    /// # Errors
    /// Every rule that the request breaks.
    pub async fn create_oauth_client(
        &self,
        new: NewClient,
        now: i64,
        actor: &Actor,
    ) -> Result<(Described, Option<Secret>), StoreError> {
        let registration = new.check().map_err(StoreError::Invalid)?;
        let id = secret::new_id("client", clock::since_epoch().as_millis())?;
        let client = Client {
            id,
            registration,
            created_at: now,
            created_by: actor.label(),
            disabled_at: None,
            last_used_at: None,
        };
        let mut write = self.write().await?;
        write.insert_client(&client).await?;
        let made = if client.registration.auth_method.has_secret() {
            Some(write.add_client_secret(&client.id, now).await?)
        } else {
            None
        };
        write.record_client(now, actor, "oauth.client.create", None, &client).await?;
        let secrets = write.client_secrets(&client.id, now).await?;
        write.commit().await?;
        Ok((Described { client, secrets }, made))
    }

    /// All clients, the youngest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn oauth_clients(&self, now: i64) -> Result<Vec<Described>, StoreError> {
        let sql = format!("{FROM_CLIENT} ORDER BY created_at DESC, id DESC");
        let rows: Vec<ClientRow> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        let sql = "SELECT client_id, hint, created_at, expires_at FROM oauth_client_secret \
                   WHERE expires_at IS NULL OR expires_at > $1 ORDER BY created_at, expires_at";
        let secrets: Vec<(String, String, i64, Option<i64>)> =
            sqlx::query_as(sql).bind(now).fetch_all(&self.pool).await?;
        let of = |id: &str| {
            let own = secrets.iter().filter(|secret| secret.0 == id).cloned();
            own.map(|(_, hint, created_at, expires_at)| SecretFacts { hint, created_at, expires_at })
                .collect()
        };
        rows.into_iter()
            .map(|row| Client::try_from(row).map(|client| Described { secrets: of(&client.id), client }))
            .collect()
    }

    /// A client by its id.
    ///
    /// # Errors
    /// If there is no such client.
    pub async fn oauth_client(&self, id: &str, now: i64) -> Result<Described, StoreError> {
        let client = self.find_oauth_client(id).await?.ok_or(StoreError::NotFound("OAuth client"))?;
        let secrets = sqlx::query_as(SECRETS).bind(id.to_owned()).bind(now).fetch_all(&self.pool).await?;
        Ok(Described { client, secrets })
    }

    /// A client, if there is one of this id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn find_oauth_client(&self, id: &str) -> Result<Option<Client>, StoreError> {
        let sql = format!("{FROM_CLIENT} AND id = $1");
        let row: Option<ClientRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&self.pool).await?;
        row.map(Client::try_from).transpose()
    }

    /// A client with what it proves itself by.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn known_oauth_client(&self, id: &str) -> Result<Option<Known>, StoreError> {
        // In one: this is asked with every request of a client.
        let sql = format!(
            "SELECT client.*, digest, secret.expires_at AS ends_at FROM ({FROM_CLIENT} AND id = $1) AS client \
             LEFT JOIN oauth_client_secret AS secret ON secret.client_id = client.id"
        );
        let rows: Vec<KnownRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_all(&self.pool).await?;
        let (mut client, mut secrets) = (None, Vec::new());
        for row in rows {
            if let Some(digest) = row.digest {
                let bytes =
                    digest.try_into().map_err(|_| StoreError::Corrupt("oauth_client_secret.digest"))?;
                secrets.push((Digest::from_bytes(bytes), row.ends_at));
            }
            client = Some(row.client);
        }
        let client = client.map(Client::try_from).transpose()?;
        Ok(client.map(|client| Known { client, secrets }))
    }

    /// Notes that an assertion was shown. `false`: it was shown before, here or through another
    /// server.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn spend_assertion(&self, client_id: &str, once: &Once) -> Result<bool, StoreError> {
        let digest = Digest::of(format!("{client_id}\n{}", once.jti).as_bytes());
        let sql = "INSERT INTO oauth_assertion (digest, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let mut write = self.write().await?;
        let done = sqlx::query(sql)
            .bind(digest.as_bytes().to_vec())
            .bind(once.expires_at)
            .execute(&mut *write.tx)
            .await?;
        write.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes that a client was used, to the minute.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn touch_oauth_client(&self, client: &Client, now: i64) -> Result<(), StoreError> {
        if client.last_used_at.is_some_and(|time| now - time < 60) {
            return Ok(());
        }
        let sql = "UPDATE oauth_client SET last_used_at = $1 WHERE id = $2";
        let mut write = self.write().await?;
        sqlx::query(sql).bind(now).bind(client.id.as_str()).execute(&mut *write.tx).await?;
        write.commit().await
    }

    /// Changes what the amendment names. A client that is disabled loses every token at once.
    ///
    /// # Errors
    /// Every rule that the request breaks, or there is no such client.
    pub async fn amend_oauth_client(
        &self,
        id: &str,
        amendment: Amendment,
        now: i64,
        actor: &Actor,
    ) -> Result<Described, StoreError> {
        let mut write = self.write().await?;
        let before = write.client_to_change(id).await?;
        let disabled_at = match amendment.disabled {
            Some(true) => Some(before.disabled_at.unwrap_or(now)),
            Some(false) => None,
            None => before.disabled_at,
        };
        let registration = before.registration.clone().amend(amendment).map_err(StoreError::Invalid)?;
        let after = Client { registration, disabled_at, ..before.clone() };
        write.replace_client(&after, None).await?;
        write.follow_client(&before, &after, now, actor).await?;
        let secrets = write.client_secrets(id, now).await?;
        write.commit().await?;
        Ok(Described { client: after, secrets })
    }

    /// Makes another secret. The one that there was stays valid for `overlap` seconds at most; of
    /// two, the older ends now.
    ///
    /// # Errors
    /// If there is no such client, or it shows no secret.
    pub async fn rotate_oauth_secret(
        &self,
        id: &str,
        overlap: i64,
        now: i64,
        actor: &Actor,
    ) -> Result<(Described, Secret), StoreError> {
        let mut mistakes = Mistakes::default();
        if !(0..=MAX_OVERLAP).contains(&overlap) {
            mistakes.add("overlap_seconds", "must be 0 to 2592000 seconds, which is 30 days");
        }
        mistakes.none_or(()).map_err(StoreError::Invalid)?;
        let mut write = self.write().await?;
        let client = write.client_to_change(id).await?;
        if !client.registration.auth_method.has_secret() {
            return Err(StoreError::NotPossible(
                "the client has no secret: it is public, or signs with a key",
            ));
        }
        write.end_client_secrets(id, overlap, now).await?;
        let made = write.add_client_secret(id, now).await?;
        write.record_client(now, actor, "oauth.client.rotate_secret", None, &client).await?;
        let secrets = write.client_secrets(id, now).await?;
        write.commit().await?;
        Ok((Described { client, secrets }, made))
    }

    /// Removes a client, and every token with it.
    ///
    /// # Errors
    /// If there is no such client.
    pub async fn remove_oauth_client(&self, id: &str, now: i64, actor: &Actor) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let before = write.client_to_change(id).await?;
        let after = Client { disabled_at: Some(before.disabled_at.unwrap_or(now)), ..before.clone() };
        write.replace_client(&after, Some(now)).await?;
        write.end_client_secrets(id, 0, now).await?;
        write.end_client(id, "the client was removed", now, actor).await?;
        write.record_client(now, actor, "oauth.client.delete", Some(&before), &after).await?;
        write.commit().await
    }
}

const SECRETS: &str = "SELECT hint, created_at, expires_at FROM oauth_client_secret \
    WHERE client_id = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at, expires_at";

impl Write<'_> {
    /// The client, which nobody else changes until the commit.
    async fn client_to_change(&mut self, id: &str) -> Result<Client, StoreError> {
        let sql = format!("{FROM_CLIENT} AND id = $1{}", self.store.alone());
        let row: Option<ClientRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&mut *self.tx).await?;
        row.ok_or(StoreError::NotFound("OAuth client"))?.try_into()
    }

    /// The client as it is, which nobody changes until the commit.
    pub(super) async fn client_as_it_is(&mut self, id: &str) -> Result<Option<Client>, StoreError> {
        let sql = format!("{FROM_CLIENT} AND id = $1{}", self.store.shared());
        let row: Option<ClientRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&mut *self.tx).await?;
        row.map(Client::try_from).transpose()
    }

    /// What a change of a client brings with it: the end of its tokens, lines of the audit log.
    async fn follow_client(
        &mut self,
        before: &Client,
        after: &Client,
        now: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        if before.registration != after.registration {
            self.record_client(now, actor, "oauth.client.update", Some(before), after).await?;
        }
        match (before.disabled_at, after.disabled_at) {
            (None, Some(_)) => {
                self.end_client(&after.id, "the client was disabled", now, actor).await?;
                self.record_client(now, actor, "oauth.client.disable", Some(before), after).await
            }
            (Some(_), None) => {
                self.note_end("client", &after.id, None);
                self.record_client(now, actor, "oauth.client.enable", Some(before), after).await
            }
            _ => Ok(()),
        }
    }

    async fn insert_client(&mut self, client: &Client) -> Result<(), StoreError> {
        let sql = "INSERT INTO oauth_client (id, name, kind, environment, redirect_uris, permissions, grant_types, \
                   auth_method, jwks, access_seconds, refresh_idle_seconds, refresh_max_seconds, created_at, created_by) \
                   VALUES ($1, $2, $3, $4, '[]', '[]', '[]', $5, NULL, 0, 0, 0, $6, $7)";
        let registration = &client.registration;
        sqlx::query(sql)
            .bind(client.id.as_str())
            .bind(registration.name.as_str())
            .bind(registration.kind.as_str())
            .bind(registration.environment.as_str())
            .bind(registration.auth_method.as_str())
            .bind(client.created_at)
            .bind(client.created_by.as_str())
            .execute(&mut *self.tx)
            .await?;
        self.replace_client(client, None).await
    }

    /// Writes all that can change.
    async fn replace_client(&mut self, client: &Client, removed_at: Option<i64>) -> Result<(), StoreError> {
        let sql = "UPDATE oauth_client SET name = $1, redirect_uris = $2, permissions = $3, grant_types = $4, \
                   auth_method = $5, jwks = $6, access_seconds = $7, refresh_idle_seconds = $8, \
                   refresh_max_seconds = $9, disabled_at = $10, removed_at = $11 WHERE id = $12";
        let Registration {
            name, redirect_uris, permissions, grant_types, auth_method, jwks, lifetimes, ..
        } = &client.registration;
        let grant_types: Vec<_> = grant_types.iter().map(|one| one.as_str()).collect();
        sqlx::query(sql)
            .bind(name.as_str())
            .bind(write_list(redirect_uris))
            .bind(write_list(permissions))
            .bind(write_list(&grant_types))
            .bind(auth_method.as_str())
            .bind(jwks.as_ref().map(Value::to_string))
            .bind(lifetimes.access)
            .bind(lifetimes.refresh_idle)
            .bind(lifetimes.refresh_max)
            .bind(client.disabled_at)
            .bind(removed_at)
            .bind(client.id.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    async fn add_client_secret(&mut self, client_id: &str, now: i64) -> Result<Secret, StoreError> {
        let made = Secret::generate_long(SECRET_PREFIX)?;
        let sql =
            "INSERT INTO oauth_client_secret (digest, client_id, hint, created_at) VALUES ($1, $2, $3, $4)";
        sqlx::query(sql)
            .bind(made.digest().as_bytes().to_vec())
            .bind(client_id)
            .bind(made.hint())
            .bind(now)
            .execute(&mut *self.tx)
            .await?;
        Ok(made)
    }

    async fn client_secrets(&mut self, client_id: &str, now: i64) -> Result<Vec<SecretFacts>, StoreError> {
        Ok(sqlx::query_as(SECRETS).bind(client_id).bind(now).fetch_all(&mut *self.tx).await?)
    }

    /// Gives the youngest secret its end and takes the others away.
    async fn end_client_secrets(
        &mut self,
        client_id: &str,
        overlap: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let sql = "SELECT digest, expires_at FROM oauth_client_secret WHERE client_id = $1 \
                   ORDER BY CASE WHEN expires_at IS NULL THEN 0 ELSE 1 END, created_at DESC";
        let rows: Vec<(Vec<u8>, Option<i64>)> =
            sqlx::query_as(sql).bind(client_id).fetch_all(&mut *self.tx).await?;
        for (place, (digest, end)) in rows.into_iter().enumerate() {
            let end = end.unwrap_or(i64::MAX).min(if place == 0 { now + overlap } else { now });
            self.note_end("client_secret", &hex::encode(&digest), Some(end));
            let sql = "UPDATE oauth_client_secret SET expires_at = $1 WHERE digest = $2";
            sqlx::query(sql).bind(end).bind(digest).execute(&mut *self.tx).await?;
        }
        let sql = "DELETE FROM oauth_client_secret WHERE client_id = $1 AND expires_at <= $2";
        sqlx::query(sql).bind(client_id).bind(now).execute(&mut *self.tx).await?;
        Ok(())
    }

    async fn record_client(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        before: Option<&Client>,
        after: &Client,
    ) -> Result<(), StoreError> {
        let (before, subject) = (before.map(facts), after.id.as_str());
        let line =
            AuditEvent { action, subject_kind: "oauth_client", subject, before, after: Some(facts(after)) };
        self.record(now, actor, line).await
    }
}

/// What the log says of a client: everything that people decide.
fn facts(client: &Client) -> Value {
    let registration = &client.registration;
    let grant_types: Vec<_> = registration.grant_types.iter().map(|one| one.as_str()).collect();
    json!({
        "name": registration.name,
        "kind": registration.kind.as_str(),
        "environment": registration.environment.as_str(),
        "redirect_uris": registration.redirect_uris,
        "permissions": registration.permissions,
        "grant_types": grant_types,
        "token_endpoint_auth_method": registration.auth_method.as_str(),
        "access_token_seconds": registration.lifetimes.access,
        "refresh_idle_seconds": registration.lifetimes.refresh_idle,
        "refresh_max_seconds": registration.lifetimes.refresh_max,
        "disabled_at": client.disabled_at.map(clock::to_text),
    })
}
