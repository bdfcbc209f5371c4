//! What keys were used for: sums over time, by key, by owner, and over all.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, FromRow};

use super::rollup::{ALL_KEYS, add};
use crate::store::{Store, StoreError};

/// How far to look back, and in which steps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Range {
    /// An hour, by minute.
    Hour,
    /// 24 hours, by hour.
    #[default]
    Day,
    /// Seven days, by hour.
    Week,
    /// Thirty days, by day.
    Month,
    /// Ninety days, by day.
    Quarter,
}

/// Whose activity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Whose {
    /// One key's.
    Key(String),
    /// All keys' of one owner.
    Owner(String),
    /// All keys'.
    Everyone,
}

/// How often one outcome came in one step.
#[derive(Clone, Debug, Eq, FromRow, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Point {
    /// When the step begins, in Unix seconds.
    pub start: i64,
    /// The outcome's word.
    pub outcome: String,
    /// How often.
    pub count: i64,
}

/// Activity over a range. Steps and outcomes with nothing in them are left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Activity {
    /// When the first step begins, in Unix seconds.
    pub from: i64,
    /// When the last step ends.
    pub to: i64,
    /// How long a step is, in seconds.
    pub step: i64,
    /// The sums, in order of time.
    pub points: Vec<Point>,
}

// === impl Range ===

impl Range {
    /// Every range, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Quarter];

    /// The word in queries: `1h`, `24h`, `7d`, `30d`, `90d`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Quarter => "90d",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == word)
    }

    /// The length of a step in seconds, and how many there are.
    #[must_use]
    pub const fn steps(self) -> (i64, i64) {
        match self {
            Self::Hour => (60, 60),
            Self::Day => (3_600, 24),
            Self::Week => (3_600, 168),
            Self::Month => (86_400, 30),
            Self::Quarter => (86_400, 90),
        }
    }

    /// Where the range begins and ends: whole steps, the last of which is the present one.
    #[must_use]
    pub const fn bounds(self, now: i64) -> (i64, i64) {
        let (step, count) = self.steps();
        let end = now - now.rem_euclid(step) + step;
        (end - step * count, end)
    }
}

// === impl Activity ===

impl Activity {
    /// How often each outcome came in the whole range, by the outcome's word.
    #[must_use]
    pub fn totals(&self) -> Vec<(String, i64)> {
        let mut totals = std::collections::BTreeMap::<&str, i64>::new();
        for point in &self.points {
            add(totals.entry(&point.outcome).or_default(), point.count);
        }
        totals.into_iter().map(|(outcome, count)| (outcome.to_owned(), count)).collect()
    }
}

impl Store {
    /// Activity over a range that ends now.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn activity(&self, whose: &Whose, range: Range, now: i64) -> Result<Activity, StoreError> {
        const OF_KEY: &str = "SELECT start, outcome, count FROM usage_rollup \
             WHERE key_id = $1 AND span = $2 AND start >= $3 AND start < $4 ORDER BY start, outcome";
        // Added up as other numbers than whole ones of 64 bits, which it may leave; up to `MAX_SUM`
        // they are as exact.
        const OF_OWNER: &str = "SELECT start, outcome, CASE WHEN SUM(count * 1.0) > 9007199254740991 \
             THEN 9007199254740991 ELSE CAST(SUM(count * 1.0) AS BIGINT) END AS count FROM usage_rollup \
             JOIN api_key ON api_key.id = usage_rollup.key_id WHERE owner = $1 AND span = $2 AND start >= $3 \
             AND start < $4 GROUP BY start, outcome ORDER BY start, outcome";
        let (sql, name) = match whose {
            Whose::Key(id) => (OF_KEY, id.as_str()),
            Whose::Everyone => (OF_KEY, ALL_KEYS),
            Whose::Owner(owner) => (OF_OWNER, owner.as_str()),
        };
        let (from, to) = range.bounds(now);
        let (step, _) = range.steps();
        let points = sqlx::query_as(sql)
            .bind(name.to_owned())
            .bind(step)
            .bind(from)
            .bind(to)
            .fetch_all(&self.pool)
            .await?;
        Ok(Activity { from, to, step, points })
    }

    /// The activity of several keys at once, for small charts in a list. Keys without any are left
    /// out.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn activity_of_keys(
        &self,
        ids: &[String],
        range: Range,
        now: i64,
    ) -> Result<HashMap<String, Vec<Point>>, StoreError> {
        #[derive(FromRow)]
        struct KeyPoint {
            key_id: String,
            #[sqlx(flatten)]
            point: Point,
        }
        let mut activity = HashMap::<String, Vec<Point>>::new();
        if ids.is_empty() {
            return Ok(activity);
        }
        let (from, to) = range.bounds(now);
        let places: Vec<String> = (4..4 + ids.len()).map(|number| format!("${number}")).collect();
        let sql = format!(
            "SELECT key_id, start, outcome, count FROM usage_rollup WHERE span = $1 AND start >= $2 AND start < $3 \
             AND key_id IN ({}) ORDER BY key_id, start, outcome",
            places.join(", ")
        );
        let mut query =
            sqlx::query_as::<_, KeyPoint>(AssertSqlSafe(sql)).bind(range.steps().0).bind(from).bind(to);
        for id in ids {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&self.pool).await? {
            activity.entry(row.key_id).or_default().push(row.point);
        }
        Ok(activity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_with_the_present_step() {
        assert_eq!(Range::Hour.bounds(3_601), (60, 3_660));
        assert_eq!(Range::Day.bounds(86_400), (3_600, 90_000));
        for range in Range::ALL {
            let (step, count) = range.steps();
            let (from, to) = range.bounds(1_790_000_000);
            assert_eq!((to - from, from % step), (step * count, 0));
            assert!(from < 1_790_000_000 && 1_790_000_000 < to);
            assert_eq!(Range::parse(range.as_str()), Some(range));
        }
    }
}
