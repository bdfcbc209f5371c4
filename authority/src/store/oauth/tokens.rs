//! Issuing access tokens for a code, a refresh token or the client itself. Each issue is one
//! transaction, and is on the disk before it is answered.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flint_contract::key::Digest;
use sqlx::{AssertSqlSafe, FromRow};

use super::grants::Held;
use super::read_list;
use super::users::Permitted;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::family::{Family, RefreshToken, Refusal, ShownCode, still_allowed};
use crate::oauth::fault::Fault;
use crate::oauth::token::MAX_SKEW;
use crate::oauth::{REFRESH_PREFIX, scope};
use crate::secret::{self, NoRandomness, Secret};
use crate::store::{Actor, Store, StoreError, Write};

/// What was issued, but for the issuer's name and signature.
#[derive(Debug)]
pub struct Issued {
    /// The token's id.
    pub jti: String,
    /// Who it speaks for: a user's or the client's id.
    pub subject: String,
    /// What it is for.
    pub resource: String,
    /// What it may do.
    pub scope: Vec<String>,
    /// `live` or `test`.
    pub environment: &'static str,
    /// The first second in which it is no longer good.
    pub expires_at: i64,
    /// What gets the next one.
    pub refresh_token: Option<Secret>,
}

/// What a client wants with a refresh token.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Less than it has, if it says so.
    pub scope: Option<Vec<String>>,
    /// What the token is for, if it says so.
    pub resource: Option<&'a str>,
}

/// Everything that a token of a user rests on, locked.
struct Ground {
    client: Client,
    user: Permitted,
    grant: Held,
    family: Family,
}

#[derive(FromRow)]
struct FamilyRow {
    id: String,
    grant_id: String,
    client_id: String,
    user_id: String,
    redirect_uri: String,
    challenge: String,
    resource: String,
    scope: String,
    code_expires_at: i64,
    used_at: Option<i64>,
    expires_at: Option<i64>,
    ended_at: Option<i64>,
}

const FAMILY: &str = "SELECT id, grant_id, client_id, user_id, redirect_uri, challenge, resource, scope, code_expires_at, \
    used_at, expires_at, ended_at FROM oauth_family WHERE";

impl TryFrom<FamilyRow> for Family {
    type Error = StoreError;

    fn try_from(row: FamilyRow) -> Result<Self, StoreError> {
        Ok(Self {
            scope: read_list(&row.scope, "oauth_family.scope")?,
            id: row.id,
            grant_id: row.grant_id,
            client_id: row.client_id,
            user_id: row.user_id,
            redirect_uri: row.redirect_uri,
            challenge: row.challenge,
            resource: row.resource,
            code_expires_at: row.code_expires_at,
            used_at: row.used_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
        })
    }
}

impl Issued {
    /// What a client gets, but for whom and what for.
    pub(super) const fn new(jti: String, client: &Client, now: i64) -> Self {
        Self {
            jti,
            subject: String::new(),
            resource: String::new(),
            scope: Vec::new(),
            environment: client.registration.environment.as_str(),
            expires_at: now + client.registration.lifetimes.access,
            refresh_token: None,
        }
    }
}

impl Store {
    /// Exchanges a code.
    ///
    /// # Errors
    /// If the database fails. What is wrong with the request is in the answer.
    pub async fn exchange_code(
        &self,
        code: &str,
        shown: &ShownCode<'_>,
        resource: Option<&str>,
        now: i64,
        actor: &Actor,
    ) -> Result<Result<Issued, Fault>, StoreError> {
        let digest = Digest::of(code.as_bytes()).as_bytes().to_vec();
        let sql = format!("{FAMILY} code = $1");
        let row: Option<FamilyRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(digest).fetch_optional(&self.pool).await?;
        let Some(found) =
            row.map(Family::try_from).transpose()?.filter(|one| one.client_id == shown.client_id)
        else {
            return Ok(Err(Fault::invalid_grant()));
        };
        let mut write = self.write().await?;
        let ground = write.ground(&found).await?;
        let family = ground.as_ref().map_or(&found, |ground| &ground.family);
        match family.exchange(shown, now) {
            Ok(()) => {}
            Err(Refusal::Invalid) => return Ok(Err(Fault::invalid_grant())),
            Err(Refusal::Replay) => {
                return write.end_replayed(&found.id, "oauth.code.replay", now, actor).await;
            }
        }
        let Some(mut ground) = ground else {
            return Ok(Err(Fault::invalid_grant()));
        };
        if resource.is_some_and(|resource| resource != ground.family.resource) {
            return Ok(Err(Fault::invalid_target()));
        }
        ground.family.expires_at = Some(now + ground.client.registration.lifetimes.refresh_max);
        let wanted = ground.family.scope.clone();
        write.issue(ground, &wanted, now).await
    }

