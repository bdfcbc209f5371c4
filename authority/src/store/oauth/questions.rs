//! What a user is asked, and the code that results from the answer.
//!
//! A question is asked in one session and answered once, in the same session. It is identified by
//! the digest of a secret that only its form has.

use flint_contract::key::Digest;
use sqlx::FromRow;

use super::grants::NewGrant;
use super::{read_list, write_list};
use crate::clock;
use crate::oauth::CODE_PREFIX;
use crate::oauth::family::CODE_SECONDS;
use crate::oauth::request::{AuthorizationRequest, Back};
use crate::oauth::scope;
use crate::secret::{self, Secret};
use crate::store::{Actor, Store, StoreError, Write};

/// For how long a question may be answered, in seconds.
pub const ANSWERABLE: i64 = 3_600;
/// How many questions of one session are open at once; asking more takes the oldest away.
const MOST: i64 = 20;
/// How long a code is remembered that nobody exchanged, in seconds.
const REMEMBERED: i64 = 3_600;

/// A question as it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Who wants to know.
    pub client_id: String,
    /// What was asked; its scope is what was offered.
    pub asked: AuthorizationRequest,
    /// Whether it was answered.
    pub is_answered: bool,
}

/// What came of an answer that grants.
#[derive(Debug)]
pub enum Coded {
    /// The code, for the one redirect that has it.
    Code(Secret),
    /// The question was answered before.
    Again,
    /// Client or user may not any more, or nothing is left of what was granted.
    Denied,
}

#[derive(FromRow)]
struct QuestionRow {
    client_id: String,
    redirect_uri: String,
    state: Option<Vec<u8>>,
    offered: String,
    challenge: String,
    resource: String,
    answered_at: Option<i64>,
}

impl Store {
    /// Asks a question in a session, and makes what its form shows again.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn ask(
        &self,
        session: &Digest,
        client_id: &str,
        asked: &AuthorizationRequest,
        now: i64,
    ) -> Result<Secret, StoreError> {
        let token = Secret::generate_long("")?;
        let mut write = self.write().await?;
        let sql = "DELETE FROM oauth_question WHERE digest IN (SELECT digest FROM oauth_question WHERE session = $1 \
                   ORDER BY asked_at DESC, digest LIMIT 1000 OFFSET $2)";
        let bytes = session.as_bytes().to_vec();
        sqlx::query(sql).bind(bytes.clone()).bind(MOST - 1).execute(&mut *write.tx).await?;
        let sql = "INSERT INTO oauth_question (digest, session, client_id, redirect_uri, state, offered, challenge, \
                   resource, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(sql)
            .bind(token.digest().as_bytes().to_vec())
            .bind(bytes)
            .bind(client_id)
            .bind(asked.back.redirect_uri.as_str())
            .bind(asked.back.state.clone())
            .bind(write_list(&asked.scope))
            .bind(asked.challenge.as_str())
            .bind(asked.resource.as_str())
            .bind(now)
            .execute(&mut *write.tx)
            .await?;
        write.commit().await?;
        Ok(token)
    }

    /// The question of a form, if it was asked in this session.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn question(
        &self,
        token: &str,
        session: &Digest,
        now: i64,
    ) -> Result<Option<Question>, StoreError> {
        let sql = "SELECT client_id, redirect_uri, state, offered, challenge, resource, answered_at \
                   FROM oauth_question WHERE digest = $1 AND session = $2 AND asked_at > $3";
        let row: Option<QuestionRow> = sqlx::query_as(sql)
            .bind(Digest::of(token.as_bytes()).as_bytes().to_vec())
            .bind(session.as_bytes().to_vec())
            .bind(now - ANSWERABLE)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let asked = AuthorizationRequest {
            back: Back { redirect_uri: row.redirect_uri, state: row.state },
            scope: read_list(&row.offered, "oauth_question.offered")?,
            challenge: row.challenge,
            resource: row.resource,
        };
        Ok(Some(Question { client_id: row.client_id, asked, is_answered: row.answered_at.is_some() }))
    }

    /// Notes that a question was answered. `false`: it was before.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn refuse(&self, token: &str, now: i64) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let is_first = write.answer_question(token, now).await?;
        write.commit().await?;
        Ok(is_first)
    }

    /// Makes the grant and the code of an answer. Without a `token` the user was not asked: the
    /// grant was there before.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn grant_code(
        &self,
        token: Option<&str>,
        question: &Question,
        (user_id, left): (&str, &[String]),
        now: i64,
        actor: &Actor,
    ) -> Result<Coded, StoreError> {
        let mut write = self.write().await?;
        if let Some(token) = token
            && !write.answer_question(token, now).await?
        {
            return Ok(Coded::Again);
        }
        let client = write.client_as_it_is(&question.client_id).await?;
        let client = client.filter(|client| client.disabled_at.is_none());
        let (Some(client), Some(user)) = (client, write.user_as_it_is(user_id).await?) else {
            return Ok(Coded::Denied);
        };
        let asked = &question.asked;
        let left = scope::narrow(&scope::narrow(left, &client.registration.permissions), &user.permissions);
        if left.is_empty() {
            return Ok(Coded::Denied);
        }
        let grant = NewGrant {
            client_id: &client.id,
            user_id,
            resource: &asked.resource,
            environment: client.registration.environment.as_str(),
            // Not asked, nothing was unticked.
            offered: if token.is_some() { &asked.scope } else { &[] },
            left: if token.is_some() { &left } else { &[] },
        };
        let grant_id = match token {
            Some(_) => write.write_grant(&grant, now, actor).await?,
            None => match write.live_grant(&grant).await? {
                Some(id) => id,
                None => return Ok(Coded::Denied),
            },
        };
        let code = write.add_code(&grant_id, question, (user_id, &left), now).await?;
        write.commit().await?;
        Ok(Coded::Code(code))
    }
}

