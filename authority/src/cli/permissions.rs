//! `flint permissions …`

use serde_json::json;

use super::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::store::keys::catalogue::Offered;

#[derive(clap::Subcommand)]
pub(super) enum Permissions {
    /// List the permissions that the dashboard offers
    List,
    /// Add a permission, or change its description
    Offer {
        /// The permission, such as documents:read
        name: String,
        /// What it allows, in words
        #[arg(long)]
        description: String,
    },
    /// Remove a permission from the catalogue; keys that hold it keep it
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
                output::print(&format!("Added {}\n", offered.name))
            }
            Self::Withdraw { name } => {
                store.withdraw_permission(&name, now, &actor).await?;
                if global.json {
                    return output::json(&json!({ "name": name }));
                }
                output::print(&format!("Removed {name}\n"))
            }
        }
    }
}
