//! The feed of the gateways: every key by its latest change, in commit order (contract §6).

pub mod acknowledgements; // what gateways say, before it is written
pub mod gateways; // who may read
pub mod news; // whether anything that everybody may read has changed
pub mod propagation; // who acts on a change already
pub mod standing; // how a gateway stands
pub mod wake; // news of other processes

use std::sync::{Arc, PoisonError};

use flint_contract::protocol::{KeyEntry, Page, RevokedToken};
use sqlx::{AnyPool, FromRow};

use super::{Store, StoreError, new_epoch};
use crate::clock;
use crate::oauth::token::MAX_SKEW;

/// About how large a page may be, in bytes. Envoy takes no answer of more than 32 MiB.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// How many rows are read at a time.
const PART: i64 = 1_000;

/// How far a gateway has come, as its cursor says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Position {
    /// It has nothing.
    Beginning,
    /// It has every change up to this number, and they are in effect there.
    After(i64),
    /// It has every change up to this number of a whole new table, which takes effect only at its
    /// end.
    Loading(i64),
    /// Its cursor is of another database, or of none: it needs a whole new table.
    Unknown,
}

/// A page, and whether there was any news in it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What goes to the gateway.
    pub page: Page,
    /// Whether it should go now: there are changes, or the gateway had nothing to begin with.
    pub is_news: bool,
}

/// Reads this database's name and latest change number; gives it a name if it has none.
pub(super) async fn ensure(pool: &AnyPool) -> Result<(String, i64), StoreError> {
    let sql = "INSERT INTO feed (one, epoch, change_seq) VALUES (1, $1, 0) ON CONFLICT (one) DO NOTHING";
    sqlx::query(sql).bind(new_epoch()?).execute(pool).await?;
    Ok(sqlx::query_as("SELECT epoch, change_seq FROM feed WHERE one = 1").fetch_one(pool).await?)
}