impl Write<'_> {
    async fn answer_question(&mut self, token: &str, now: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE oauth_question SET answered_at = $1 WHERE digest = $2 AND answered_at IS NULL";
        let digest = Digest::of(token.as_bytes()).as_bytes().to_vec();
        let done = sqlx::query(sql).bind(now).bind(digest).execute(&mut *self.tx).await?;
        Ok(done.rows_affected() == 1)
    }

    async fn live_grant(&mut self, of: &NewGrant<'_>) -> Result<Option<String>, StoreError> {
        let sql = "SELECT id FROM oauth_grant WHERE client_id = $1 AND user_id = $2 AND resource = $3 \
                   AND revoked_at IS NULL";
        let query = sqlx::query_scalar(sql).bind(of.client_id).bind(of.user_id).bind(of.resource);
        Ok(query.fetch_optional(&mut *self.tx).await?)
    }

    async fn add_code(
        &mut self,
        grant_id: &str,
        question: &Question,
        (user_id, left): (&str, &[String]),
        now: i64,
    ) -> Result<Secret, StoreError> {
        let (code, asked) = (Secret::generate_long(CODE_PREFIX)?, &question.asked);
        let id = secret::new_id("fam", clock::since_epoch().as_millis())?;
        let sql = "INSERT INTO oauth_family (id, code, grant_id, client_id, user_id, redirect_uri, challenge, resource, \
                   scope, code_expires_at, forget_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        sqlx::query(sql)
            .bind(id.as_str())
            .bind(code.digest().as_bytes().to_vec())
            .bind(grant_id)
            .bind(question.client_id.as_str())
            .bind(user_id)
            .bind(asked.back.redirect_uri.as_str())
            .bind(asked.challenge.as_str())
            .bind(asked.resource.as_str())
            .bind(write_list(left))
            .bind(now + CODE_SECONDS)
            .bind(now + REMEMBERED)
            .execute(&mut *self.tx)
            .await?;
        Ok(code)
    }
}
