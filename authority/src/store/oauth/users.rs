//! Users: the people who sign in to grant permissions. They are stored like operators, and
//! separately.

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};

use super::{read_list, write_list};
use crate::clock;
use crate::model::draft::Mistakes;
use crate::password;
use crate::secret::{self, Secret};
use crate::store::audit::AuditEvent;
use crate::store::people::operators::check_password;
use crate::store::people::throttle::Realm;
use crate::store::{Actor, Store, StoreError, Write};

/// A person who may grant.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct User {
    /// The public id.
    pub id: String,
    /// What they sign in with; unique.
    pub name: String,
    /// What they hold, and so the most that they can grant.
    pub permissions: Vec<String>,
    /// When they were added.
    pub created_at: i64,
    /// When they were disabled, if they are.
    pub disabled_at: Option<i64>,
    /// When they last signed in.
    pub last_sign_in_at: Option<i64>,
}

/// What a new user shall be.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// What they will sign in with.
    pub name: String,
    /// What they hold; everything if nothing is said.
    pub permissions: Option<Vec<String>>,
    /// The password; one is made if none is given.
    pub password: Option<String>,
}

/// What shall be different about a user.
#[derive(Clone, Debug, Default)]
pub struct UserAmendment {
    /// What they hold.
    pub permissions: Option<Vec<String>>,
    /// Whether they are disabled.
    pub disabled: Option<bool>,
}

/// What is needed of a user while something is issued for them.
#[derive(Clone, Debug)]
pub(super) struct Permitted {
    pub(super) permissions: Vec<String>,
}

#[derive(FromRow)]
pub(super) struct UserRow {
    id: String,
    name: String,
    permissions: String,
    created_at: i64,
    disabled_at: Option<i64>,
    last_sign_in_at: Option<i64>,
}

pub(super) const COLUMNS: &str = "id, name, permissions, created_at, disabled_at, last_sign_in_at";

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            permissions: read_list(&row.permissions, "oauth_user.permissions")?,
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            disabled_at: row.disabled_at,
            last_sign_in_at: row.last_sign_in_at,
        })
    }
}

impl Store {
    /// Adds a user. If no password is given one is made, to be told once.
    ///
    /// # Errors
    /// Every rule that the request breaks, or the name is taken.
    pub async fn create_user(
        &self,
        new: NewUser,
        now: i64,
        actor: &Actor,
    ) -> Result<(User, Option<Secret>), StoreError> {
        let mut mistakes = Mistakes::default();
        let name = mistakes.name(&new.name);
        if is_user_id(&name) {
            mistakes.add("name", "must not look like the id of a user");
        }
        let permissions = mistakes.permissions(new.permissions.unwrap_or_else(|| vec!["*".into()]));
        let (chosen, made) = choose(new.password, &mut mistakes)?;
        let id = secret::new_id("user", clock::since_epoch().as_millis())?;
        let user = User { id, name, permissions, created_at: now, disabled_at: None, last_sign_in_at: None };
        let user = mistakes.none_or(user).map_err(StoreError::Invalid)?;
        let hash = password::hash(chosen).await?;
        let sql = "INSERT INTO oauth_user (id, name, password_hash, permissions, created_at, created_by) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let mut write = self.write().await?;
        let done = sqlx::query(sql)
            .bind(user.id.as_str())
            .bind(user.name.as_str())
            .bind(hash)
            .bind(write_list(&user.permissions))
            .bind(now)
            .bind(actor.label())
            .execute(&mut *write.tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Exists("a user with this name already exists"));
        }
        write.record_user(now, actor, "user.create", &user).await?;
        write.commit().await?;
        Ok((user, made))
    }

    /// All users by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM oauth_user ORDER BY name");
        let rows: Vec<UserRow> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// Users by name, whose name has these letters in it and comes after another; at most that
    /// many.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn find_users(&self, part: &str, after: &str, limit: i64) -> Result<Vec<User>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM oauth_user WHERE ($1 = '' OR LOWER(name) LIKE $2 ESCAPE '!') AND name > $3 \
             ORDER BY name LIMIT $4"
        );
        let escaped: String = part
            .to_lowercase()
            .chars()
            .flat_map(|letter| matches!(letter, '!' | '%' | '_').then_some('!').into_iter().chain([letter]))
            .collect();
        let rows: Vec<UserRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(part.to_owned())
            .bind(format!("%{escaped}%"))
            .bind(after.to_owned())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// A user by id or name.
    ///
    /// # Errors
    /// If there is no such user.
    pub async fn user(&self, id: &str) -> Result<User, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM oauth_user WHERE id = $1 OR name = $1");
        let row: Option<UserRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&self.pool).await?;
        row.ok_or(StoreError::NotFound("user"))?.try_into()
    }

    /// Changes what the amendment names. A user who is disabled is signed out, and loses every
    /// token at once.
    ///
    /// # Errors
    /// Every rule that the request breaks, or there is no such user.
    pub async fn amend_user(
        &self,
        id: &str,
        amendment: UserAmendment,
        now: i64,
        actor: &Actor,
    ) -> Result<User, StoreError> {
        let mut mistakes = Mistakes::default();
        let permissions = amendment.permissions.map(|list| mistakes.permissions(list));
        let permissions = mistakes.none_or(permissions).map_err(StoreError::Invalid)?;
        let mut write = self.write().await?;
        let before = write.user_to_change(id).await?;
        let disabled_at = match amendment.disabled {
            Some(true) => Some(before.disabled_at.unwrap_or(now)),
            Some(false) => None,
            None => before.disabled_at,
        };
        let permissions = permissions.unwrap_or_else(|| before.permissions.clone());
        let after = User { permissions, disabled_at, ..before.clone() };
        let sql = "UPDATE oauth_user SET permissions = $1, disabled_at = $2 WHERE id = $3";
        sqlx::query(sql)
            .bind(write_list(&after.permissions))
            .bind(after.disabled_at)
            .bind(after.id.as_str())
            .execute(&mut *write.tx)
            .await?;
        write.follow_user(&before, &after, now, actor).await?;
        write.commit().await?;
        Ok(after)
    }

    /// Gives a user another password, and ends all of their sessions; what they granted stays.
    /// `None` makes one, to be told once.
    ///
    /// # Errors
    /// If there is no such user, or the password is too short or too long.
    pub async fn set_user_password(
        &self,
        id: &str,
        password: Option<String>,
        now: i64,
        actor: &Actor,
    ) -> Result<(User, Option<Secret>), StoreError> {
        let mut mistakes = Mistakes::default();
        let chosen = choose(password, &mut mistakes)?;
        let (chosen, made) = mistakes.none_or(chosen).map_err(StoreError::Invalid)?;
        let hash = password::hash(chosen).await?;
        let mut write = self.write().await?;
        let user = write.user_to_change(id).await?;
        let sql = "UPDATE oauth_user SET password_hash = $1 WHERE id = $2";
        sqlx::query(sql).bind(hash).bind(user.id.as_str()).execute(&mut *write.tx).await?;
        write.end_sessions_of(Realm::User, &user.id).await?;
        write.record_user(now, actor, "user.set_password", &user).await?;
        write.commit().await?;
        Ok((user, made))
    }
}

