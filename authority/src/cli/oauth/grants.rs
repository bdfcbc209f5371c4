//! `flint oauth grants …`

use serde_json::json;

use super::super::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::store::oauth::grants::{Grant, GrantFilter};

#[derive(clap::Subcommand)]
pub(in crate::cli) enum Grants {
    /// List what users have granted
    List {
        /// Only grants to this client, by its id
        #[arg(long, value_name = "ID")]
        client: Option<String>,
        /// Only grants by this user, by name or id
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Revoke a grant: its tokens stop working at once
    Revoke {
        /// The grant's id
        id: String,
        /// The reason, for the audit log
        #[arg(long)]
        reason: Option<String>,
    },
}

impl Grants {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = global.open_existing().await?;
        match self {
            Self::List { client, user } => {
                let grants =
                    store.oauth_grants(&GrantFilter { client, user, ..GrantFilter::default() }).await?;
                if global.json {
                    return output::json(&json!({ "grants": grants }));
                }
                let row = |one: Grant| {
                    let revoked = output::time(one.revoked_at, "-");
                    [one.id, one.client_name, one.user_name, one.permissions.join(" "), revoked]
                };
                let rows: Vec<_> = grants.into_iter().map(row).collect();
                output::print(&output::table(["id", "client", "user", "permissions", "revoked"], &rows))
            }
            Self::Revoke { id, reason } => {
                let grant = store.revoke_oauth_grant(&id, None, reason, clock::now(), &Actor::cli()).await?;
                if global.json {
                    return output::json(&grant);
                }
                output::print(&format!("{id} is revoked\n"))
            }
        }
    }
}
