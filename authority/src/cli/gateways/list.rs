//! `flint gateways list`

use serde_json::json;

use crate::cli::{Global, output};
use crate::clock;
use crate::model::DAY;

/// Processes that were not heard of for this long are gone.
const FORGET: i64 = DAY;

#[derive(clap::Args)]
pub(in crate::cli) struct List {}

impl List {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let store = global.open_existing().await?;
        let (gateways, latest) = (store.gateways().await?, store.latest_change().await?);
        let processes = store.processes(clock::now() - FORGET).await?;
        let of = |id: &str| processes.iter().filter(|process| process.gateway_id == id).collect::<Vec<_>>();
        if global.json {
            let list: Vec<_> = gateways
                .iter()
                .map(|gateway| {
                    let processes: Vec<_> = of(&gateway.id)
                        .iter()
                        .map(|process| {
                            json!({
                                "id": process.process_id,
                                "applied_seq": process.applied_seq,
                                "applied_at": process.applied_at,
                                "seen_at": process.seen_at,
                                "changes_behind": (latest - process.applied_seq).max(0),
                            })
                        })
                        .collect();
                    json!({
                        "id": gateway.id,
                        "name": gateway.name,
                        "created_at": gateway.created_at,
                        "revoked_at": gateway.revoked_at,
                        "processes": processes,
                    })
                })
                .collect();
            return output::json(&json!({ "gateways": list, "latest_change": latest }));
        }
        let mut rows = Vec::new();
        for gateway in &gateways {
            let name = || [gateway.id.clone(), gateway.name.clone()];
            let processes = of(&gateway.id);
            if processes.is_empty() {
                let [id, name] = name();
                rows.push([id, name, "-".into(), "-".into(), "never".into()]);
            }
            for process in processes {
                let [id, name] = name();
                let behind = (latest - process.applied_seq).max(0).to_string();
                rows.push([id, name, process.process_id.clone(), behind, clock::to_text(process.seen_at)]);
            }
        }
        output::print(&output::table(["id", "name", "process", "changes behind", "last seen"], &rows))
    }
}
