//! `flint gateways create`

use crate::cli::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::views::gateway::GatewayWithToken;

#[derive(clap::Args)]
pub(in crate::cli) struct Create {
    /// A name for the deployment of Envoy; unique among gateways that are not revoked
    name: String,
}

impl Create {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = global.open().await?;
        let (gateway, token) = store.create_gateway(&self.name, clock::now(), &Actor::cli()).await?;
        if global.json {
            return output::json(&GatewayWithToken::new(gateway, &token));
        }
        eprintln!("Registered gateway {} ({}).", gateway.id, gateway.name);
        eprintln!(
            "This is its token. Set it as FLINT_GATEWAY_TOKEN in Envoy's environment. It is not shown again."
        );
        output::print(&format!("{}\n", token.reveal()))
    }
}
