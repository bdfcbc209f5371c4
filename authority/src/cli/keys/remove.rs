//! `flint keys remove`

use serde_json::json;

use crate::cli::{Global, output};
use crate::clock;
use crate::store::Actor;

#[derive(clap::Args)]
pub(in crate::cli) struct Remove {
    /// The id of a key that is revoked or expired
    id: String,
}

impl Remove {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global.open_existing().await?.remove_key(&self.id, clock::now(), &Actor::cli()).await?;
        if global.json {
            return output::json(&json!({ "id": self.id }));
        }
        output::print(&format!("{} is removed\n", self.id))
    }
}