impl Store {
    /// Reads a cursor. One that this database did not give is [`Position::Unknown`], whatever it
    /// looks like.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn position(&self, cursor: Option<&str>) -> Result<Position, StoreError> {
        let Some(text) = cursor.filter(|text| !text.is_empty()) else {
            return Ok(Position::Beginning);
        };
        let known = || {
            let position = parse_cursor(&self.epoch(), text);
            position.filter(|position| position.seq() <= *self.latest.borrow())
        };
        if let Some(position) = known() {
            return Ok(position);
        }
        // Another process may have given it, and news of that change or of a restore not yet come
        // here.
        self.look_for_changes().await?;
        Ok(known().unwrap_or(Position::Unknown))
    }

    /// The changes after a position, at most `limit` of them.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn changes(&self, from: Position, limit: u32) -> Result<Answer, StoreError> {
        // An answer says that the gateway's table is up to date, which nobody can say of files that
        // others do not see.
        self.check_files()?;
        // Before the rows: a cursor of an epoch that is over does no harm, one that is ahead of its
        // rows would.
        let epoch = self.epoch();
        let seq = from.seq();
        // A table that begins from nothing has nothing to forget.
        let sql = if seq == 0 { FIRST } else { NEXT };
        let limit = i64::from(limit);
        // The tokens first, and with them how far changes have come: no key is read that is younger
        // than a token that was not there yet.
        let (until, mut tokens) = self.revoked_tokens(seq, limit + 1).await?;
        let mut rows = self.feed_rows(sql, (seq, until), limit + 1).await?;
        let is_shortened = shorten(&mut rows, limit);
        // Tokens behind a key that has no room come with it.
        let reach = rows.last().map_or(seq, |row| row.change_seq);
        tokens.retain(|row| !is_shortened || row.change_seq < reach);
        let cut = cut(&rows, &tokens, limit as usize);
        let more = is_shortened || cut.is_some();
        rows.retain(|row| cut.is_none_or(|cut| row.change_seq < cut));
        tokens.retain(|row| cut.is_none_or(|cut| row.change_seq < cut));
        let is_news = !rows.is_empty() || !tokens.is_empty() || !matches!(from, Position::After(_));
        let last = rows.last().map_or(seq, |row| row.change_seq);
        let last = tokens.last().map_or(last, |row| row.change_seq.max(last));
        let next = match from {
            Position::After(_) => Position::After(last),
            _ if more => Position::Loading(last),
            _ => Position::After(last),
        };
        let mut page = Page {
            cursor: write_cursor(&epoch, next),
            more,
            reset: from == Position::Unknown,
            ..Page::default()
        };
        let revoked = |row: TokenRow| RevokedToken { jti: row.jti, expires_at: row.expires_at };
        page.revoked_tokens = tokens.into_iter().map(revoked).collect();
        for row in rows {
            if row.removed_at.is_some() {
                page.removed.push(hex::encode(row.digest));
            } else {
                page.keys.push(row.try_into()?);
            }
        }
        Ok(Answer { page, is_news })
    }

    /// Reads rows in parts, and no more of them than there is room for in a page.
    async fn feed_rows(
        &self,
        sql: &'static str,
        (after, until): (i64, i64),
        limit: i64,
    ) -> Result<Vec<FeedRow>, StoreError> {
        let (mut rows, mut bytes, mut after) = (Vec::<FeedRow>::new(), 0, after);
        loop {
            let wanted = (limit - rows.len() as i64).min(PART);
            let part: Vec<FeedRow> =
                sqlx::query_as(sql).bind(after).bind(wanted).bind(until).fetch_all(&self.pool).await?;
            let is_last = (part.len() as i64) < wanted;
            after = part.last().map_or(after, |row| row.change_seq);
            bytes += part.iter().map(FeedRow::size).sum::<usize>();
            rows.extend(part);
            if is_last || rows.len() as i64 == limit || bytes > MOST_BYTES {
                return Ok(rows);
            }
        }
    }

    /// Revoked access tokens after a change, in order, and the number of the latest change that is
    /// committed. Those that have expired everywhere are left out.
    async fn revoked_tokens(&self, seq: i64, limit: i64) -> Result<(i64, Vec<TokenRow>), StoreError> {
        let sql = "SELECT feed.change_seq AS latest, token.change_seq, jti, expires_at FROM feed \
                   LEFT JOIN oauth_revoked_token AS token ON token.change_seq > $1 AND expires_at > $2 \
                   WHERE one = 1 ORDER BY token.change_seq LIMIT $3";
        let rows: Vec<MaybeTokenRow> = sqlx::query_as(sql)
            .bind(seq)
            .bind(clock::now() - MAX_SKEW)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let latest = rows.first().map_or(seq, |row| row.latest);
        Ok((latest, rows.into_iter().filter_map(MaybeTokenRow::some).collect()))
    }

    /// The number of the latest change that is committed.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn latest_change(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT change_seq FROM feed WHERE one = 1").fetch_one(&self.pool).await?)
    }

    /// Reads the number of the latest change, and the epoch that it is of, and wakes anyone who
    /// waits for it. In another epoch than before everybody is woken: every cursor is unknown now.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn look_for_changes(&self) -> Result<(), StoreError> {
        let _turn = self.looking.lock().await;
        let sql = "SELECT epoch, change_seq FROM feed WHERE one = 1";
        let (epoch, seq): (String, i64) = sqlx::query_as(sql).fetch_one(&self.pool).await?;
        if epoch == *self.epoch() {
            self.announce(seq);
        } else {
            *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = epoch.into();
            self.latest.send_replace(seq);
        }
        Ok(())
    }

    fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.epoch.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a gateway is told of a key. A million of them are read at a cold start, so there is nothing
/// else in it.
#[derive(FromRow)]
struct FeedRow {
    change_seq: i64,
    digest: Vec<u8>,
    id: String,
    environment: String,
    permissions: String,
    owner: Option<String>,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    allowed_cidrs: Option<String>,
    removed_at: Option<i64>,
}

/// Leaves what one page has, and says whether there was more: of `limit` rows and so many bytes,
/// but one row at least.
fn shorten(rows: &mut Vec<FeedRow>, limit: i64) -> bool {
    let mut bytes = 0;
    let fits = |row: &&FeedRow| {
        bytes += row.size();
        bytes <= MOST_BYTES
    };
    let count = rows.iter().take_while(fits).count().max(1).min(limit as usize);
    let more = rows.len() > count;
    rows.truncate(count);
    more
}

