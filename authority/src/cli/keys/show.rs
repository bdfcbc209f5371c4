//! `flint keys show`

use crate::cli::{Global, output};
use crate::clock;
use crate::views::key::KeyView;

#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    /// The key's id, such as key_01JF8Z…
    id: String,
}

impl Show {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (store, now) = (global.open_existing().await?, clock::now());
        let listed = store.key_with_use(&self.id).await?;
        let view = KeyView::new(listed.key, listed.last_used, now);
        if global.json {
            return output::json(&view);
        }
        let told = store.propagation_of_key(&self.id, now).await?;
        output::print(&format!("{}{}", output::key(&view), output::propagation(&told)))
    }
}
