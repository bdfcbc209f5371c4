//! `flint keys …`

mod create;
mod list;
mod revoke;
mod rotate;
mod show;

use super::Global;

#[derive(clap::Subcommand)]
pub(super) enum Keys {
    /// Make a key; its secret is printed once, to standard output
    Create(create::Create),
    /// List keys
    List(list::List),
    /// Show a key
    Show(show::Show),
    /// Make a key that takes over from another, which goes on for a while
    Rotate(rotate::Rotate),
    /// End a key for good
    Revoke(revoke::Revoke),
}

impl Keys {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(global).await,
            Self::List(list) => list.run(global).await,
            Self::Show(show) => show.run(global).await,
            Self::Rotate(rotate) => rotate.run(global).await,
            Self::Revoke(revoke) => revoke.run(global).await,
        }
    }
}
