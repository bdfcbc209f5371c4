//! Bringing keys in by their digests.
//!
//! 1. A file is checked before anything is written: each line breaks no rule, and its digest is
//!    new, or is that of the very key that the line would make.
//! 2. So the same file may be sent again. Keys that were imported before are left out, and the rest
//!    is imported.
//! 3. A file is written in one transaction, or, where it may be large, in steps. Other writers get
//!    in between, and rule 2 completes an import that was interrupted.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use flint_contract::key::Digest;
use serde_json::json;
use sqlx::FromRow;

use super::row::{KeyRow, key_columns};
use crate::clock;
use crate::config::Database;
use crate::model::Key;
use crate::model::draft::Mistake;
use crate::model::import::{BadLine, BadLines, Format, GoodLine, Parsed, TooManyLines, parse};
use crate::model::lifecycle::Issuance;
use crate::secret;
use crate::store::audit::AuditEvent;
use crate::store::recovery::journal::Known;
use crate::store::{Actor, Store, StoreError};

/// How many digests are looked up at a time.
const CHUNK: usize = 500;
/// How many keys [`Store::import_in_steps`] writes in one transaction.
pub const STEP: usize = 1_000;
/// How long it then leaves SQLite to others. Who waits for SQLite looks again at least every tenth
/// of a second, so everybody who waits has a look in this time. PostgreSQL lets those who wait go
/// first by itself.
const PAUSE: Duration = Duration::from_millis(120);

/// A file, as somebody sent it.
#[derive(Debug)]
pub struct File {
    /// All of it.
    pub text: String,
    /// How it is written.
    pub format: Format,
    /// The most lines that are read. A file with more is refused.
    pub most_lines: usize,
}

/// What a file would do.
#[derive(Debug)]
pub struct Plan {
    /// The lines that make keys.
    pub good: Vec<GoodLine>,
    /// The lines that cannot be used. If there are any, nothing may be imported.
    pub bad: BadLines,
    /// How many lines are left out because their digests are here already.
    pub skipped: usize,
}

/// Lines whose digests are here already.
#[derive(Debug, Default)]
pub struct Existing {
    /// The numbers of those whose keys are as the line says: nothing is left to do.
    pub same: HashSet<u64>,
    /// Those of other keys. A digest that was revoked or removed is among them, also where only the
    /// journal still knows of it: it never comes back.
    pub other: BadLines,
    /// The numbers of the latter.
    pub numbers: HashSet<u64>,
}

#[derive(FromRow)]
struct Here {
    #[sqlx(flatten)]
    key: KeyRow,
    removed_at: Option<i64>,
}

impl Store {
    /// Reads a file and looks up what is here already. Lines of other keys are bad, or left out
    /// with `skip_existing`.
    ///
    /// # Errors
    /// If the file has too many lines; if the database or the journal fails.
    pub async fn plan_import(&self, file: File, skip_existing: bool, now: i64) -> Result<Plan, StoreError> {
        let Parsed { mut good, mut bad } = read(file, now).await?;
        let Existing { mut same, other, numbers } = self.find_existing(&good).await?;
        good.retain(|line| !same.contains(&line.number) && !numbers.contains(&line.number));
        if skip_existing {
            same.extend(numbers);
        } else {
            bad.merge(other);
        }
        Ok(Plan { good, bad, skipped: same.len() })
    }

    /// The lines whose digests are here already.
    ///
    /// # Errors
    /// If the database or the journal fails.
    pub async fn find_existing(&self, lines: &[GoodLine]) -> Result<Existing, StoreError> {
        let known = self.journalled(lines).await?;
        let mut found = Existing::default();
        for chunk in lines.chunks(CHUNK) {
            let here = self.keys_by_digest(chunk).await?;
            for line in chunk {
                let message =
                    match (here.get(line.digest.as_bytes().as_slice()), known.revoked.get(&line.digest)) {
                        (Some(here), _) => {
                            let (key, is_removed) = here;
                            if !is_removed && line.has_become(key) {
                                found.same.insert(line.number);
                                continue;
                            }
                            let is_over = *is_removed || key.revoked_at.is_some();
                            let how = if is_over {
                                "existed and was removed, expired or revoked"
                            } else {
                                "exists and differs from this line"
                            };
                            format!("is the digest of {}, which {how}", key.id)
                        }
                        (None, Some(entry)) => format!("is the digest of {}, which was revoked", entry.id),
                        (None, None) => continue,
                    };
                found.other.add(BadLine::new(line.number, "sha256", &message));
                found.numbers.insert(line.number);
            }
        }
        Ok(found)
    }

