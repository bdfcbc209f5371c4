//! Bringing keys in by their digests.

use std::collections::HashMap;

use flint_auth::key::Digest;
use serde_json::json;

use super::audit::Line as AuditRecord;
use super::journal::{Entry, Journal};
use super::{Actor, Store, StoreError};
use crate::clock;
use crate::model::import::{BadLine, Format, Line, parse};
use crate::model::lifecycle::Birth;
use crate::secret;

/// How many digests are looked up at a time.
const CHUNK: usize = 500;

/// What a file would do.
#[derive(Debug)]
pub struct Plan {
    /// The lines that make keys.
    pub good: Vec<Line>,
    /// The lines that cannot be used, in their order. If there are any, nothing may be imported.
    pub bad: Vec<BadLine>,
    /// How many lines are left out because their digests are here already.
    pub skipped: usize,
}

impl Store {
    /// Reads a file and looks up what is here already: lines to leave out with `skip_existing`, else bad ones.
    ///
    /// # Errors
    /// Where the database or the journal fails.
    pub async fn plan_import(
        &self,
        text: &str,
        format: Format,
        skip_existing: bool,
        now: i64,
    ) -> Result<Plan, StoreError> {
        let mut parsed = parse(text, format, now);
        let existing = self.find_existing(&parsed.good).await?;
        let known: std::collections::HashSet<u64> = existing.iter().map(|bad| bad.line).collect();
        parsed.good.retain(|line| !known.contains(&line.number));
        let skipped = if skip_existing { known.len() } else { 0 };
        if !skip_existing {
            parsed.bad.extend(existing);
        }
        parsed.bad.sort_by_key(|line| line.line);
        Ok(Plan { good: parsed.good, bad: parsed.bad, skipped })
    }

    /// The lines whose digests are here already, as bad lines. A digest that was revoked or removed counts too, also
    /// where only the journal still knows of it: it never comes back.
    ///
    /// # Errors
    /// Where the database or the journal fails.
    pub async fn find_existing(&self, lines: &[Line]) -> Result<Vec<BadLine>, StoreError> {
        let revoked = self.journalled().await?;
        let mut found = Vec::new();
        for chunk in lines.chunks(CHUNK) {
            let places: Vec<String> = (1..=chunk.len()).map(|number| format!("${number}")).collect();
            let sql = format!("SELECT digest, id FROM api_key WHERE digest IN ({})", places.join(", "));
            let mut query = sqlx::query_as::<_, (Vec<u8>, String)>(sqlx::AssertSqlSafe(sql));
            for line in chunk {
                query = query.bind(line.digest.as_bytes().to_vec());
            }
            let here: HashMap<Vec<u8>, String> = query.fetch_all(&self.pool).await?.into_iter().collect();
            for line in chunk {
                let message = match (here.get(line.digest.as_bytes().as_slice()), revoked.get(&line.digest)) {
                    (Some(id), _) => format!("is the digest of {id}, which exists or did"),
                    (None, Some(entry)) => format!("is the digest of {}, which was revoked", entry.id),
                    (None, None) => continue,
                };
                found.push(BadLine::new(line.number, "sha256", &message));
            }
        }
        Ok(found)
    }

    /// Makes keys of these lines, all or none, and tells their ids. `progress` hears how many are written.
    ///
    /// # Errors
    /// Where a digest is here already or was revoked; nothing is imported then.
    pub async fn import_keys(
        &self,
        lines: &[Line],
        now: i64,
        actor: &Actor,
        mut progress: impl FnMut(usize) + Send,
    ) -> Result<Vec<String>, StoreError> {
        let revoked = self.journalled().await?;
        if lines.iter().any(|line| revoked.contains_key(&line.digest)) {
            return Err(StoreError::Exists("one of the keys was revoked; nothing was imported"));
        }
        let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let mut write = self.write().await?;
        let first = write.next_changes(count).await?;
        let mut ids = Vec::with_capacity(lines.len());
        for (line, seq) in lines.iter().zip(first..) {
            let birth = Birth {
                id: secret::new_id("key", clock::since_epoch().as_millis())?,
                digest: line.digest,
                hint: None,
                now,
                by: actor.label(),
            };
            let key = birth.of(line.draft.clone());
            if !write.insert_key(&key, seq).await? {
                return Err(StoreError::Exists("one of the keys exists, or did; nothing was imported"));
            }
            let after = json!({ "name": key.name, "environment": key.environment.as_str(),
                                "permissions": key.permissions, "owner": key.owner });
            let record = AuditRecord {
                action: "key.import",
                subject_kind: "key",
                subject: &key.id,
                before: None,
                after: Some(after),
            };
            write.record(now, actor, record).await?;
            ids.push(key.id);
            progress(ids.len());
        }
        write.commit().await?;
        Ok(ids)
    }

    /// What the journal says, if there is one.
    async fn journalled(&self) -> Result<HashMap<Digest, Entry>, StoreError> {
        let Some(journal) = self.journal.clone() else {
            return Ok(HashMap::new());
        };
        let reading = tokio::task::spawn_blocking(move || Journal::read(&journal));
        reading.await.unwrap_or(Err(StoreError::Corrupt("the journal of revocations")))
    }
}
