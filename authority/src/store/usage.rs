//! Usage reports, as they come in (contract §7).

use flint_contract::protocol::UsageReport;

use super::{Store, StoreError};

/// What became of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// It is stored, and stays stored.
    Stored,
    /// It was here before.
    Again,
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
    /// Stores a report, once, whatever the number of times that it comes. It must be a good one.
    ///
    /// # Errors
    /// Where the database fails; the report is not stored then.
    pub async fn receive_usage(
        &self,
        report: &UsageReport,
        sender: Sender<'_>,
    ) -> Result<Received, StoreError> {
        let entries = serde_json::to_string(&report.entries).map_err(|_| StoreError::Corrupt("a report"))?;
        let sql = "INSERT INTO usage_report (report_id, gateway_id, process_id, received_at, from_at, to_at, dropped, \
                   entries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (report_id) DO NOTHING";
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
            .execute(&mut *write.tx)
            .await?;
        write.commit().await?;
        Ok(if done.rows_affected() == 1 { Received::Stored } else { Received::Again })
    }
}
