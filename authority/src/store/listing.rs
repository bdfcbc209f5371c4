//! Lists of keys: searched, filtered, sorted, and in pages that stay right while keys are added.

use flint_auth::key::Environment;
use sqlx::{AssertSqlSafe, FromRow};

use super::key_row::{KeyRow, key_columns};
use super::{Store, StoreError};
use crate::model::draft::Mistake;
use crate::model::{Key, State};

/// The most keys of one page of a list.
pub const MAX_PAGE: u32 = 500;

/// What a list is sorted by; keys that are equal in it come by id.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sort {
    /// When a key was made.
    #[default]
    Created,
    /// What people call it.
    Name,
    /// When it ends; keys without an end come after all others.
    Expires,
}

/// Which keys a list has, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name, the owner or the hint, in any letter case, or the whole id.
    pub search: Option<String>,
    /// Only this environment.
    pub environment: Option<Environment>,
    /// Only this state.
    pub state: Option<State>,
    /// Only this owner.
    pub owner: Option<String>,
    /// Only keys that should have been rotated by this time and have no successor.
    pub due_by: Option<i64>,
    /// Only active keys that end by this time and have no successor.
    pub expiring_by: Option<i64>,
    /// The order.
    pub sort: Sort,
    /// Turn the order round.
    pub descending: bool,
    /// How many keys, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// A key, and when it was last met.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The key.
    pub key: Key,
    /// As far as reports have come in, in Unix seconds.
    pub last_used: Option<i64>,
}

/// One page of a list.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys.
    pub keys: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    key: KeyRow,
    last_used: Option<i64>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
}

/// Conditions and their values, in step.
#[derive(Default)]
struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

const SELECT: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", last_used FROM api_key LEFT JOIN key_last_used ON key_last_used.key_id = api_key.id"
);

impl Store {
    /// Finds keys. `now` decides their states.
    ///
    /// # Errors
    /// Where `after` is not the end of a page of the same order; where the database fails.
    pub async fn list_keys(&self, filter: &Filter, now: i64) -> Result<KeyPage, StoreError> {
        let mut conditions = filter.conditions(now);
        if let Some(cursor) = &filter.after {
            let (value, id) = filter.sort.parse_cursor(cursor).ok_or_else(bad_cursor)?;
            let comparison = if filter.descending { "<" } else { ">" };
            let (value, id) = (conditions.bind(value), conditions.bind(Value::Text(id)));
            conditions.sql.push(format!("({}, id) {comparison} ({value}, {id})", filter.sort.expression()));
        }
        let limit = filter.limit.clamp(1, MAX_PAGE);
        let direction = if filter.descending { "DESC" } else { "ASC" };
        let order = format!("{} {direction}, id {direction}", filter.sort.expression());
        let limit_value = conditions.bind(Value::Number(i64::from(limit) + 1));
        let sql =
            format!("{SELECT} WHERE {} ORDER BY {order} LIMIT {limit_value}", conditions.sql.join(" AND "));
        // Made of the fixed pieces in this file; everything that comes from outside is a parameter.
        let mut query = sqlx::query_as::<_, Row>(AssertSqlSafe(sql));
        for value in conditions.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        let mut rows = query.fetch_all(&self.pool).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let keys = rows
            .into_iter()
            .map(|row| Ok(Listed { key: row.key.into_key()?, last_used: row.last_used }))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let next = more.then(|| keys.last().map(|last| filter.sort.write_cursor(&last.key))).flatten();
        Ok(KeyPage { keys, next })
    }

    /// A key by its public name, and when it was last met.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn key_with_use(&self, id: &str) -> Result<Listed, StoreError> {
        let sql = format!("{SELECT} WHERE id = $1 AND removed_at IS NULL");
        let row: Option<Row> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&self.pool).await?;
        let row = row.ok_or(StoreError::NotFound("key"))?;
        Ok(Listed { key: row.key.into_key()?, last_used: row.last_used })
    }
}

// === impl Filter ===

