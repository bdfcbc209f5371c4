//! The words by which keys are found: those of the name and the owner, the id, and what is shown of
//! the secret.
//!
//! 1. A search finds the keys of which every word that was typed begins a word, in any letter case.
//!    `team-payments` is a word, and so is its end `payments`; in a word that was typed,
//!    punctuation at either side does not count.
//! 2. The words of a key are twice in the database: one a row in `key_word`, by which few keys are
//!    found fast; and as one text in its own row, by which many are told apart fast.
//! 3. They are written in the transaction that writes the key. What was written without them gets
//!    them when the database is opened.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;

use super::row::{KeyRow, key_columns};
use crate::model::Key;
use crate::store::{Store, StoreError, Write};

/// The longest word in characters; the rest of a longer one does not count.
const LONGEST: usize = 40;
/// The most words of a key, and of a search, that count.
const MOST: usize = 40;
/// How many keys get their words in one step.
const STEP: i64 = 1_000;

/// The words of a key, in order.
pub(in crate::store) fn of_key(key: &Key) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for text in [Some(key.name.as_str()), key.owner.as_deref()].into_iter().flatten() {
        words.extend(of_search(text).iter().flat_map(|word| endings(word)).take(MOST));
    }
    words.extend(of_search(&key.id));
    // The beginning is that of every key of an environment, down to the four characters that are
    // shown of it.
    for end in key.hint.as_deref().map(of_search).unwrap_or_default() {
        words.extend(end.rsplit('_').next().map(Into::into));
        words.insert(end);
    }
    words
}

/// The words of what was typed.
pub(in crate::store) fn of_search(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let trimmed = |word: &str| {
        let word: String =
            word.trim_matches(|letter: char| !letter.is_alphanumeric()).chars().take(LONGEST).collect();
        Some(word).filter(|word| !word.is_empty())
    };
    text.split(|letter: char| letter.is_whitespace() || letter == '…')
        .filter_map(trimmed)
        .take(MOST)
        .collect()
}

/// The word, and what is left of it from each further run of letters and digits on.
fn endings(word: &str) -> impl Iterator<Item = String> {
    let is_part = |place: usize| {
        let (before, after) = word.split_at(place);
        after.starts_with(char::is_alphanumeric) && !before.ends_with(char::is_alphanumeric)
    };
    word.char_indices().filter(move |(place, _)| is_part(*place)).map(|(place, _)| word[place..].to_owned())
}

/// As they stand in the key's row: a space before each.
pub(in crate::store) fn as_text(words: &BTreeSet<String>) -> String {
    words.iter().flat_map(|word| [" ", word]).collect()
}

/// What comes after everything that begins like this.
pub(in crate::store) fn end_of(word: &str) -> String {
    format!("{word}{}", char::MAX)
}

impl Store {
    /// Writes the words of keys that were written without them.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::store) async fn write_missing_words(&self) -> Result<(), StoreError> {
        let some =
            concat!("SELECT ", key_columns!(), " FROM api_key WHERE words IS NULL ORDER BY id LIMIT $1");
        let is_missing = "SELECT COUNT(*) FROM (SELECT 1 FROM api_key WHERE words IS NULL LIMIT 1) AS one";
        while sqlx::query_scalar::<_, i64>(is_missing).fetch_one(&self.pool).await? > 0 {
            let mut write = self.write().await?;
            write.lock_changes().await?;
            let rows: Vec<KeyRow> = sqlx::query_as(some).bind(STEP).fetch_all(&mut *write.tx).await?;
            for row in rows {
                let key = row.into_key()?;
                write.write_words(&key).await?;
            }
            write.commit().await?;
        }
        Ok(())
    }
}

impl Write<'_> {
    /// Writes the words of a key that has none.
    pub(in crate::store) async fn write_words(&mut self, key: &Key) -> Result<(), StoreError> {
        let words = of_key(key);
        let sql = "UPDATE api_key SET words = $1 WHERE id = $2";
        sqlx::query(sql).bind(as_text(&words)).bind(key.id.as_str()).execute(&mut *self.tx).await?;
        if words.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = (2..words.len() + 2).map(|number| format!("(${number}, $1)")).collect();
        let sql =
            format!("INSERT INTO key_word (word, key_id) VALUES {} ON CONFLICT DO NOTHING", rows.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(key.id.as_str());
        for word in &words {
            query = query.bind(word.as_str());
        }
        query.execute(&mut *self.tx).await?;
        Ok(())
    }

    /// Takes the words of a key away, which must be as they were written.
    pub(in crate::store) async fn remove_words(&mut self, key: &Key) -> Result<(), StoreError> {
        for word in of_key(key) {
            let sql = "DELETE FROM key_word WHERE word = $1 AND key_id = $2";
            sqlx::query(sql).bind(word).bind(key.id.as_str()).execute(&mut *self.tx).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_words_in_small_letters() {
        assert_eq!(of_search("  Checkout, ÜBER-Frankfurt! "), ["checkout", "über-frankfurt"]);
        assert_eq!(of_search("flint_live_3xK9…a1F2"), ["flint_live_3xk9", "a1f2"]);
        assert_eq!(of_search("?! … --"), [""; 0]);
        assert_eq!(of_search(&"x".repeat(99)), ["x".repeat(LONGEST)]);
    }

    #[test]
    fn a_word_is_found_by_each_of_its_parts_and_what_follows() {
        assert_eq!(endings("org_7").collect::<Vec<_>>(), ["org_7", "7"]);
        assert_eq!(endings("a/über.c").collect::<Vec<_>>(), ["a/über.c", "über.c", "c"]);
    }
}
