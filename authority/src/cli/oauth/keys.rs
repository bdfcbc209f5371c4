//! `flint oauth keys …`

use serde_json::json;

use super::super::{Global, output};
use super::SigningKeys;
use crate::clock;
use crate::oauth::key_life::Algorithm;
use crate::store::Actor;
use crate::views::oauth::SigningKeyView;

#[derive(clap::Subcommand)]
pub(in crate::cli) enum Keys {
    /// List the keys that are published
    List,
    /// Create a signing key: it is published at once and signs from 15 minutes later
    Rotate {
        /// Sign with it at once and withdraw the others at once: tokens that they signed are
        /// refused
        #[arg(long)]
        now: bool,
        /// The algorithm: ES256, EdDSA or RS256
        #[arg(long, default_value = "ES256", value_parser = parse)]
        algorithm: Algorithm,
        #[command(flatten)]
        folder: SigningKeys,
    },
    /// Withdraw a key that no longer signs, before its time: tokens that it signed break
    Retire {
        /// The key's id
        kid: String,
    },
}

fn parse(word: &str) -> Result<Algorithm, String> {
    Algorithm::parse(word).ok_or_else(|| "must be ES256, EdDSA or RS256".into())
}

impl Keys {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let at = clock::now();
        match self {
            Self::List => {
                let store = global.open_existing().await?;
                let all = SigningKeyView::all(&store.signing_keys(at).await?, at);
                if global.json {
                    return output::json(&json!({ "keys": all }));
                }
                let row = |one: SigningKeyView| {
                    let until = output::time(one.published_until, "rotated");
                    [one.kid, one.algorithm.into(), one.state.into(), clock::to_text(one.signs_from), until]
                };
                let rows: Vec<_> = all.into_iter().map(row).collect();
                output::print(&output::table(
                    ["kid", "algorithm", "state", "signs from", "published until"],
                    &rows,
                ))
            }
            Self::Retire { kid } => {
                global.open_existing().await?.retire_signing_key(&kid, at, &Actor::cli()).await?;
                if global.json {
                    return output::json(&json!({ "kid": kid, "retired": true }));
                }
                output::print(&format!("{kid} is withdrawn\n"))
            }
            Self::Rotate { now, algorithm, folder } => {
                let (keyring, store) = (folder.keyring(global)?, global.open_existing().await?);
                let actor = Actor::cli();
                let made = store.rotate_signing_key(&keyring, algorithm, now, false, at, &actor).await?;
                let kid = made.map(|key| key.times.kid).unwrap_or_default();
                let all = SigningKeyView::all(&store.signing_keys(at).await?, at);
                let view = all.into_iter().find(|key| key.kid == kid);
                if global.json {
                    return output::json(&view);
                }
                output::print(&format!(
                    "{kid} is published; its private half is in {}\n",
                    keyring.folder().display()
                ))
            }
        }
    }
}
