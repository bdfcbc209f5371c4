//! `flint permissions …`

use serde::Serialize;

use super::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::store::keys::catalogue::Offered;
use crate::views::permission::Catalogue;

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
        /// The permission, such as documents:read
        name: String,
    },
}

/// What `withdraw --json` prints.
#[derive(Serialize)]
struct Withdrawn<'a> {
    name: &'a str,
}

impl Permissions {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = match &self {
            Self::Offer { .. } => global.open().await?,
            _ => global.open_existing().await?,
        };
        let (now, actor) = (clock::now(), Actor::cli());
        match self {
            Self::List => {
                let list = store.permissions().await?;
                if global.json {
                    return output::json(&Catalogue { permissions: list });
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
                    return output::json(&Withdrawn { name: &name });
                }
                output::print(&format!("Removed {name}\n"))
            }
        }
    }
}
