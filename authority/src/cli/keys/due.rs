//! `flint keys due`

use serde::Serialize;

use crate::cli::duration::parse_span;
use crate::cli::{Exit, Global, output};
use crate::clock;
use crate::store::keys::listing::{Filter, MAX_PAGE};
use crate::views;
use crate::views::key::{KeyList, KeyView};

/// The exit code of `flint keys due` if there are any.
const SOME_ARE_DUE: u8 = 10;

#[derive(clap::Args)]
pub(in crate::cli) struct Due {
    /// Also keys that will be due within this time, such as 14d
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = parse_span)]
    within: i64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct DueKeys<'a> {
    keys: &'a [KeyView],
}

impl Due {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (store, now) = (global.open_existing().await?, clock::now());
        let mut filter = Filter { due_by: Some(now + self.within), limit: MAX_PAGE, ..Filter::default() };
        let mut keys = Vec::new();
        loop {
            let page = store.list_keys(&filter, now).await?;
            let page = KeyList::new(page, now);
            keys.extend(page.keys);
            match page.next_cursor {
                Some(next) => filter.after = Some(next),
                None => break,
            }
        }
        keys.sort_by_key(|key| key.rotate_by);
        if global.json {
            output::json(&DueKeys { keys: &keys })?;
        } else if keys.is_empty() {
            output::print("No key is due for rotation\n")?;
        } else {
            output::print(&table(&keys))?;
        }
        if keys.is_empty() {
            return Ok(());
        }
        let are = if keys.len() == 1 { "is" } else { "are" };
        let message = format!("{} {are} due for rotation", views::count(keys.len(), "key"));
        Err(Exit { code: SOME_ARE_DUE, message }.into())
    }
}

fn table(keys: &[KeyView]) -> String {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                key.id.clone(),
                key.name.clone(),
                key.environment.into(),
                key.owner.clone().unwrap_or_else(|| "-".into()),
                output::time(key.rotate_by, "-"),
                output::time(key.last_used_at, "never"),
            ]
        })
        .collect();
    output::table(["id", "name", "env", "owner", "rotate by", "last used"], &rows)
}
