//! `flint gateways revoke`

use serde_json::json;

use crate::cli::{Global, output};
use crate::clock;
use crate::store::Actor;

#[derive(clap::Args)]
pub(in crate::cli) struct Revoke {
    /// The gateway's id or name
    gateway: String,
}

impl Revoke {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = global.open_existing().await?;
        let gateway = store.revoke_gateway(&self.gateway, clock::now(), &Actor::cli()).await?;
        if global.json {
            let value = json!({ "id": gateway.id, "name": gateway.name, "revoked_at": gateway.revoked_at });
            return output::json(&value);
        }
        output::print(&format!("{} ({}) is revoked\n", gateway.id, gateway.name))
    }
}
