//! `flint oauth clients …`

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::duration::parse_span;
use super::super::{Global, output};
use crate::clock;
use crate::oauth::client::{Amendment, NewClient};
use crate::store::Actor;
use crate::views;
use crate::views::oauth::ClientView;

#[derive(clap::Subcommand)]
pub(in crate::cli) enum Clients {
    /// Register a client and print its secret once, to standard output
    Create {
        /// The name that users see
        #[arg(long)]
        name: String,
        /// The environment of its tokens: live or test
        #[arg(long)]
        environment: String,
        /// The client cannot keep a secret: it runs on a user's device or in a browser
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        fields: Fields,
    },
    /// List clients
    List,
    /// Show a client
    Show {
        /// The client's id
        id: String,
    },
    /// Change a client, disable it or enable it again
    Update {
        /// The client's id
        id: String,
        /// The name that users see
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        fields: Fields,
        /// Disable the client: its tokens stop working at once
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Enable the client again
        #[arg(long)]
        enable: bool,
    },
    /// Add a secret and print it once, to standard output
    RotateSecret {
        /// The client's id
        id: String,
        /// How long the old secret stays valid; 0 ends it at once
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_span)]
        overlap: i64,
    },
    /// Remove a client: its tokens stop working at once
    Delete {
        /// The client's id
        id: String,
    },
}

/// What can be changed later too.
#[derive(clap::Args)]
pub(in crate::cli) struct Fields {
    /// Where users may be sent back to; repeat for more; update replaces all of them
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// A permission that it may ask for; repeat for more; update replaces all of them
    ///
    /// A new client may ask for everything if this is omitted.
    #[arg(long = "permission", value_name = "RESOURCE:ACTION")]
    permissions: Vec<String>,
    /// A grant type: authorization_code, refresh_token or client_credentials; repeat for more
    #[arg(long = "grant", value_name = "TYPE")]
    grants: Vec<String>,
    /// How it authenticates: client_secret_basic, client_secret_post, private_key_jwt or none
    #[arg(long, value_name = "METHOD")]
    auth: Option<String>,
    /// Its public keys for private_key_jwt, as a JWK set
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// How long an access token lives: 30 to 600
    #[arg(long, value_name = "SECONDS")]
    access_token_seconds: Option<i64>,
    /// How long a refresh token lives if it is not used
    #[arg(long, value_name = "SECONDS")]
    refresh_idle_seconds: Option<i64>,
    /// How long the refresh tokens of one consent live altogether
    #[arg(long, value_name = "SECONDS")]
    refresh_max_seconds: Option<i64>,
}

impl Fields {
    fn read(self) -> anyhow::Result<Amendment> {
        let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        let jwks = self.jwks.map(|path| {
            let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let shown = path.display();
            serde_json::from_slice::<Value>(&text).map_err(|_| anyhow::anyhow!("{shown} is not JSON"))
        });
        Ok(Amendment {
            redirect_uris: some(self.redirect_uris),
            permissions: some(self.permissions),
            grant_types: some(self.grants),
            auth_method: self.auth,
            jwks: jwks.transpose()?.map(Some),
            access: self.access_token_seconds,
            refresh_idle: self.refresh_idle_seconds,
            refresh_max: self.refresh_max_seconds,
            ..Amendment::default()
        })
    }
}

impl Clients {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (now, actor) = (clock::now(), Actor::cli());
        match self {
            Self::Create { name, environment, public, fields } => {
                let kind = public.then(|| "public".to_owned());
                let new = NewClient { name, kind, environment, rest: fields.read()? };
                let (made, secret) = global.open().await?.create_oauth_client(new, now, &actor).await?;
                let secret = secret.map(|secret| secret.reveal().to_owned());
                show_made(global, &ClientView::new(made, secret), "is registered")
            }
            Self::List => list(global, now).await,
            Self::Show { id } => {
                let found = global.open_existing().await?.oauth_client(&id, now).await?;
                show(global, &ClientView::new(found, None))
            }
            Self::Update { id, name, fields, disable, enable } => {
                let disabled = if disable { Some(true) } else { enable.then_some(false) };
                let amendment = Amendment { name, disabled, ..fields.read()? };
                let store = global.open_existing().await?;
                let changed = store.amend_oauth_client(&id, amendment, now, &actor).await?;
                show(global, &ClientView::new(changed, None))
            }
            Self::RotateSecret { id, overlap } => {
                let store = global.open_existing().await?;
                let (client, secret) = store.rotate_oauth_secret(&id, overlap, now, &actor).await?;
                show_made(
                    global,
                    &ClientView::new(client, Some(secret.reveal().into())),
                    "has another secret",
                )
            }
            Self::Delete { id } => {
                global.open_existing().await?.remove_oauth_client(&id, now, &actor).await?;
                if global.json {
                    return output::json(&json!({ "id": id, "removed": true }));
                }
                output::print(&format!("{id} is removed\n"))
            }
        }
    }
}

/// The secret alone on standard output, or all of it as JSON.
fn show_made(global: &Global, client: &ClientView, what: &str) -> anyhow::Result<()> {
    if global.json {
        return output::json(client);
    }
    eprintln!("{} {what} as {}.", client.name, client.id);
    match &client.client_secret {
        Some(secret) => {
            eprintln!("Save its secret now: it is not shown again.");
            output::print(&format!("{secret}\n"))
        }
        None => Ok(()),
    }
}

fn show(global: &Global, client: &ClientView) -> anyhow::Result<()> {
    if global.json {
        return output::json(client);
    }
    let secrets: Vec<_> = client
        .secrets
        .iter()
        .map(|one| format!("{} until {}", one.hint, output::time(one.expires_at, "it is rotated")))
        .collect();
    let facts = [
        ("id", client.id.clone()),
        ("name", client.name.clone()),
        ("kind", client.kind.into()),
        ("environment", client.environment.into()),
        ("redirect URIs", client.redirect_uris.join(" ")),
        ("permissions", client.permissions.join(" ")),
        ("grant types", client.grant_types.join(" ")),
        ("auth", client.token_endpoint_auth_method.into()),
        ("secrets", secrets.join(", ")),
        ("access token", format!("{} s", client.access_token_seconds)),
        ("refresh idle", format!("{} s", client.refresh_idle_seconds)),
        ("refresh max", format!("{} s", client.refresh_max_seconds)),
        ("created", format!("{} by {}", clock::to_text(client.created_at), views::who(&client.created_by))),
        ("disabled", output::time(client.disabled_at, "-")),
        ("last used", output::time(client.last_used_at, "never")),
    ];
    let rows: Vec<_> = facts.map(|(name, fact)| [name.to_owned(), fact]).into();
    output::print(&output::table(["field", "value"], &rows))
}

async fn list(global: &Global, now: i64) -> anyhow::Result<()> {
    let all = global.open_existing().await?.oauth_clients(now).await?;
    let all: Vec<_> = all.into_iter().map(|one| ClientView::new(one, None)).collect();
    if global.json {
        return output::json(&json!({ "clients": all }));
    }
    let row = |one: ClientView| {
        let used = output::time(one.last_used_at, "never");
        let state = output::state(one.disabled_at);
        [one.id, one.name, one.kind.into(), one.environment.into(), used, state]
    };
    let rows: Vec<_> = all.into_iter().map(row).collect();
    output::print(&output::table(["id", "name", "kind", "environment", "last used", "status"], &rows))
}
