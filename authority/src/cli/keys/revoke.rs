//! `flint keys revoke`

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::cli::duration::parse_span;
use crate::cli::{Exit, Global, output};
use crate::clock;
use crate::model::draft::Reason;
use crate::store::feed::propagation::Propagation;
use crate::store::{Actor, Store, StoreError};
use crate::views::gateway::PropagationView;
use crate::views::key::KeyView;

/// Shown below the options.
const EXAMPLE: &str = "\
Example:
  flint keys revoke key_01JF8Z… --reason \"leaked in a build log\" --wait 10s";

#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(in crate::cli) struct Revoke {
    /// The key's id, such as key_01JF8Z…
    id: String,
    /// The reason, for the audit log
    #[arg(long)]
    reason: Option<String>,
    /// Wait up to this long, such as 10s, until every gateway refuses the key, and show which do
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    wait: Option<i64>,
}

/// What `--json` prints: which gateways refuse the key, if they were waited for.
#[derive(Serialize)]
struct Revoked<'a> {
    #[serde(flatten)]
    key: &'a KeyView,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_by: Option<PropagationView>,
}

impl Revoke {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let reason = Reason::check(self.reason).map_err(StoreError::Invalid)?;
        let (store, now) = (global.open_existing().await?, clock::now());
        let last_used = store.key_with_use(&self.id).await?.last_used;
        let key = store.revoke_key(&self.id, reason, now, &Actor::cli()).await?;
        let view = KeyView::new(key, last_used, now);
        let told = match self.wait {
            Some(span) => Some(wait(&store, &view.id, span).await?),
            None => None,
        };
        if global.json {
            let refused_by = told.clone().map(PropagationView::from);
            output::json(&Revoked { key: &view, refused_by })?;
        } else {
            let when = output::time(view.revoked_at, "-");
            output::print(&format!("{} ({}) is revoked as of {when}\n", view.id, view.name))?;
            if let Some(told) = &told {
                output::print(&output::propagation(told))?;
            }
        }
        match told {
            Some(told) if told.applied < told.of => {
                Err(Exit { code: 1, message: "not every gateway refuses the key yet".into() }.into())
            }
            _ => Ok(()),
        }
    }
}

/// Looks again until every process acts on the key's latest change, or the time is over.
async fn wait(store: &Store, id: &str, span: i64) -> anyhow::Result<Propagation> {
    let until = Instant::now() + Duration::from_secs(span.unsigned_abs());
    loop {
        let told = store.propagation_of_key(id, clock::now()).await?;
        if told.applied == told.of || Instant::now() >= until {
            return Ok(told);
        }
        sleep(Duration::from_millis(100)).await;
    }
}
