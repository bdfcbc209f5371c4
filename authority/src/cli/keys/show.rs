//! `flint keys show`

use crate::cli::{Global, output};
use crate::clock;
use crate::model::view::KeyView;

#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    /// The key's public name, such as key_01JF8Z…
    id: String,
}

impl Show {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let listed = global.open().await?.key_with_use(&self.id).await?;
        let view = KeyView::new(listed.key, listed.last_used, clock::now());
        if global.json { output::json(&view) } else { output::print(&output::key(&view)) }
    }
}
