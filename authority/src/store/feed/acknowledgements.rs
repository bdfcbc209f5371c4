//! What gateways say that they have applied: kept in memory for a moment, then written down in one
//! transaction. A thousand held calls must not be a thousand transactions.
//!
//! Everything that reads how far processes have come reads through [`Store::processes`], which
//! writes down first what is kept here. So the API, the dashboard, `/metrics` and `flint doctor`
//! never lag behind what this program has heard.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::propagation::SILENT_AFTER;
use crate::store::{Store, StoreError};

/// What one call of a process says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Acknowledgement {
    /// The gateway.
    pub gateway_id: String,
    /// The process.
    pub process_id: String,
    /// How far it has come.
    pub seq: i64,
    /// When.
    pub at: i64,
}

/// How many processes of one gateway are followed. Ids of processes are what a gateway says that
/// they are.
pub const MOST_PROCESSES: usize = 10_000;
/// How many there are of all gateways together.
const MOST_PROCESSES_OF_ALL: i64 = 100_000;
/// How many silent ones go if there is no room for another.
const GO_AT_ONCE: i64 = 1_000;

/// By gateway and process.
type ByProcess = HashMap<String, HashMap<String, Acknowledgement>>;

/// The latest acknowledgement of each process that is not written down yet.
#[derive(Debug, Default)]
pub(in crate::store) struct Acknowledgements {
    kept: Mutex<ByProcess>,
    /// Held while they are written, so that nobody reads in between.
    writing: tokio::sync::Mutex<()>,
}

impl Acknowledgements {
    fn kept(&self) -> MutexGuard<'_, ByProcess> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, call: Acknowledgement) {
        let mut kept = self.kept();
        kept.entry(call.gateway_id.clone()).or_default().insert(call.process_id.clone(), call);
    }

    /// Whether this process is among the kept ones, and how many of its gateway are.
    fn of_gateway(&self, call: &Acknowledgement) -> (bool, usize) {
        let kept = self.kept();
        let own = kept.get(&call.gateway_id);
        (own.is_some_and(|own| own.contains_key(&call.process_id)), own.map_or(0, HashMap::len))
    }

    fn take(&self) -> Vec<Acknowledgement> {
        std::mem::take(&mut *self.kept()).into_values().flat_map(HashMap::into_values).collect()
    }

    /// Keeps again what could not be written, unless the process has said something newer since.
    fn put_back(&self, calls: Vec<Acknowledgement>) {
        let mut kept = self.kept();
        for call in calls {
            let own = kept.entry(call.gateway_id.clone()).or_default();
            own.entry(call.process_id.clone()).or_insert(call);
        }
    }
}

impl Store {
    /// Keeps what a process says that it has applied, until [`Store::write_acknowledgements`].
    /// `false`: its gateway has as many processes as are followed, and this is another.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn acknowledge(&self, call: Acknowledgement) -> Result<bool, StoreError> {
        let (is_kept, more) = self.acknowledgements.of_gateway(&call);
        let has_room = is_kept || self.has_room_for(&call, more).await?;
        if has_room {
            self.acknowledgements.keep(call);
        }
        Ok(has_room)
    }

    /// Whether a process is followed, or there is room for it among those of its gateway beside
    /// `more` that are not written down yet, and among all. If there is none, silent ones make
    /// room: they may be cut off, and most likely they are gone.
    async fn has_room_for(&self, call: &Acknowledgement, more: usize) -> Result<bool, StoreError> {
        let (gateway, silent_before) = (call.gateway_id.as_str(), call.at - SILENT_AFTER);
        let sql = "SELECT COUNT(*) FROM gateway_process WHERE gateway_id = $1 AND process_id = $2";
        let is_followed = sqlx::query_scalar::<_, i64>(sql).bind(gateway).bind(call.process_id.as_str());
        if is_followed.fetch_one(&self.pool).await? > 0 {
            return Ok(true);
        }
        let sql = "SELECT COUNT(*) FROM gateway_process WHERE gateway_id = $1";
        let own = sqlx::query_scalar::<_, i64>(sql).bind(gateway).fetch_one(&self.pool).await?;
        if usize::try_from(own).unwrap_or(usize::MAX).saturating_add(more) >= MOST_PROCESSES {
            let sql = "DELETE FROM gateway_process WHERE gateway_id = $1 AND process_id IN \
                       (SELECT process_id FROM gateway_process WHERE gateway_id = $1 AND seen_at < $2 \
                       ORDER BY seen_at LIMIT $3)";
            let mut write = self.write().await?;
            let query = sqlx::query(sql).bind(gateway).bind(silent_before).bind(GO_AT_ONCE);
            let gone = query.execute(&mut *write.tx).await?.rows_affected();
            write.commit().await?;
            return Ok(gone > 0);
        }
        let sql = "SELECT COUNT(*) FROM gateway_process";
        if sqlx::query_scalar::<_, i64>(sql).fetch_one(&self.pool).await? >= MOST_PROCESSES_OF_ALL {
            let sql = "DELETE FROM gateway_process WHERE seen_at < $1 \
                       OR gateway_id IN (SELECT id FROM gateway WHERE revoked_at IS NOT NULL)";
            let mut write = self.write().await?;
            let gone = sqlx::query(sql).bind(silent_before).execute(&mut *write.tx).await?.rows_affected();
            write.commit().await?;
            return Ok(gone > 0);
        }
        Ok(true)
    }

    /// Writes down what has been kept.
    ///
    /// # Errors
    /// If the database fails; what was kept stays kept.
    pub async fn write_acknowledgements(&self) -> Result<(), StoreError> {
        let _turn = self.acknowledgements.writing.lock().await;
        let calls = self.acknowledgements.take();
        if calls.is_empty() {
            return Ok(());
        }
        let written = self.write_calls(&calls).await;
        if written.is_err() {
            self.acknowledgements.put_back(calls);
        }
        written
    }

    /// One transaction for all. A process that begins again from less says so.
    async fn write_calls(&self, calls: &[Acknowledgement]) -> Result<(), StoreError> {
        let sql = "INSERT INTO gateway_process (gateway_id, process_id, applied_seq, applied_at, first_seen, seen_at) \
                   VALUES ($1, $2, $3, $4, $4, $4) ON CONFLICT (gateway_id, process_id) DO UPDATE SET \
                   applied_at = CASE WHEN gateway_process.applied_seq = excluded.applied_seq \
                   THEN gateway_process.applied_at ELSE excluded.applied_at END, \
                   applied_seq = excluded.applied_seq, seen_at = excluded.seen_at";
        let mut write = self.write().await?;
        for call in calls {
            sqlx::query(sql)
                .bind(call.gateway_id.as_str())
                .bind(call.process_id.as_str())
                .bind(call.seq)
                .bind(call.at)
                .execute(&mut *write.tx)
                .await?;
        }
        write.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_gives_way_to_what_was_said_since() {
        let said = |process: &str, seq| Acknowledgement {
            gateway_id: "g".into(),
            process_id: process.into(),
            seq,
            at: seq,
        };
        let acknowledgements = Acknowledgements::default();
        acknowledgements.keep(said("a", 7));
        acknowledgements.put_back(vec![said("a", 6), said("b", 6)]);
        let mut kept: Vec<_> = acknowledgements.take().iter().map(|one| one.seq).collect();
        kept.sort_unstable();
        assert_eq!(kept, [6, 7]);
    }
}