/// The password that was chosen, or one that is made.
fn choose(password: Option<String>, mistakes: &mut Mistakes) -> Result<(String, Option<Secret>), StoreError> {
    let Some(chosen) = password else {
        let made = password::generate()?;
        return Ok((made.reveal().to_owned(), Some(made)));
    };
    match check_password(chosen) {
        Ok(chosen) => Ok((chosen, None)),
        Err(StoreError::Invalid(list)) => {
            list.iter().for_each(|mistake| mistakes.add(&mistake.field, &mistake.message));
            Ok((String::new(), None))
        }
        Err(error) => Err(error),
    }
}

/// A name like this could be taken for somebody else.
fn is_user_id(name: &str) -> bool {
    name.strip_prefix("user_").is_some_and(|digits| digits.len() == 26)
}

impl Write<'_> {
    async fn user_to_change(&mut self, id: &str) -> Result<User, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM oauth_user WHERE id = $1 OR name = $1{}", self.store.alone());
        let row: Option<UserRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *self.tx).await?;
        row.ok_or(StoreError::NotFound("user"))?.try_into()
    }

    /// What a user holds, which nobody changes until the commit. `None`: there is no such user, or
    /// they are disabled.
    pub(super) async fn user_as_it_is(&mut self, id: &str) -> Result<Option<Permitted>, StoreError> {
        let sql = format!(
            "SELECT permissions FROM oauth_user WHERE id = $1 AND disabled_at IS NULL{}",
            self.store.shared()
        );
        let found: Option<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *self.tx).await?;
        let read = |json: String| Ok(Permitted { permissions: read_list(&json, "oauth_user.permissions")? });
        found.map(read).transpose()
    }

    /// What a change of a user brings with it: the end of their tokens, lines of the audit log.
    async fn follow_user(
        &mut self,
        before: &User,
        after: &User,
        now: i64,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        if before.permissions != after.permissions {
            self.record_user(now, actor, "user.update", after).await?;
        }
        match (before.disabled_at, after.disabled_at) {
            (None, Some(_)) => {
                self.end_user(&after.id, now).await?;
                self.record_user(now, actor, "user.disable", after).await
            }
            (Some(_), None) => {
                self.note_end("user", &after.id, None);
                self.record_user(now, actor, "user.enable", after).await
            }
            _ => Ok(()),
        }
    }

    /// Ends a user's sessions and every token that speaks for them.
    pub(super) async fn end_user(&mut self, id: &str, now: i64) -> Result<(), StoreError> {
        self.note_end("user", id, Some(now));
        self.end_sessions_of(Realm::User, id).await?;
        self.end_families("user_id = $1", id, now).await
    }

    pub(super) async fn record_user(
        &mut self,
        now: i64,
        actor: &Actor,
        action: &'static str,
        user: &User,
    ) -> Result<(), StoreError> {
        let disabled = user.disabled_at.is_some();
        let after = Some(json!({ "name": user.name, "permissions": user.permissions, "disabled": disabled }));
        let line = AuditEvent { action, subject_kind: "user", subject: &user.id, before: None, after };
        self.record(now, actor, line).await
    }
}
