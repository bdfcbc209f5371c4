//! The catalogue of permissions: what the dashboard offers, with words for people. A key may hold
//! others.

use serde_json::json;
use sqlx::FromRow;

use crate::model::draft::Mistakes;
use crate::store::audit::AuditEvent;
use crate::store::{Actor, Store, StoreError};

/// A permission that is offered.
#[derive(Clone, Debug, Eq, FromRow, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Offered {
    /// The permission, such as `documents:read`.
    pub name: String,
    /// What it allows, in words.
    pub description: String,
}

impl Store {
    /// The catalogue, in order.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn permissions(&self) -> Result<Vec<Offered>, StoreError> {
        let sql = "SELECT name, description FROM permission ORDER BY name";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// Puts a permission into the catalogue, or describes it again.
    ///
    /// # Errors
    /// If it is no concrete permission, or the description is too long.
    pub async fn offer_permission(
        &self,
        offered: Offered,
        now: i64,
        actor: &Actor,
    ) -> Result<Offered, StoreError> {
        let mut mistakes = Mistakes::default();
        if !flint_contract::permission::is_permission(&offered.name) {
            mistakes.add("name", "must be like documents:read, at most 64 characters, without *");
        }
        let description = mistakes.text("description", Some(offered.description)).unwrap_or_default();
        let offered =
            mistakes.none_or(Offered { name: offered.name, description }).map_err(StoreError::Invalid)?;
        let sql = "INSERT INTO permission (name, description, created_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET description = excluded.description";
        let mut write = self.write().await?;
        write.room_for_permission(&offered.name).await?;
        sqlx::query(sql)
            .bind(offered.name.as_str())
            .bind(offered.description.as_str())
            .bind(now)
            .execute(&mut *write.tx)
            .await?;
        let after = Some(json!({ "description": offered.description }));
        let line = AuditEvent {
            action: "permission.offer",
            subject_kind: "permission",
            subject: &offered.name,
            before: None,
            after,
        };
        write.record(now, actor, line).await?;
        write.publishes = true;
        write.commit().await?;
        Ok(offered)
    }

    /// Takes a permission out of the catalogue. Keys that hold it keep it.
    ///
    /// # Errors
    /// If it is not in it.
    pub async fn withdraw_permission(&self, name: &str, now: i64, actor: &Actor) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let sql = "DELETE FROM permission WHERE name = $1";
        let done = sqlx::query(sql).bind(name.to_owned()).execute(&mut *write.tx).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound("permission in the catalogue"));
        }
        let line = AuditEvent {
            action: "permission.withdraw",
            subject_kind: "permission",
            subject: name,
            before: None,
            after: None,
        };
        write.record(now, actor, line).await?;
        write.publishes = true;
        write.commit().await
    }

    /// Fills an empty catalogue with what it is given, once.
    ///
    /// # Errors
    /// As [`Store::offer_permission`].
    pub async fn offer_first_permissions(&self, list: Vec<Offered>, now: i64) -> Result<(), StoreError> {
        if self.permissions().await?.is_empty() {
            for offered in list {
                self.offer_permission(offered, now, &Actor::system()).await?;
            }
        }
        Ok(())
    }
}

impl From<(&str, &str)> for Offered {
    fn from((name, description): (&str, &str)) -> Self {
        Self { name: name.into(), description: description.into() }
    }
}
