//! `flint tokens …`

use super::duration::When;
use super::{Global, output};
use crate::clock;
use crate::store::Actor;
use crate::store::people::api_tokens::{ApiToken, NewApiToken};
use crate::views::token::{TokenList, TokenWithSecret};

#[derive(clap::Subcommand)]
pub(super) enum Tokens {
    /// Create an API token and print it once, to standard output
    Create {
        /// A descriptive name
        #[arg(long)]
        name: String,
        /// A permission, such as keys:read or keys:*; repeat for more
        #[arg(long = "permission", value_name = "RESOURCE:ACTION", required = true)]
        permissions: Vec<String>,
        /// When it expires: 90d, never or 2027-01-15T08:00:00Z
        #[arg(long, value_name = "WHEN", default_value = "90d", value_parser = When::parse)]
        expires: When,
    },
    /// List API tokens
    List,
    /// Revoke an API token permanently
    Revoke {
        /// The token's id
        id: String,
    },
}

impl Tokens {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = match &self {
            Self::Create { .. } => global.open().await?,
            _ => global.open_existing().await?,
        };
        let (now, actor) = (clock::now(), Actor::cli());
        match self {
            Self::Create { name, permissions, expires } => {
                let new = NewApiToken { name, permissions, expires_at: expires.after(now) };
                let (token, secret) = store.create_api_token(new, now, &actor).await?;
                if global.json {
                    return output::json(&TokenWithSecret::new(token, &secret));
                }
                eprintln!(
                    "{} has the permissions {}. Save the token now: it is not shown again.",
                    token.id,
                    token.permissions.join(" ")
                );
                output::print(&format!("{}\n", secret.reveal()))
            }
            Self::List => {
                let tokens = store.api_tokens().await?;
                if global.json {
                    return output::json(&TokenList { api_tokens: tokens });
                }
                output::print(&table(tokens))
            }
            Self::Revoke { id } => {
                let token = store.revoke_api_token(&id, now, &actor).await?;
                if global.json {
                    return output::json(&token);
                }
                output::print(&format!("{} ({}) is revoked\n", token.id, token.name))
            }
        }
    }
}

fn table(tokens: Vec<ApiToken>) -> String {
    let rows: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let expires = token.revoked_at.map_or_else(
                || output::time(token.expires_at, "never"),
                |at| format!("revoked {}", clock::to_text(at)),
            );
            let permissions = token.permissions.join(" ");
            [token.id, token.name, permissions, expires, output::time(token.last_used_at, "never")]
        })
        .collect();
    output::table(["id", "name", "permissions", "expires", "last used"], &rows)
}
