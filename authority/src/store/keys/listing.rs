//! Lists of keys: searched, filtered, sorted, and in pages that stay right while keys are added.
//!
//! A page reads the index of its order until it is full. Where few keys have one of the words that
//! are searched for, it reads those instead and sorts them: a search for what hardly any key has
//! would else read nearly all of them.

use flint_contract::key::Environment;
use sqlx::{AssertSqlSafe, FromRow};

use super::row::{KeyRow, key_columns};
use super::search;
use crate::model::draft::Mistake;
use crate::model::{Key, State};
use crate::store::{Store, StoreError};

/// The most keys of one page of a list.
pub const MAX_PAGE: u32 = 500;

/// The most words of a search. Each is looked for in every key that has the others.
pub const MOST_WORDS: usize = 10;

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
    /// When it was last met; keys that were never used come before all others, and descending after
    /// all others.
    Used,
}

/// Which keys a list has, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Beginnings of words of the name, the owner, the hint or the id, in any letter case; a key
    /// must have all of them.
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
    /// Reverse the order.
    pub descending: bool,
    /// How many keys, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// [`KeyPage::next`] or [`KeyPage::previous`] of another page in the same order.
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
    /// Where the page before ends, if there is one.
    pub previous: Option<String>,
}

/// Where a page begins, or ends.
struct Cursor {
    is_backward: bool,
    value: Value,
    id: String,
}

/// So few keys are read and sorted rather than looked for in order: some 40 ms of work on a small
/// machine.
const FEW: i64 = 10_000;

#[derive(FromRow)]
struct ListedRow {
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

const COLUMNS: &str = key_columns!();
/// The first letter of a cursor: where the page after it begins, or where the page before it ends.
const ONWARD: char = 'n';
const BACK: char = 'p';

impl Store {
    /// Finds keys. `now` decides their states.
    ///
    /// # Errors
    /// If `after` is not the end of a page of the same order; if the database fails.
    pub async fn list_keys(&self, filter: &Filter, now: i64) -> Result<KeyPage, StoreError> {
        let words = filter.words();
        if words.len() > MOST_WORDS {
            return Err(refuse("search", "must be at most 10 words"));
        }
        let rarest = self.rarest(&words).await?;
        if rarest.as_ref().is_some_and(|(_, count)| *count == 0) {
            return Ok(KeyPage { keys: Vec::new(), next: None, previous: None });
        }
        let mut conditions = filter.conditions(&words, now);
        let is_few = rarest.as_ref().is_some_and(|(_, count)| *count <= FEW);
        if let Some((word, _)) = rarest.filter(|_| is_few) {
            let end = search::end_of(&word);
            let (from, to) = (conditions.bind(Value::Text(word)), conditions.bind(Value::Text(end)));
            conditions.sql.push(format!(
                "api_key.id IN (SELECT key_id FROM key_word WHERE word >= {from} AND word < {to})"
            ));
        }
        let order = filter.sort.order(is_few);
        let cursor =
            filter.after.as_deref().map(|text| filter.sort.parse_cursor(text).ok_or_else(bad_cursor));
        let cursor = cursor.transpose()?;
        let is_backward = cursor.as_ref().is_some_and(|cursor| cursor.is_backward);
        let is_descending = filter.descending != is_backward;
        if let Some(Cursor { value, id, .. }) = cursor {
            let comparison = if is_descending { "<" } else { ">" };
            let (value, id) = (conditions.bind(value), conditions.bind(Value::Text(id)));
            conditions.sql.push(format!("({}, {}) {comparison} ({value}, {id})", order.0, order.1));
            // Follows from it. SQLite begins to read an index over an expression where this says,
            // and else at its end.
            conditions.sql.push(format!("{} {comparison}= {value}", order.0));
        }
        // One more than is shown says whether there are others.
        let limit = conditions.bind(Value::Number(i64::from(filter.page_size()) + 1));
        let direction = if is_descending { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT {COLUMNS}, last_used FROM {} WHERE {} ORDER BY {} {direction}, {} {direction} LIMIT {limit}",
            filter.sort.tables(is_few),
            conditions.sql.join(" AND "),
            order.0,
            order.1
        );
        // Made of the fixed pieces in this file; everything that comes from outside is a parameter.
        let mut query = sqlx::query_as::<_, ListedRow>(AssertSqlSafe(sql));
        for value in conditions.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
            };
        }
        filter.page(query.fetch_all(&self.pool).await?, is_backward)
    }

    /// The word that the fewest keys have, as far as that matters, and how many do.
    async fn rarest(&self, words: &[String]) -> Result<Option<(String, i64)>, StoreError> {
        let sql =
            "SELECT COUNT(*) FROM (SELECT 1 FROM key_word WHERE word >= $1 AND word < $2 LIMIT $3) AS found";
        let mut rarest: Option<(String, i64)> = None;
        for word in words {
            let query = sqlx::query_scalar(sql).bind(word.clone()).bind(search::end_of(word)).bind(FEW + 1);
            let count = query.fetch_one(&self.pool).await?;
            if rarest.as_ref().is_none_or(|(_, least)| count < *least) {
                rarest = Some((word.clone(), count));
            }
        }
        Ok(rarest)
    }

    /// A key by its public name, and when it was last met.
    ///
    /// # Errors
    /// If there is none.
    pub async fn key_with_use(&self, id: &str) -> Result<Listed, StoreError> {
        let tables = Sort::Created.tables(false);
        let sql = format!("SELECT {COLUMNS}, last_used FROM {tables} WHERE id = $1 AND removed_at IS NULL");
        let row: Option<ListedRow> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(id.to_owned()).fetch_optional(&self.pool).await?;
        row.ok_or(StoreError::NotFound("key"))?.into_listed()
    }
}