impl Filter {
    fn conditions(&self, now: i64) -> Conditions {
        let mut all = Conditions::default();
        all.sql.push("removed_at IS NULL".into());
        if let Some(text) = self.search.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            let id = all.bind(Value::Text(text.into()));
            let part = all.bind(Value::Text(like(text)));
            let columns = ["name", "owner", "hint"];
            let likes = columns.map(|column| format!("LOWER({column}) LIKE {part} ESCAPE '!'")).join(" OR ");
            all.sql.push(format!("(id = {id} OR {likes})"));
        }
        if let Some(environment) = self.environment {
            all.is("environment", environment.as_str());
        }
        if let Some(owner) = &self.owner {
            all.is("owner", owner);
        }
        if let Some(state) = self.state {
            let now = all.bind(Value::Number(now));
            all.sql.push(state_condition(state, &now));
        }
        if let Some(time) = self.expiring_by {
            let (by, now) = (all.bind(Value::Number(time)), all.bind(Value::Number(now)));
            all.sql.push(format!("expires_at <= {by} AND replaced_by IS NULL"));
            all.sql.push(state_condition(State::Active, &now));
        }
        if let Some(time) = self.due_by {
            let (by, now) = (all.bind(Value::Number(time)), all.bind(Value::Number(now)));
            all.sql.push(format!("rotate_by <= {by} AND replaced_by IS NULL"));
            all.sql.push(format!(
                "({} OR {})",
                state_condition(State::Active, &now),
                state_condition(State::Pending, &now)
            ));
        }
        all
    }
}

impl Conditions {
    /// Notes a value and tells its place holder.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn is(&mut self, column: &str, text: &str) {
        let value = self.bind(Value::Text(text.into()));
        self.sql.push(format!("{column} = {value}"));
    }
}

/// [`Key::state`] as the database says it.
fn state_condition(state: State, now: &str) -> String {
    let live = format!("COALESCE(revoked_at, {now} + 1) > {now}");
    let lasting = format!("COALESCE(expires_at, {now} + 1) > {now}");
    match state {
        State::Revoked => format!("revoked_at <= {now}"),
        State::Expired => format!("({live} AND expires_at <= {now})"),
        State::Pending => format!("({live} AND {lasting} AND not_before > {now})"),
        State::Active => format!("({live} AND {lasting} AND COALESCE(not_before, 0) <= {now})"),
    }
}

/// A pattern that finds the text anywhere. `!` takes the meaning from what follows it.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn bad_cursor() -> StoreError {
    let message = "must be the next_cursor of a page in the same order".into();
    StoreError::Invalid(vec![Mistake { field: "cursor".into(), message }])
}

// === impl Sort ===

impl Sort {
    /// Reads the word: `created`, `name` or `expires`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Created, Self::Name, Self::Expires].into_iter().find(|sort| sort.as_str() == word)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Name => "name",
            Self::Expires => "expires",
        }
    }

    const fn expression(self) -> &'static str {
        match self {
            Self::Created => "created_at",
            Self::Name => "name",
            Self::Expires => "COALESCE(expires_at, 9223372036854775807)",
        }
    }

    fn write_cursor(self, key: &Key) -> String {
        let value = match self {
            Self::Created => key.created_at.to_string(),
            Self::Name => key.name.clone(),
            Self::Expires => key.expires_at.unwrap_or(i64::MAX).to_string(),
        };
        hex::encode(format!("{}\n{}\n{value}", self.as_str(), key.id))
    }

    fn parse_cursor(self, text: &str) -> Option<(Value, String)> {
        let text = String::from_utf8(hex::decode(text).ok()?).ok()?;
        let mut parts = text.splitn(3, '\n');
        let (sort, id, value) = (parts.next()?, parts.next()?, parts.next()?);
        let value = match self {
            Self::Name => Value::Text(value.into()),
            Self::Created | Self::Expires => Value::Number(value.parse().ok()?),
        };
        (sort == self.as_str() && !text.contains('\0')).then(|| (value, id.into()))
    }
}