impl FeedRow {
    /// About how much of a page it takes, in bytes.
    fn size(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        250 + self.permissions.len() + of(&self.owner) + of(&self.allowed_cidrs)
    }
}

/// A revoked access token.
struct TokenRow {
    change_seq: i64,
    jti: String,
    expires_at: i64,
}

/// One, if there is any, next to the number of the latest change.
#[derive(FromRow)]
struct MaybeTokenRow {
    latest: i64,
    change_seq: Option<i64>,
    jti: Option<String>,
    expires_at: Option<i64>,
}

impl MaybeTokenRow {
    fn some(self) -> Option<TokenRow> {
        Some(TokenRow { change_seq: self.change_seq?, jti: self.jti?, expires_at: self.expires_at? })
    }
}

/// The number of the first change that a page has no room for, if there is one.
fn cut(keys: &[FeedRow], tokens: &[TokenRow], limit: usize) -> Option<i64> {
    let mut numbers: Vec<i64> = keys.iter().map(|row| row.change_seq).collect();
    numbers.extend(tokens.iter().map(|row| row.change_seq));
    numbers.sort_unstable();
    numbers.get(limit).copied()
}

const FIRST: &str = "SELECT change_seq, digest, id, environment, permissions, owner, not_before, expires_at, \
    revoked_at, allowed_cidrs, removed_at FROM api_key WHERE change_seq > $1 AND removed_at IS NULL \
    AND change_seq <= $3 ORDER BY change_seq LIMIT $2";
const NEXT: &str = "SELECT change_seq, digest, id, environment, permissions, owner, not_before, expires_at, \
    revoked_at, allowed_cidrs, removed_at FROM api_key WHERE change_seq > $1 AND change_seq <= $3 \
    ORDER BY change_seq LIMIT $2";

impl TryFrom<FeedRow> for KeyEntry {
    type Error = StoreError;

    fn try_from(row: FeedRow) -> Result<Self, StoreError> {
        let list =
            |json: &str| serde_json::from_str(json).map_err(|_| StoreError::Corrupt("a list of api_key"));
        Ok(Self {
            sha256: hex::encode(row.digest),
            id: row.id,
            environment: row.environment,
            permissions: list(&row.permissions)?,
            owner: row.owner,
            not_before: row.not_before,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            allowed_cidrs: row.allowed_cidrs.as_deref().map(list).transpose()?,
        })
    }
}

impl Position {
    /// The number of the last change that the gateway has.
    const fn seq(self) -> i64 {
        match self {
            Self::After(seq) | Self::Loading(seq) => seq,
            Self::Beginning | Self::Unknown => 0,
        }
    }
}

/// `epoch.number`, and an `l` behind it in the middle of a whole new table.
fn write_cursor(epoch: &str, position: Position) -> String {
    let mark = if matches!(position, Position::Loading(_)) { "l" } else { "" };
    format!("{epoch}.{}{mark}", position.seq())
}

fn parse_cursor(epoch: &str, text: &str) -> Option<Position> {
    let digits = text.strip_prefix(epoch)?.strip_prefix('.')?;
    let (digits, position): (_, fn(i64) -> Position) = match digits.strip_suffix('l') {
        Some(digits) => (digits, Position::Loading),
        None => (digits, Position::After),
    };
    let position = position(digits.parse().ok().filter(|seq| *seq >= 0)?);
    // One position has one way of being written.
    (write_cursor(epoch, position) == text).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_in_no_other_way() {
        for position in [Position::After(17), Position::Loading(17)] {
            assert_eq!(parse_cursor("ab", &write_cursor("ab", position)), Some(position));
        }
        for other in [
            "",
            "ab",
            "ab.",
            "ab.-1",
            "ab.+1",
            "ab.01",
            "ab.1 ",
            "ab.1ll",
            "ab.l",
            "cd.17",
            "ab.99999999999999999999",
            "é.1",
        ] {
            assert_eq!(parse_cursor("ab", other), None, "{other}");
        }
    }
}