    /// Uses a refresh token. It is used up by that, and another one takes over.
    ///
    /// # Errors
    /// If the database fails. What is wrong with the request is in the answer.
    pub async fn refresh(
        &self,
        token: &str,
        client_id: &str,
        wanted: &Wanted<'_>,
        now: i64,
        actor: &Actor,
    ) -> Result<Result<Issued, Fault>, StoreError> {
        let digest = Digest::of(token.as_bytes()).as_bytes().to_vec();
        let sql = format!("{FAMILY} id = (SELECT family_id FROM oauth_refresh_token WHERE digest = $1)");
        let row: Option<FamilyRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(digest.clone()).fetch_optional(&self.pool).await?;
        let Some(found) = row.map(Family::try_from).transpose()?.filter(|one| one.client_id == client_id)
        else {
            return Ok(Err(Fault::invalid_grant()));
        };
        let mut write = self.write().await?;
        let ground = write.ground(&found).await?;
        let family = ground.as_ref().map_or(&found, |ground| &ground.family);
        // Read when the family is locked: of two at the same moment the second finds it used.
        let Some(kept) = write.refresh_token(&digest).await? else {
            return Ok(Err(Fault::invalid_grant()));
        };
        match family.refresh(kept, client_id, now) {
            Ok(()) => {}
            Err(Refusal::Invalid) => return Ok(Err(Fault::invalid_grant())),
            Err(Refusal::Replay) => {
                return write.end_replayed(&found.id, "oauth.refresh.replay", now, actor).await;
            }
        }
        let Some(ground) = ground else {
            return Ok(Err(Fault::invalid_grant()));
        };
        if !ground.client.may_use(GrantType::RefreshToken) {
            return Ok(Err(Fault::unauthorized_client()));
        }
        if wanted.resource.is_some_and(|resource| resource != ground.family.resource) {
            return Ok(Err(Fault::invalid_target()));
        }
        let asked = wanted.scope.clone().unwrap_or_else(|| ground.family.scope.clone());
        if !scope::covers_all(&ground.family.scope, &asked) {
            return Ok(Err(Fault::invalid_scope()));
        }
        let sql = "UPDATE oauth_refresh_token SET used_at = $1 WHERE digest = $2 AND used_at IS NULL";
        let done = sqlx::query(sql).bind(now).bind(digest).execute(&mut *write.tx).await?;
        if done.rows_affected() != 1 {
            return Ok(Err(Fault::invalid_grant()));
        }
        write.issue(ground, &asked, now).await
    }

    /// Issues a token to a client for itself.
    ///
    /// # Errors
    /// If the database fails. If the client was disabled meanwhile, the answer says so.
    pub async fn issue_to_client(
        &self,
        client_id: &str,
        scope: Vec<String>,
        resource: String,
        now: i64,
    ) -> Result<Result<Issued, Fault>, StoreError> {
        let issued = self.issue_together(client_id, now).await?;
        let whole = |issued| Issued { subject: client_id.to_owned(), scope, resource, ..issued };
        Ok(issued.map(whole).ok_or_else(Fault::invalid_client))
    }
}

