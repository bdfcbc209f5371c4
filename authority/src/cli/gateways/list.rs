//! `flint gateways list`

use crate::cli::colour::{BAD, GOOD, WARN, paint};
use crate::cli::{Global, output};
use crate::clock;
use crate::store::feed::propagation::Standing;
use crate::store::feed::standing::GatewayStanding;
use crate::views::gateway::{GatewayList, GatewayView};

#[derive(clap::Args)]
pub(in crate::cli) struct List {}

impl List {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let overview = global.open_existing().await?.gateway_overview(clock::now()).await?;
        let list = GatewayList::from(overview);
        if global.json {
            return output::json(&list);
        }
        let rows: Vec<_> = list.gateways.iter().flat_map(rows).collect();
        let headings = ["id", "name", "process", "standing", "changes behind", "last seen"];
        output::print(&output::table(headings, &rows))
    }
}

/// A line for each process, or one for a gateway that has none.
fn rows(gateway: &GatewayView) -> Vec<[String; 6]> {
    let is_revoked = gateway.standing == GatewayStanding::Revoked;
    let standing = match gateway.standing {
        GatewayStanding::Revoked => paint(BAD, "revoked"),
        other => other.as_str().into(),
    };
    let row = |process: String, standing, behind: String, seen: String| {
        [gateway.id.clone(), gateway.name.clone(), process, standing, behind, seen]
    };
    if gateway.processes.is_empty() {
        return vec![row("-".into(), standing, "-".into(), "not within a day".into())];
    }
    let processes = gateway.processes.iter().map(|process| {
        let own = match process.standing {
            Standing::Applied => paint(GOOD, "applied"),
            Standing::Pending => paint(WARN, "pending"),
            Standing::Silent => paint(BAD, "silent"),
        };
        let standing = if is_revoked { standing.clone() } else { own };
        let seen = clock::to_text(process.seen_at);
        row(process.id.clone(), standing, process.changes_behind.to_string(), seen)
    });
    processes.collect()
}
