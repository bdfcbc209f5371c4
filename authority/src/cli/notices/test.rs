//! `flint notices test`

use serde::Serialize;

use super::To;
use crate::cli::{Exit, Global, output};
use crate::notices::send_test;

#[derive(clap::Args)]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    to: To,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Tried<'a> {
    webhook: &'a str,
    status: u16,
    signed: bool,
}

impl Test {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let Some(webhook) = self.to.webhook()? else {
            let message = "no webhook: use --notify-webhook, or set FLINT_NOTIFY_WEBHOOK";
            return Err(Exit { code: 2, message: message.into() }.into());
        };
        let (place, is_signed) = (webhook.to_string(), webhook.signs());
        let status = send_test(&webhook).await.map_err(|error| anyhow::anyhow!("{place}: {error}"))?;
        if global.json {
            return output::json(&Tried { webhook: &place, status, signed: is_signed });
        }
        let signed = if is_signed { "signed" } else { "without a signature" };
        output::print(&format!("{place} answered {status} to the test event, which was sent {signed}\n"))
    }
}
