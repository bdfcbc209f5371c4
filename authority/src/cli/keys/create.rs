//! `flint keys create`

use crate::cli::duration::When;
use crate::cli::{Global, output};
use crate::clock;
use crate::model::draft::NewKey;
use crate::store::keys::Made;
use crate::store::{Actor, StoreError};
use crate::views::key::KeyWithSecret;

/// Shown below the options.
const EXAMPLES: &str = "\
Examples:
  flint keys create --name CI --environment live
  flint keys create --name Partner --environment live --permission documents:read --expires 30d
  export FLINT_API_KEY=$(flint keys create --name CI --environment test 2>/dev/null)";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Create {
    /// A descriptive name
    #[arg(long)]
    name: String,
    /// live (production) or test (sandbox)
    #[arg(long)]
    environment: String,
    /// A permission, such as documents:read; repeat for more, omit for full access
    #[arg(long = "permission", value_name = "RESOURCE:ACTION")]
    permissions: Vec<String>,
    /// Whose key it is, such as a customer's id
    #[arg(long)]
    owner: Option<String>,
    /// When it expires: 90d, never or 2027-01-15T08:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "90d", value_parser = When::parse)]
    expires: When,
    /// When it becomes valid, if not now: 7d or 2027-01-15T08:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    not_before: Option<When>,
    /// When it is due for rotation: 90d or never
    #[arg(long, value_name = "WHEN", default_value = "90d", value_parser = When::parse)]
    rotate: When,
    /// An allowed client address or block; repeat for more, omit for any
    #[arg(long = "cidr", value_name = "BLOCK")]
    cidrs: Vec<String>,
}

impl Create {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let now = clock::now();
        let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let new = NewKey {
            name: self.name,
            environment: self.environment,
            permissions: some(self.permissions),
            owner: self.owner,
            allowed_cidrs: some(self.cidrs),
            not_before: self.not_before.and_then(|end| end.after(now)),
            expires_at: Some(self.expires.after(now)),
            rotate_by: Some(self.rotate.after(now)),
        };
        let draft = new.check(now).map_err(StoreError::Invalid)?;
        let made = global.open().await?.create_key(draft, now, &Actor::cli()).await?;
        print(global, made, now)
    }
}

/// Prints a new key. Its secret goes to standard output alone, so that a script can take it from
/// there.
pub(super) fn print(global: &Global, made: Made, now: i64) -> anyhow::Result<()> {
    let made = KeyWithSecret::new(made, now);
    if global.json {
        return output::json(&made);
    }
    anstream::eprint!("{}", output::key(&made.key));
    eprintln!("\nThis is the key. Save it now: it is not shown again.");
    output::print(&format!("{}\n", made.secret))
}
