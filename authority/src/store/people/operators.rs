//! Operators: the people who sign in to the dashboard.

use serde_json::json;
use sqlx::FromRow;

use super::throttle::Realm;
use crate::clock;
use crate::model::draft::{Mistake, Mistakes};
use crate::password::{self, MAX_BYTES, MIN_LENGTH};
use crate::secret::{self, Secret};
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError, Write};

/// A person who may sign in.
#[derive(Clone, Debug, Eq, FromRow, PartialEq)]
pub struct Operator {
    /// The public id.
    pub id: String,
    /// The name to sign in with; unique.
    pub name: String,
    /// When they were added.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When they were shut out, if they were.
    pub disabled_at: Option<i64>,
}

impl Store {
    /// Adds an operator and makes a password for them, to be told once.
    ///
    /// # Errors
    /// If the name breaks a rule or is taken.
    pub async fn create_operator(
        &self,
        name: &str,
        now: i64,
        actor: &Actor,
    ) -> Result<(Operator, Secret), StoreError> {
        let name = check_name(name)?;
        let password = password::generate()?;
        let hash = password::hash(password.reveal().into()).await?;
        let id = secret::new_id("op", clock::since_epoch().as_millis())?;
        let operator = Operator { id, name, created_at: now, created_by: actor.label(), disabled_at: None };
        let mut write = self.write().await?;
        write.room_for_operator().await?;
        if !write.insert_operator(&operator, &hash).await? {
            return Err(StoreError::Exists("an operator with this name already exists"));
        }
        write.record_operator(now, actor, "operator.create", &operator).await?;
        write.commit().await?;
        Ok((operator, password))
    }

    /// Adds the first operator, `admin`, if there is none yet. At most one of several programs that
    /// start at once does.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn create_first_operator(&self, now: i64) -> Result<Option<(Operator, Secret)>, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM operator").fetch_one(&self.pool).await?;
        if count > 0 {
            return Ok(None);
        }
        match self.create_operator("admin", now, &Actor::system()).await {
            Err(StoreError::Exists(_)) => Ok(None),
            made => made.map(Some),
        }
    }

    /// All operators by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let sql = "SELECT id, name, created_at, created_by, disabled_at FROM operator ORDER BY name";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// Gives an operator another password, and ends all of their sessions. `None` makes one, to be
    /// told once.
    ///
    /// # Errors
    /// If there is no such operator, or the password is too short or too long.
    pub async fn set_password(
        &self,
        name: &str,
        password: Option<String>,
        now: i64,
        actor: &Actor,
    ) -> Result<Option<Secret>, StoreError> {
        let (chosen, made) = match password {
            Some(chosen) => (check_password(chosen)?, None),
            None => {
                let made = password::generate()?;
                (made.reveal().to_owned(), Some(made))
            }
        };
        let hash = password::hash(chosen).await?;
        let mut write = self.write().await?;
        let sql = "UPDATE operator SET password_hash = $1 WHERE name = $2 \
                   RETURNING id, name, created_at, created_by, disabled_at";
        let operator: Option<Operator> =
            sqlx::query_as(sql).bind(hash).bind(name.to_owned()).fetch_optional(&mut *write.tx).await?;
        let operator = operator.ok_or(StoreError::NotFound("operator"))?;
        write.end_sessions_of(Realm::Operator, &operator.id).await?;
        write.record_operator(now, actor, "operator.set_password", &operator).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Shuts an operator out: no more signing in, and all sessions end.
    ///
    /// # Errors
    /// If there is no such operator.
    pub async fn disable_operator(
        &self,
        name: &str,
        now: i64,
        actor: &Actor,
    ) -> Result<Operator, StoreError> {
        let mut write = self.write().await?;
        let sql = "UPDATE operator SET disabled_at = COALESCE(disabled_at, $1) WHERE name = $2 \
                   RETURNING id, name, created_at, created_by, disabled_at";
        let operator: Option<Operator> =
            sqlx::query_as(sql).bind(now).bind(name.to_owned()).fetch_optional(&mut *write.tx).await?;
        let operator = operator.ok_or(StoreError::NotFound("operator"))?;
        write.end_sessions_of(Realm::Operator, &operator.id).await?;
        write.record_operator(now, actor, "operator.disable", &operator).await?;
        write.commit().await?;
        Ok(operator)
    }
}

impl Write<'_> {
    async fn insert_operator(&mut self, operator: &Operator, hash: &str) -> Result<bool, StoreError> {
        let sql = "INSERT INTO operator (id, name, password_hash, created_at, created_by) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let done = sqlx::query(sql)
            .bind(operator.id.as_str())
            .bind(operator.name.as_str())
            .bind(hash)
            .bind(operator.created_at)
            .bind(operator.created_by.as_str())
            .execute(&mut *self.tx)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn record_operator(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        operator: &Operator,
    ) -> Result<(), StoreError> {
        let after = Some(json!({ "name": operator.name, "disabled": operator.disabled_at.is_some() }));
        let line =
            AuditEvent { action, subject_kind: "operator", subject: &operator.id, before: None, after };
        self.record(now, actor, line).await
    }
}

fn check_name(name: &str) -> Result<String, StoreError> {
    let mut mistakes = Mistakes::default();
    let name = mistakes.name(name);
    mistakes.none_or(name).map_err(StoreError::Invalid)
}

pub(in crate::store) fn check_password(password: String) -> Result<String, StoreError> {
    if password.chars().count() >= MIN_LENGTH && password.len() <= MAX_BYTES {
        return Ok(password);
    }
    let message = "must have at least 12 characters and at most 1024 bytes".into();
    Err(StoreError::Invalid(vec![Mistake { field: "password".into(), message }]))
}
