//! `flint gateways …`

mod create;
mod list;

use super::Global;

#[derive(clap::Subcommand)]
pub(super) enum Gateways {
    /// Register a gateway; its token is printed once, to standard output
    Create(create::Create),
    /// List gateways and what their processes have applied
    List(list::List),
}

impl Gateways {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(global).await,
            Self::List(list) => list.run(global).await,
        }
    }
}
