//! The filter fails to load on some workers (acceptance E2): Envoy leaves it out there, and the
//! shipped configurations still refuse.

use std::collections::BTreeSet;

use serde_json::json;

use crate::authority::Authority;
use crate::client::Request;
use crate::harness::{Gateway, faulty_wasm};
use crate::keys::Key;
use crate::scene::{Scene, configuration};
use crate::shipped::{self, LISTENER, Peers};
use crate::upstream::Upstream;

/// What Envoy says of a worker that it runs without the filter.
const LEFT_OUT: &str = "Failed to configure thread-local Wasm plugin";
/// The first calls of `on_configure` are the main thread's; of the calls from the fourth on some
/// are workers'.
const FAULT: &str = r#""faults": {"fail_configure_from": 4}"#;

#[test]
fn without_a_guard_a_worker_without_the_filter_lets_everything_through() {
    let faulty = configuration(json!({"faults": {"fail_configure_from": 4}}));
    let scene = Scene::plan(|plan| plan.workers(4).faulty_wasm(faulty_wasm()).listener("main", faulty));
    let statuses: BTreeSet<u16> = scene
        .connections("main")
        .iter_mut()
        .map(|connection| connection.send(&Request::get("/documents")).status)
        .collect();
    assert!(scene.gateway.log().contains(LEFT_OUT));
    // Were this to change, Envoy would have closed the hole that the guard is there for.
    assert_eq!(statuses, BTreeSet::from([200, 401]));
}

#[test]
fn shipped_configurations_refuse_on_workers_without_the_filter() {
    for file in shipped::all() {
        let name = file.name();
        if name == "tls" {
            // The same filters as in minimal.yaml; its authority is what differs.
            continue;
        }
        let path = if name == "mcp" { "/mcp" } else { "/documents" };
        let (authority, upstream) = (Authority::start(), Upstream::start("production"));
        let peers =
            Peers { authority: authority.address(), upstream: upstream.address, sandbox: upstream.address };
        let faulty = file
            .replace("filename: dist/flint-auth.wasm", &format!("filename: {}", faulty_wasm().display()))
            .replace(r#""authority": {"#, &format!(r#"{FAULT}, "authority": {{"#));
        let gateway = Gateway::start(faulty.plan(&peers).workers(4));
        let key = Key::live("good").may(&["*"]);
        authority.publish([&key]);
        let mut seen = BTreeSet::new();
        for mut connection in gateway.connections(LISTENER) {
            let none = connection.send(&Request::get(path)).status;
            seen.insert((none, connection.send(&Request::get(path).bearer(&key.secret)).status));
        }
        assert!(gateway.log().contains(LEFT_OUT), "{name}: the fault did not happen");
        assert!(seen.contains(&(403, 403)), "{name}: {seen:?}");
        assert!(
            seen.iter().all(|(none, good)| matches!((none, good), (403, 403) | (401, 200 | 429))),
            "{name}: {seen:?}"
        );
    }
}
