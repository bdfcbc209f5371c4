//! `flint keys revoke`

use crate::cli::{Global, output};
use crate::clock;
use crate::model::view::KeyView;
use crate::store::Actor;

#[derive(clap::Args)]
pub(in crate::cli) struct Revoke {
    /// The key's public name, such as key_01JF8Z…
    id: String,
    /// Why, for whoever reads the audit log
    #[arg(long)]
    reason: Option<String>,
}

impl Revoke {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let now = clock::now();
        let key = global.open().await?.revoke_key(&self.id, self.reason, now, &Actor::cli()).await?;
        let view = KeyView::new(key, None, now);
        if global.json {
            return output::json(&view);
        }
        let when = output::time(view.revoked_at, "-");
        output::print(&format!("{} ({}) is revoked as of {when}\n", view.id, view.name))
    }
}
