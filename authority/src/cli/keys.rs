//! `flint keys …`

mod activity;
mod check;
mod create;
mod due;
mod import;
mod list;
mod remove;
mod revoke;
mod revoke_leaked;
mod rotate;
mod show;
mod update;

use super::Global;

#[derive(clap::Subcommand)]
pub(super) enum Keys {
    /// Create a key and print its secret once, to standard output
    Create(create::Create),
    /// List keys
    List(list::List),
    /// Show a key
    Show(show::Show),
    /// Change a key
    Update(update::Update),
    /// Replace a key with a new one; the old key stays valid for the overlap
    Rotate(rotate::Rotate),
    /// Revoke a key permanently
    Revoke(revoke::Revoke),
    /// Revoke a leaked key by its secret, read from standard input
    RevokeLeaked(revoke_leaked::RevokeLeaked),
    /// Remove an expired or revoked key; gateways forget it
    Remove(remove::Remove),
    /// Import existing keys by their SHA-256
    Import(import::Import),
    /// Show how often keys were used, by outcome
    Activity(activity::Activity),
    /// List keys that are due for rotation; exits with 10 if there are any
    Due(due::Due),
    /// Check a key's format and checksum offline; the key is read from standard input
    Check(check::Check),
}

impl Keys {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(global).await,
            Self::List(list) => list.run(global).await,
            Self::Show(show) => show.run(global).await,
            Self::Rotate(rotate) => rotate.run(global).await,
            Self::Update(update) => update.run(global).await,
            Self::Revoke(revoke) => revoke.run(global).await,
            Self::RevokeLeaked(revoke) => revoke.run(global).await,
            Self::Remove(remove) => remove.run(global).await,
            Self::Import(import) => import.run(global).await,
            Self::Activity(activity) => activity.run(global).await,
            Self::Due(due) => due.run(global).await,
            Self::Check(check) => check.run(global),
        }
    }
}
