//! `flint gateways …`

mod create;
mod list;
mod revoke;
mod rotate_token;

use super::Global;

#[derive(clap::Subcommand)]
pub(super) enum Gateways {
    /// Register a gateway and print its token once, to standard output
    Create(create::Create),
    /// Issue a new token for a gateway; the current ones stay valid for the overlap
    RotateToken(rotate_token::RotateToken),
    /// Revoke a gateway: its tokens stop working, and its name is free
    Revoke(revoke::Revoke),
    /// List gateways and what each process has applied
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