    /// The keys that have these lines' digests, and whether each was removed.
    async fn keys_by_digest(&self, lines: &[GoodLine]) -> Result<HashMap<Vec<u8>, (Key, bool)>, StoreError> {
        let places: Vec<String> = (1..=lines.len()).map(|number| format!("${number}")).collect();
        let sql = concat!("SELECT ", key_columns!(), ", removed_at FROM api_key WHERE digest IN (");
        let sql = format!("{sql}{})", places.join(", "));
        let mut query = sqlx::query_as::<_, Here>(sqlx::AssertSqlSafe(sql));
        for line in lines {
            query = query.bind(line.digest.as_bytes().to_vec());
        }
        let rows = query.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| {
            let key = row.key.into_key()?;
            Ok((key.digest.as_bytes().to_vec(), (key, row.removed_at.is_some())))
        })
        .collect()
    }

    /// Makes keys of these lines in one transaction, all or none, and tells their ids.
    ///
    /// # Errors
    /// If a digest is here already or was revoked; nothing is imported then.
    pub async fn import_keys(
        &self,
        lines: &[GoodLine],
        now: i64,
        actor: &Actor,
    ) -> Result<Vec<String>, StoreError> {
        self.refuse_revoked(lines).await?;
        self.write_lines(lines, now, actor).await
    }

    /// Makes keys of these lines in transactions of [`STEP`] each, between which others write, and
    /// tells their ids. `progress` hears after each how many are in; they stay if a later one
    /// fails.
    ///
    /// # Errors
    /// As [`Store::import_keys`].
    pub async fn import_in_steps(
        &self,
        lines: &[GoodLine],
        actor: &Actor,
        mut progress: impl FnMut(usize) + Send,
    ) -> Result<Vec<String>, StoreError> {
        self.refuse_revoked(lines).await?;
        let mut ids = Vec::with_capacity(lines.len());
        for step in lines.chunks(STEP) {
            if !ids.is_empty() && matches!(self.database, Database::Sqlite(_)) {
                tokio::time::sleep(PAUSE).await;
            }
            ids.extend(self.write_lines(step, clock::now(), actor).await?);
            progress(ids.len());
        }
        Ok(ids)
    }

    async fn refuse_revoked(&self, lines: &[GoodLine]) -> Result<(), StoreError> {
        let known = self.journalled(lines).await?;
        if lines.iter().any(|line| known.revoked.contains_key(&line.digest)) {
            return Err(StoreError::KeyWasRevoked);
        }
        Ok(())
    }

    async fn write_lines(
        &self,
        lines: &[GoodLine],
        now: i64,
        actor: &Actor,
    ) -> Result<Vec<String>, StoreError> {
        let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let mut write = self.write().await?;
        let first = write.next_changes(count).await?;
        let mut ids = Vec::with_capacity(lines.len());
        for (line, seq) in lines.iter().zip(first..) {
            let issuance = Issuance {
                id: secret::new_id("key", clock::since_epoch().as_millis())?,
                digest: line.digest,
                hint: None,
                now,
                by: actor.label(),
            };
            let key = issuance.key(line.draft.clone());
            if !write.insert_key(&key, seq).await? {
                return Err(StoreError::Exists("one of the keys already exists, or did"));
            }
            let after = json!({ "name": key.name, "environment": key.environment.as_str(),
                                "permissions": key.permissions, "owner": key.owner });
            let record = AuditEvent {
                action: "key.import",
                subject_kind: "key",
                subject: &key.id,
                before: None,
                after: Some(after),
            };
            write.record(now, actor, record).await?;
            ids.push(key.id);
        }
        write.commit().await?;
        Ok(ids)
    }

    /// What the journal says of these lines' digests, if there is one.
    async fn journalled(&self, lines: &[GoodLine]) -> Result<Known, StoreError> {
        let Some(journal) = self.journal.clone() else {
            return Ok(Known::default());
        };
        let digests: HashSet<Digest> = lines.iter().map(|line| line.digest).collect();
        let reading = tokio::task::spawn_blocking(move || journal.read_among(&digests));
        reading.await.unwrap_or(Err(StoreError::Corrupt("the journal of revocations")))
    }
}

/// Reads a file where nobody else waits for the thread that does it.
async fn read(file: File, now: i64) -> Result<Parsed, StoreError> {
    let reading = tokio::task::spawn_blocking(move || parse(&file.text, file.format, file.most_lines, now));
    let parsed = reading.await.map_err(|_| StoreError::Corrupt("the file of an import"))?;
    parsed.map_err(|TooManyLines(most)| {
        let message = format!("must have at most {most} lines; send it in parts");
        StoreError::Invalid(vec![Mistake { field: "file".into(), message }])
    })
}
