//! `flint permissions …`

use serde_json::json;

use super::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::store::catalogue::Offered;

#[derive(clap::Subcommand)]
pub(super) enum Permissions {
    /// List the permissions that the dashboard offers
    List,
    /// Offer a permission, or describe it anew
    Offer {
        /// The permission, such as documents:read
        name: String,
        /// What it allows, in words
        #[arg(long)]
        description: String,
    },
    /// Withdraw a permission; keys that hold it keep it
    Withdraw {
        /// The permission
        name: String,
    },
}

impl Permissions {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (store, now, actor) = (global.open().await?, clock::now(), Actor::cli());
        match self {
            Self::List => {
                let list = store.permissions().await?;
                if global.json {
                    return output::json(&json!({ "permissions": list }));
                }
                let rows: Vec<_> = list.into_iter().map(|one| [one.name, one.description]).collect();
                output::print(&output::table(["permission", "description"], &rows))
            }
            Self::Offer { name, description } => {
                let offered = store.offer_permission(Offered { name, description }, now, &actor).await?;
                if global.json {
                    return output::json(&offered);
                }
                output::print(&format!("{} is offered\n", offered.name))
            }
            Self::Withdraw { name } => {
                store.withdraw_permission(&name, now, &actor).await?;
                if global.json {
                    return output::json(&json!({ "name": name }));
                }
                output::print(&format!("{name} is offered no more\n"))
            }
        }
    }
}
