//! `flint notices …`, and where `flint serve` is told to send them.

mod test;

use std::env::{self, VarError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Exit, Global};
use crate::notices::webhook::Webhook;

#[derive(clap::Subcommand)]
pub(super) enum Notices {
    /// Send a test event to the webhook
    Test(test::Test),
}

// Where notices go. A doc comment here would take the place of the verb's own.
#[derive(clap::Args)]
pub(super) struct To {
    /// Where to send notices 30, 14, 7 and 1 days before keys expire: an http or https URL
    ///
    /// If the URL is secret, set it in the environment or in a file: everyone on the machine can
    /// see arguments.
    #[arg(long, value_name = "URL", env = "FLINT_NOTIFY_WEBHOOK", hide_env_values = true)]
    notify_webhook: Option<String>,
    /// A file that contains the URL
    #[arg(long, value_name = "FILE", env = "FLINT_NOTIFY_WEBHOOK_FILE", conflicts_with = "notify_webhook")]
    notify_webhook_file: Option<PathBuf>,
    /// A file that contains the signing secret; or set FLINT_NOTIFY_WEBHOOK_SECRET
    ///
    /// The secret is whsec_ followed by the base64 of 24 to 64 random bytes.
    #[arg(long, value_name = "FILE", env = "FLINT_NOTIFY_WEBHOOK_SECRET_FILE")]
    notify_webhook_secret_file: Option<PathBuf>,
}

/// The signing secret itself. There is no argument for it.
const SECRET: &str = "FLINT_NOTIFY_WEBHOOK_SECRET";

impl Notices {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Test(test) => test.run(global).await,
        }
    }
}

impl To {
    /// The webhook, where one is named.
    pub(super) fn webhook(&self) -> anyhow::Result<Option<Webhook>> {
        let url = match (&self.notify_webhook, &self.notify_webhook_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => read(file)?,
            (None, None) => return Ok(None),
        };
        let webhook = Webhook::new(&url, self.secret()?.as_deref());
        Ok(Some(webhook.map_err(|error| Exit { code: 2, message: error.to_string() })?))
    }

    fn secret(&self) -> anyhow::Result<Option<String>> {
        match (env::var(SECRET), &self.notify_webhook_secret_file) {
            (Err(VarError::NotPresent), None) => Ok(None),
            (Err(VarError::NotPresent), Some(file)) => read(file).map(Some),
            (Ok(_), Some(_)) => {
                anyhow::bail!("both {SECRET} and a file are set: use one of them")
            }
            (Ok(secret), None) => Ok(Some(secret)),
            (Err(VarError::NotUnicode(_)), _) => anyhow::bail!("{SECRET} is not text"),
        }
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}
