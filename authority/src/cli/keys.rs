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
    /// Make a key; its secret is printed once, to standard output
    Create(create::Create),
    /// List keys
    List(list::List),
    /// Show a key
    Show(show::Show),
    /// Change a key
    Update(update::Update),
    /// Make a key that takes over from another, which goes on for a while
    Rotate(rotate::Rotate),
    /// End a key for good
    Revoke(revoke::Revoke),
    /// End a key for good by its secret, read from standard input
    RevokeLeaked(revoke_leaked::RevokeLeaked),
    /// Remove a key that is over; gateways forget it
    Remove(remove::Remove),
    /// Bring in keys of elsewhere by their digests
    Import(import::Import),
    /// Show what keys were used for
    Activity(activity::Activity),
    /// List keys that are due for rotation; ends with 10 where there are some
    Due(due::Due),
    /// Check a key's letters offline; the key is read from standard input
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
