//! `flint keys update`

use crate::cli::duration::When;
use crate::cli::{Global, output};
use crate::clock;
use crate::model::draft::Amendment;
use crate::store::{Actor, StoreError};
use crate::views::key::KeyView;

#[derive(clap::Args)]
pub(in crate::cli) struct Update {
    /// The key's id, such as key_01JF8Z…
    id: String,
    /// A descriptive name
    #[arg(long)]
    name: Option<String>,
    /// A permission; the ones given replace all that the key has; repeat for more
    #[arg(long = "permission", value_name = "RESOURCE:ACTION", conflicts_with = "no_permissions")]
    permissions: Vec<String>,
    /// Remove every permission
    #[arg(long)]
    no_permissions: bool,
    /// Whose key it is; an empty text removes the owner
    #[arg(long)]
    owner: Option<String>,
    /// An allowed address or block; the ones given replace all that the key has; repeat for more
    #[arg(long = "cidr", value_name = "BLOCK", conflicts_with = "everywhere")]
    cidrs: Vec<String>,
    /// Allow every address
    #[arg(long)]
    everywhere: bool,
    /// When it expires: 90d, never or 2027-01-15T08:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    expires: Option<When>,
    /// When it is due for rotation: 90d or never
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    rotate: Option<When>,
}

impl Update {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let now = clock::now();
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let amendment = Amendment {
            name: self.name,
            permissions: some(self.permissions).or_else(|| self.no_permissions.then(Vec::new)),
            owner: self.owner.map(Some),
            allowed_cidrs: some(self.cidrs).map(Some).or_else(|| self.everywhere.then_some(None)),
            expires_at: self.expires.map(|end| end.after(now)),
            rotate_by: self.rotate.map(|end| end.after(now)),
            version: None,
        };
        let store = global.open_existing().await?;
        let amendment = amendment.check(now).map_err(StoreError::Invalid)?;
        store.amend_key(&self.id, amendment, now, &Actor::cli()).await?;
        let listed = store.key_with_use(&self.id).await?;
        let view = KeyView::new(listed.key, listed.last_used, now);
        if global.json { output::json(&view) } else { output::print(&output::key(&view)) }
    }
}
