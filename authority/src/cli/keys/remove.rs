//! `flint keys remove`

use serde::Serialize;

use crate::cli::{Global, output};
use crate::clock;
use crate::store::Actor;

#[derive(clap::Args)]
pub(in crate::cli) struct Remove {
    /// The id of a key that is revoked or expired
    id: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Removed<'a> {
    id: &'a str,
}

impl Remove {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global.open_existing().await?.remove_key(&self.id, clock::now(), &Actor::cli()).await?;
        if global.json {
            return output::json(&Removed { id: &self.id });
        }
        output::print(&format!("{} is removed\n", self.id))
    }
}