impl Write<'_> {
    /// Locks what a token of this family rests on, in order. `None`: something of it is gone or
    /// disabled.
    async fn ground(&mut self, family: &Family) -> Result<Option<Ground>, StoreError> {
        let client = self.client_as_it_is(&family.client_id).await?;
        let user = self.user_as_it_is(&family.user_id).await?;
        let grant = self.held_grant(&family.grant_id).await?;
        let sql = format!("{FAMILY} id = $1{}", self.store.alone());
        let row: Option<FamilyRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(family.id.as_str()).fetch_optional(&mut *self.tx).await?;
        let family = row.map(Family::try_from).transpose()?;
        let (Some(client), Some(user), Some(grant), Some(family)) = (client, user, grant, family) else {
            return Ok(None);
        };
        Ok(client.disabled_at.is_none().then_some(Ground { client, user, grant, family }))
    }

    async fn refresh_token(&mut self, digest: &[u8]) -> Result<Option<RefreshToken>, StoreError> {
        let sql = "SELECT expires_at, used_at FROM oauth_refresh_token WHERE digest = $1";
        let row: Option<(i64, Option<i64>)> =
            sqlx::query_as(sql).bind(digest.to_vec()).fetch_optional(&mut *self.tx).await?;
        Ok(row.map(|(expires_at, used_at)| RefreshToken { expires_at, used_at }))
    }

    /// What came again ends everything that came of it.
    async fn end_replayed(
        mut self,
        family_id: &str,
        action: &'static str,
        now: i64,
        actor: &Actor,
    ) -> Result<Result<Issued, Fault>, StoreError> {
        self.end_family(family_id, now).await?;
        self.record_family(now, actor, action, family_id).await?;
        self.commit().await?;
        tracing::warn!(
            family = family_id,
            action,
            "a code or refresh token came again; its family has ended"
        );
        Ok(Err(Fault::invalid_grant()))
    }

    /// Issues what is wanted, as far as client, user and grant still allow it.
    async fn issue(
        mut self,
        ground: Ground,
        wanted: &[String],
        now: i64,
    ) -> Result<Result<Issued, Fault>, StoreError> {
        let Ground { client, user, grant, family } = ground;
        let allowed =
            still_allowed(wanted, &client.registration.permissions, &user.permissions, &grant.permissions);
        if allowed.is_empty() {
            return Ok(Err(Fault::invalid_grant()));
        }
        let issued = self.add_access_token(&client, &family.id, now).await?;
        let (mut refresh_token, mut forget_at) = (None, issued.expires_at + MAX_SKEW);
        if client.may_use(GrantType::RefreshToken) {
            let idle_end = family.idle_end(&client, now);
            refresh_token = Some(self.add_refresh_token(&family.id, idle_end).await?);
            forget_at = forget_at.max(idle_end);
        }
        let sql = "UPDATE oauth_family SET used_at = COALESCE(used_at, $1), expires_at = $2, forget_at = $3 WHERE id = $4";
        sqlx::query(sql)
            .bind(now)
            .bind(family.expires_at)
            .bind(forget_at)
            .bind(family.id.as_str())
            .execute(&mut *self.tx)
            .await?;
        self.touch_grant(&family.grant_id, &grant, now).await?;
        self.commit().await?;
        let (subject, resource) = (family.user_id, family.resource);
        Ok(Ok(Issued { subject, resource, scope: allowed, refresh_token, ..issued }))
    }

    async fn add_access_token(
        &mut self,
        client: &Client,
        family_id: &str,
        now: i64,
    ) -> Result<Issued, StoreError> {
        let issued = Issued::new(new_jti()?, client, now);
        let sql =
            "INSERT INTO oauth_access_token (jti, family_id, client_id, expires_at) VALUES ($1, $2, $3, $4)";
        sqlx::query(sql)
            .bind(issued.jti.as_str())
            .bind(family_id)
            .bind(client.id.as_str())
            .bind(issued.expires_at)
            .execute(&mut *self.tx)
            .await?;
        Ok(issued)
    }

    async fn add_refresh_token(&mut self, family_id: &str, expires_at: i64) -> Result<Secret, StoreError> {
        let token = Secret::generate_long(REFRESH_PREFIX)?;
        let sql = "INSERT INTO oauth_refresh_token (digest, family_id, expires_at) VALUES ($1, $2, $3)";
        sqlx::query(sql)
            .bind(token.digest().as_bytes().to_vec())
            .bind(family_id)
            .bind(expires_at)
            .execute(&mut *self.tx)
            .await?;
        Ok(token)
    }
}

/// 144 random bits: never the same again.
pub(super) fn new_jti() -> Result<String, NoRandomness> {
    Ok(URL_SAFE_NO_PAD.encode(secret::random::<18>()?))
}
