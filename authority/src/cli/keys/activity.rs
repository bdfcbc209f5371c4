//! `flint keys activity`

use crate::cli::{Global, output};
use crate::clock;
use crate::store::usage::activity::{Range, Whose};
use crate::views::activity::{ActivityView, to_csv};

#[derive(clap::Args)]
pub(in crate::cli) struct Activity {
    /// The key's id; omit it for all keys together
    id: Option<String>,
    /// All keys of this owner together
    #[arg(long, conflicts_with = "id")]
    owner: Option<String>,
    /// How far back: 1h, 24h, 7d, 30d or 90d
    #[arg(long, default_value = "24h", value_parser = range)]
    range: Range,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
}

impl Activity {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = global.open_existing().await?;
        let whose = match (self.id, self.owner) {
            (Some(id), _) => Whose::Key(store.key(&id).await?.id),
            (None, Some(owner)) => Whose::Owner(owner),
            (None, None) => Whose::Everyone,
        };
        let activity = store.activity(&whose, self.range, clock::now()).await?;
        if global.json {
            return output::json(&ActivityView::from(activity));
        }
        if self.csv {
            return output::raw(&to_csv(&activity));
        }
        let rows: Vec<_> =
            activity.totals().into_iter().map(|(outcome, count)| [outcome, count.to_string()]).collect();
        output::print(&output::table(["outcome", "count"], &rows))
    }
}

fn range(word: &str) -> Result<Range, String> {
    Range::parse(word).ok_or_else(|| "must be 1h, 24h, 7d, 30d or 90d".into())
}
