//! `flint keys revoke-leaked`

use crate::cli::{Global, output};
use crate::clock;
use crate::views::key::LeakedAnswer;

#[derive(clap::Args)]
pub(in crate::cli) struct RevokeLeaked {}

impl RevokeLeaked {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let secret = output::read_line()?;
        let key = global.open_existing().await?.revoke_leaked(&secret, None, clock::now()).await?;
        if global.json {
            return output::json(&LeakedAnswer::from(key));
        }
        output::print(&format!("{} ({}) is revoked\n", key.id, key.name))
    }
}
