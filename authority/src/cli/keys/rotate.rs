//! `flint keys rotate`

use crate::cli::duration::parse_span;
use crate::cli::{Global, output};
use crate::clock;
use crate::model::draft::Overlap;
use crate::store::{Actor, StoreError};
use crate::views::key::RotatedKey;

#[derive(clap::Args)]
pub(in crate::cli) struct Rotate {
    /// The key's id, such as key_01JF8Z…
    id: String,
    /// How long the old key stays valid: now, 15m, 1h, 24h, 7d; never beyond its own expiry
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_span)]
    overlap: i64,
}

impl Rotate {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let overlap = Overlap::check(self.overlap).map_err(StoreError::Invalid)?;
        let now = clock::now();
        let store = global.open_existing().await?;
        // Asked first: when there is a new key, nothing may fail that would keep its secret back.
        let last_used = store.key_with_use(&self.id).await?.last_used;
        let rotated = store.rotate_key(&self.id, overlap, now, &Actor::cli()).await?;
        if global.json {
            return output::json(&RotatedKey::new(rotated, last_used, now));
        }
        let old = &rotated.old;
        let fate = match (old.revoked_at, old.expires_at) {
            (Some(_), _) => "is revoked".into(),
            (None, end) => format!("stays valid until {}", output::time(end, "-")),
        };
        eprintln!("{} {fate}. It is replaced by:\n", old.id);
        super::create::print(global, rotated.new, now)
    }
}
