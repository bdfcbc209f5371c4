//! `flint audit`

use super::{Global, output};
use crate::clock;
use crate::store::audit::{AuditFilter, AuditLine};
use crate::views::audit::{to_csv, to_json_lines};

/// Read the audit log: who changed what, when and from where
#[derive(clap::Args)]
pub(super) struct Audit {
    /// Only entries about this id
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Only actions that begin with this, such as key. or key.revoke
    #[arg(long, value_name = "PREFIX")]
    action: Option<String>,
    /// How many entries at most, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
}

impl Audit {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut filter = AuditFilter {
            subject: self.subject,
            action: self.action,
            limit: self.limit,
            ..AuditFilter::default()
        };
        let store = global.open_existing().await?;
        let mut lines = Vec::new();
        while filter.limit > 0 {
            let page = store.audit(&filter).await?;
            filter.limit -= filter.limit.min(u32::try_from(page.lines.len()).unwrap_or(u32::MAX));
            lines.extend(page.lines);
            filter.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        if global.json {
            return output::raw(&to_json_lines(&lines));
        }
        if self.csv { output::raw(&to_csv(&lines)) } else { output::print(&table(lines)) }
    }
}

fn table(lines: Vec<AuditLine>) -> String {
    let rows: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let who = format!("{}:{}", line.actor_kind, line.actor);
            [
                clock::to_text(line.at),
                who,
                line.address.unwrap_or_else(|| "-".into()),
                line.action,
                line.subject,
            ]
        })
        .collect();
    output::table(["when", "who", "from", "what", "to"], &rows)
}
