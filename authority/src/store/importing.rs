//! Bringing keys in by their digests.

use serde_json::json;

use super::audit::Line as AuditRecord;
use super::{Actor, Store, StoreError};
use crate::clock;
use crate::model::import::{BadLine, Line};
use crate::model::lifecycle::Birth;
use crate::secret;

/// How many digests are looked up, or keys written, at a time.
pub const CHUNK: usize = 500;

impl Store {
    /// The lines whose digests are here already, as bad lines. A digest that was revoked or removed counts too: it never
    /// comes back.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn find_existing(&self, lines: &[Line]) -> Result<Vec<BadLine>, StoreError> {
        let mut found = Vec::new();
        for chunk in lines.chunks(CHUNK) {
            let places: Vec<String> = (1..=chunk.len()).map(|number| format!("${number}")).collect();
            let sql = format!("SELECT digest, id FROM api_key WHERE digest IN ({})", places.join(", "));
            let mut query = sqlx::query_as::<_, (Vec<u8>, String)>(sqlx::AssertSqlSafe(sql));
            for line in chunk {
                query = query.bind(line.digest.as_bytes().to_vec());
            }
            for (digest, id) in query.fetch_all(&self.pool).await? {
                let line = chunk.iter().find(|line| line.digest.as_bytes().as_slice() == digest);
                let message = format!("is the digest of {id}, which exists or did");
                found.extend(line.map(|line| BadLine::new(line.number, "sha256", &message)));
            }
        }
        found.sort_by_key(|line| line.line);
        Ok(found)
    }

    /// Makes keys of these lines, all or none, and tells their ids.
    ///
    /// # Errors
    /// Where a digest is here already.
    pub async fn import_keys(
        &self,
        lines: &[Line],
        now: i64,
        actor: &Actor,
    ) -> Result<Vec<String>, StoreError> {
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
        }
        write.commit().await?;
        Ok(ids)
    }
}
