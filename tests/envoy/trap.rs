//! The filter dies on one worker (acceptance E1): what it leaves is closed, never open.

use serde_json::{Value, json};

use crate::client::{Request, http1::Connection};
use crate::harness::{eventually, faulty_wasm};
use crate::keys::Key;
use crate::scene::{Scene, configuration};

/// A gateway of four workers whose filter traps on `/__trap`, and a key that it lets through.
fn fragile(policy: &str) -> (Scene, Key) {
    let fragile = configuration(json!({"faults": {"trap_path": "/__trap"}}));
    let scene = Scene::plan(|plan| {
        plan.workers(4)
            .faulty_wasm(faulty_wasm())
            .plugin("failure_policy", json!(policy))
            .plugin("reload_config", json!({"backoff": {"base_interval": "0.2s"}}))
            .listener("main", fragile)
    });
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    (scene, key)
}

/// What a connection's worker says to a request with the key and to one without.
fn answers(connection: &mut Connection, key: &Key) -> (u16, u16) {
    let good = connection.send(&Request::get("/documents").bearer(&key.secret)).status;
    (good, connection.send(&Request::get("/documents")).status)
}

#[test]
fn a_worker_whose_filter_died_refuses_and_the_others_go_on() {
    let (scene, key) = fragile("FAIL_CLOSED");
    let mut connections = scene.connections("main");
    assert!(connections.iter_mut().all(|connection| answers(connection, &key) == (200, 401)));
    assert_eq!(connections[0].send(&Request::get("/__trap")).status, 503);
    let after: Vec<_> = connections.iter_mut().map(|connection| answers(connection, &key)).collect();
    assert_eq!(after[0], (503, 503), "the worker that trapped");
    assert!(scene.gateway.has_trapped(), "which other tests look for at their end");
    assert!(after.contains(&(200, 401)), "the other workers: {after:?}");
    assert!(after.iter().all(|answers| matches!(answers, (200, 401) | (503, 503))), "{after:?}");
    let new = Key::live("new").may(&["*"]);
    scene.authority.publish([&new]);
    for (connection, before) in connections.iter_mut().zip(after) {
        assert_eq!(answers(connection, &new), before, "a dead worker does not hold up the others");
    }
}

#[test]
fn a_worker_that_reloads_is_warm_though_the_authority_is_down() {
    let (scene, key) = fragile("FAIL_RELOAD");
    let mut connections = scene.connections("main");
    scene.authority.go_down();
    assert_eq!(connections[0].send(&Request::get("/__trap")).status, 503);
    let mut seen = Vec::new();
    eventually("the worker has a new filter", || {
        seen.push(answers(&mut connections[0], &key));
        seen.last() == Some(&(200, 401))
    });
    assert!(
        seen.iter().all(|(good, none)| matches!(good, 200 | 503) && matches!(none, 401 | 503)),
        "{seen:?}"
    );
    assert!(connections.iter_mut().all(|connection| answers(connection, &key) == (200, 401)));
    scene.authority.up();
    let new = Key::live("new").may(&["*"]);
    scene.authority.publish([&new]);
    assert!(connections.iter_mut().all(|connection| answers(connection, &new) == (200, 401)));
}

#[test]
fn all_workers_may_die_and_the_table_is_still_followed() {
    let (scene, key) = fragile("FAIL_RELOAD");
    let mut connections = scene.connections("main");
    for round in 0..3 {
        for connection in &mut connections {
            connection.send(&Request::get("/__trap"));
        }
        eventually("every worker has a new filter", || {
            connections.iter_mut().all(|connection| answers(connection, &key) == (200, 401))
        });
        let new = Key::live("new").may(&["*"]);
        scene.authority.publish([&new]);
        assert!(connections.iter_mut().all(|connection| answers(connection, &new).0 == 200), "round {round}");
    }
    let traps: u64 =
        scene.gateway.statistics().holding("vm_reload_success").map(|(_, value): (_, u64)| value).sum();
    assert!(traps >= 4, "every worker was reloaded");
    let ids: Vec<Value> =
        scene.authority.polls().iter().map(|call| json!(call.header("x-flint-gateway"))).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "the process keeps its id: {ids:?}");
}
