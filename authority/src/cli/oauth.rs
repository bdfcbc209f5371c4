//! `flint oauth …`: clients, grants and signing keys.

mod clients;
mod grants;
mod keys;

use std::path::PathBuf;

use super::{Exit, Global};
use crate::oauth::keyring::Keyring;

#[derive(clap::Subcommand)]
pub(super) enum Oauth {
    /// Register, list, change and remove OAuth clients
    #[command(subcommand)]
    Clients(clients::Clients),
    /// See and revoke what users have granted
    #[command(subcommand)]
    Grants(grants::Grants),
    /// See and rotate the keys that sign access tokens
    #[command(subcommand)]
    Keys(keys::Keys),
}

/// Where the private halves of the signing keys are.
#[derive(clap::Args)]
pub(super) struct SigningKeys {
    /// The folder of the private signing keys; the default with SQLite is <database>.signing-keys
    #[arg(long, value_name = "FOLDER", env = "FLINT_SIGNING_KEYS")]
    signing_keys: Option<PathBuf>,
}

impl SigningKeys {
    /// The keyring, which PostgreSQL needs a folder for.
    pub(super) fn keyring(&self, global: &Global) -> anyhow::Result<Keyring> {
        let beside = || global.database.path().map(Keyring::beside);
        let keyring = self.signing_keys.clone().map(Keyring::in_folder).or_else(beside);
        keyring.ok_or_else(|| {
            let message = "--signing-keys (or FLINT_SIGNING_KEYS) is required with PostgreSQL: private signing keys are \
                           files and never in the database"
                .into();
            Exit { code: 2, message }.into()
        })
    }
}

impl Oauth {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Clients(clients) => clients.run(global).await,
            Self::Grants(grants) => grants.run(global).await,
            Self::Keys(keys) => keys.run(global).await,
        }
    }
}