impl ListedRow {
    fn into_listed(self) -> Result<Listed, StoreError> {
        // 0 stands for never.
        let last_used = self.last_used.filter(|at| *at > 0);
        Ok(Listed { key: self.key.into_key()?, last_used })
    }
}

// === impl Filter ===

impl Filter {
    fn page_size(&self) -> u32 {
        self.limit.clamp(1, MAX_PAGE)
    }

    /// Makes a page of what was found: one row more than it holds, if there are others, and
    /// backwards if so asked.
    fn page(&self, mut rows: Vec<ListedRow>, is_backward: bool) -> Result<KeyPage, StoreError> {
        let size = self.page_size() as usize;
        let more = rows.len() > size;
        rows.truncate(size);
        if is_backward {
            rows.reverse();
        }
        let keys = rows.into_iter().map(ListedRow::into_listed).collect::<Result<Vec<_>, StoreError>>()?;
        // There are keys on the side that this page was come to from, and on the other one if there
        // were too many.
        let has_next = more || is_backward;
        let has_previous = if is_backward { more } else { self.after.is_some() };
        let write = |end: Option<&Listed>, mark| end.map(|listed| self.sort.write_cursor(listed, mark));
        Ok(KeyPage {
            next: write(keys.last().filter(|_| has_next), ONWARD),
            previous: write(keys.first().filter(|_| has_previous), BACK),
            keys,
        })
    }

    fn words(&self) -> Vec<String> {
        self.search.as_deref().map(search::of_search).unwrap_or_default()
    }

    fn conditions(&self, words: &[String], now: i64) -> Conditions {
        let mut all = Conditions::default();
        all.sql.push("removed_at IS NULL".into());
        for word in words {
            let part = all.bind(Value::Text(like(word)));
            all.sql.push(format!("words LIKE {part} ESCAPE '!'"));
        }
        if words.is_empty() && self.search.as_deref().is_some_and(|text| !text.trim().is_empty()) {
            // Nothing but punctuation, which no key is found by.
            all.sql.push("1 = 0".into());
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

/// A pattern that finds the beginning of a word. `!` takes the meaning from what follows it.
fn like(word: &str) -> String {
    let mut pattern = String::from("% ");
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn bad_cursor() -> StoreError {
    refuse("cursor", "must be the next_cursor or previous_cursor of a page in the same order")
}

fn refuse(field: &str, rule: &str) -> StoreError {
    StoreError::Invalid(vec![Mistake { field: field.into(), message: rule.into() }])
}

// === impl Sort ===

impl Sort {
    /// Reads the word: `created`, `name`, `expires` or `used`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Created, Self::Name, Self::Expires, Self::Used].into_iter().find(|sort| sort.as_str() == word)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Name => "name",
            Self::Expires => "expires",
            Self::Used => "used",
        }
    }

    /// What comes from where. An order by last use reads the index of that first.
    const fn tables(self, is_few: bool) -> &'static str {
        match self {
            Self::Used if !is_few => "key_last_used JOIN api_key ON api_key.id = key_last_used.key_id",
            _ => "api_key LEFT JOIN key_last_used ON key_last_used.key_id = api_key.id",
        }
    }

    /// The two expressions of the order: as its index has them, or so that no index is taken for
    /// them.
    const fn order(self, is_few: bool) -> (&'static str, &'static str) {
        match (self, is_few) {
            (Self::Created, false) => ("created_at", "id"),
            (Self::Created, true) => ("created_at + 0", "id || ''"),
            (Self::Name, false) => ("name", "id"),
            (Self::Name, true) => ("name || ''", "id || ''"),
            (Self::Expires, false) => ("COALESCE(expires_at, 9223372036854775807)", "id"),
            (Self::Expires, true) => ("COALESCE(expires_at, 9223372036854775807) + 0", "id || ''"),
            (Self::Used, false) => ("key_last_used.last_used", "key_last_used.key_id"),
            (Self::Used, true) => ("key_last_used.last_used + 0", "id || ''"),
        }
    }

    fn write_cursor(self, listed: &Listed, mark: char) -> String {
        let value = match self {
            Self::Created => listed.key.created_at.to_string(),
            Self::Name => listed.key.name.clone(),
            Self::Expires => listed.key.expires_at.unwrap_or(i64::MAX).to_string(),
            Self::Used => listed.last_used.unwrap_or(0).to_string(),
        };
        hex::encode(format!("{mark}{}\n{}\n{value}", self.as_str(), listed.key.id))
    }

    fn parse_cursor(self, text: &str) -> Option<Cursor> {
        let text = String::from_utf8(hex::decode(text).ok()?).ok().filter(|text| !text.contains('\0'))?;
        let is_backward = text.starts_with(BACK);
        let mut parts = text.strip_prefix([ONWARD, BACK])?.splitn(3, '\n');
        let (sort, id, value) = (parts.next()?, parts.next()?, parts.next()?);
        let value = match self {
            Self::Name => Value::Text(value.into()),
            Self::Created | Self::Expires | Self::Used => Value::Number(value.parse().ok()?),
        };
        (sort == self.as_str()).then(|| Cursor { is_backward, value, id: id.into() })
    }
}
