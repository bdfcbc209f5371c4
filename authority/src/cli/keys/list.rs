//! `flint keys list`

use flint_contract::key::Environment;

use crate::cli::{Global, output};
use crate::clock;
use crate::model::State;
use crate::store::keys::listing::{Filter, Sort};
use crate::views::key::{KeyList, KeyView};

#[derive(clap::Args)]
pub(in crate::cli) struct List {
    /// Beginnings of words of the name, owner, id or visible parts of the key
    #[arg(long)]
    search: Option<String>,
    /// Only this environment: live or test
    #[arg(long, value_parser = environment)]
    environment: Option<Environment>,
    /// Only this status: pending, active, expired or revoked
    #[arg(long, value_parser = state)]
    status: Option<State>,
    /// Only keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// The order: created, name, expires or used
    #[arg(long, default_value = "created", value_parser = sort)]
    sort: Sort,
    /// Reverse the order
    #[arg(long)]
    descending: bool,
    /// How many keys at most
    #[arg(long, default_value = "50", value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
    /// Where to start: the next_cursor or previous_cursor of another page
    #[arg(long)]
    cursor: Option<String>,
}

impl List {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let now = clock::now();
        let filter = Filter {
            search: self.search,
            environment: self.environment,
            state: self.status,
            owner: self.owner,
            sort: self.sort,
            descending: self.descending,
            limit: self.limit,
            after: self.cursor,
            ..Filter::default()
        };
        let page = global.open_existing().await?.list_keys(&filter, now).await?;
        let list = KeyList::new(page, now);
        if global.json {
            return output::json(&list);
        }
        output::print(&table(&list.keys))?;
        if let Some(next) = list.next_cursor {
            eprintln!("More: --cursor {next}");
        }
        Ok(())
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
                output::status(key),
                key.hint.clone().unwrap_or_else(|| "imported".into()),
                key.owner.clone().unwrap_or_else(|| "-".into()),
                output::time(key.expires_at, "never"),
                output::time(key.last_used_at, "never"),
            ]
        })
        .collect();
    output::table(["id", "name", "env", "status", "key", "owner", "expires", "last used"], &rows)
}

fn environment(word: &str) -> Result<Environment, String> {
    Environment::parse(word).ok_or_else(|| "must be live or test".into())
}

fn state(word: &str) -> Result<State, String> {
    State::parse(word).ok_or_else(|| "must be pending, active, expired or revoked".into())
}

fn sort(word: &str) -> Result<Sort, String> {
    Sort::parse(word).ok_or_else(|| "must be created, name, expires or used".into())
}
