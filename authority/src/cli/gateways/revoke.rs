//! `flint gateways revoke`

use crate::cli::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::views::gateway::GatewayView;

#[derive(clap::Args)]
pub(in crate::cli) struct Revoke {
    /// The gateway's id or name
    gateway: String,
}

impl Revoke {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (store, now) = (global.open_existing().await?, clock::now());
        let gateway = store.revoke_gateway(&self.gateway, now, &Actor::cli()).await?;
        if global.json {
            let status = store.gateway_overview(now).await?.gateway(&gateway.id)?;
            return output::json(&GatewayView::from(status));
        }
        output::print(&format!("{} ({}) is revoked\n", gateway.id, gateway.name))
    }
}
