//! `flint gateways rotate-token`

use crate::cli::duration::parse_span;
use crate::cli::{Global, output};
use crate::clock;
use crate::model::draft::Overlap;
use crate::store::{Actor, StoreError};
use crate::views::gateway::GatewayWithToken;

#[derive(clap::Args)]
pub(in crate::cli) struct RotateToken {
    /// The gateway's id or name
    gateway: String,
    /// How long the current tokens stay valid: now, 15m, 1h, 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_span)]
    overlap: i64,
}

impl RotateToken {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let overlap = Overlap::check(self.overlap).map_err(StoreError::Invalid)?;
        let (store, now) = (global.open_existing().await?, clock::now());
        let (gateway, token) = store.rotate_gateway_token(&self.gateway, overlap, now, &Actor::cli()).await?;
        if global.json {
            return output::json(&GatewayWithToken::new(gateway, &token));
        }
        eprintln!(
            "The previous tokens of {} expire at {}.",
            gateway.name,
            clock::to_text(now + self.overlap)
        );
        eprintln!("This is the new token. Save it now: it is not shown again.");
        output::print(&format!("{}\n", token.reveal()))
    }
}
