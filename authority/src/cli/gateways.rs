//! `flint gateways …`

mod create;
mod list;
mod revoke;
mod rotate_token;

use super::Global;

#[derive(clap::Subcommand)]
pub(super) enum Gateways {
    /// Register a gateway; its token is printed once, to standard output
    Create(create::Create),
    /// Make another token for a gateway; its old ones go on for a while
    RotateToken(rotate_token::RotateToken),
    /// Shut a gateway out
    Revoke(revoke::Revoke),
    /// List gateways and what their processes have applied
    List(list::List),
}

impl Gateways {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(global).await,
            Self::RotateToken(rotate) => rotate.run(global).await,
            Self::Revoke(revoke) => revoke.run(global).await,
            Self::List(list) => list.run(global).await,
        }
    }
}
