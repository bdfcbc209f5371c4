//! Usage reports, as they come in (contract §7).

use crate::model::usage::GoodReport;
use crate::store::{Store, StoreError};

/// How many reports of one gateway may wait to be added up, and how many entries they may have.
const MOST_PENDING: (i64, i64) = (10_000, 1_000_000);

/// What became of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// It is stored, and stays stored.
    Stored,
    /// It was here before.
    Again,
    /// It is not stored: too much of this gateway waits to be added up.
    Full,
}

/// Who sent a report, and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The gateway.
    pub gateway_id: &'a str,
    /// Its process.
    pub process_id: &'a str,
    /// When, in Unix seconds.
    pub received_at: i64,
}

impl Store {
    /// Stores a report, once, whatever the number of times that it comes.
    ///
    /// # Errors
    /// If the database fails; the report is not stored then.
    pub async fn receive_usage(
        &self,
        report: &GoodReport,
        sender: Sender<'_>,
    ) -> Result<Received, StoreError> {
        let report = report.get();
        if self.is_full(sender.gateway_id).await? {
            return Ok(Received::Full);
        }
        let entries = serde_json::to_string(&report.entries).map_err(|_| StoreError::Corrupt("a report"))?;
        let sql = "INSERT INTO usage_report (report_id, gateway_id, process_id, received_at, from_at, to_at, dropped, \
                   entries, entry_count) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (report_id) DO NOTHING";
        let mut write = self.write().await?;
        let done = sqlx::query(sql)
            .bind(report.report_id.as_str())
            .bind(sender.gateway_id)
            .bind(sender.process_id)
            .bind(sender.received_at)
            .bind(report.from)
            .bind(report.to)
            .bind(i64::try_from(report.dropped).unwrap_or(i64::MAX))
            .bind(entries)
            .bind(i64::try_from(report.entries.len()).unwrap_or(i64::MAX))
            .execute(&mut *write.tx)
            .await?;
        write.commit().await?;
        Ok(if done.rows_affected() == 1 { Received::Stored } else { Received::Again })
    }

    /// Whether as much of a gateway waits to be added up as may. Looks at no more than that.
    async fn is_full(&self, gateway_id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(entry_count), 0) AS BIGINT) FROM \
                   (SELECT entry_count FROM usage_report WHERE gateway_id = $1 AND rolled_up_at IS NULL LIMIT $2) \
                   AS waiting";
        let (most_reports, most_entries) = MOST_PENDING;
        let query = sqlx::query_as(sql).bind(gateway_id.to_owned()).bind(most_reports);
        let (reports, entries): (i64, i64) = query.fetch_one(&self.pool).await?;
        Ok(reports >= most_reports || entries >= most_entries)
    }
}
