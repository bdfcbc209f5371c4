//! What Envoy answers to the calls that the filter leaves to the SDK: the SDK panics on a status
//! that it does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::client::Request;
use crate::harness::{eventually, root};
use crate::scene::Scene;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const SERIALIZATION_FAILURE: u32 = 3;
const INTERNAL_FAILURE: u32 = 10;

/// What `proxy-wasm` 0.2.5 takes of each call, by reading its `hostcalls.rs`; it panics on anything
/// else.
const TAKEN: [(&str, &[u32]); 12] = [
    ("log", &[OK]),
    ("set_tick_period", &[OK]),
    ("get_buffer", &[OK, NOT_FOUND]),
    ("add_map_value", &[OK]),
    ("remove_map_value", &[OK]),
    ("get_property", &[OK, NOT_FOUND, SERIALIZATION_FAILURE, INTERNAL_FAILURE]),
    ("define_metric", &[OK]),
    ("increment_metric", &[OK, NOT_FOUND, BAD_ARGUMENT]),
    ("record_metric", &[OK, NOT_FOUND]),
    ("resume_http_request", &[OK]),
    ("set_effective_context", &[OK, BAD_ARGUMENT]),
    ("dispatch_http_call", &[OK, BAD_ARGUMENT, INTERNAL_FAILURE]),
];

/// Builds the module that makes the calls.
fn module() -> PathBuf {
    let module = root().join("target/statuses.wasm");
    let built = Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "cdylib", "--target", "wasm32-wasip1", "-O", "-o"])
        .args([&module, &root().join("tests/envoy/modules/statuses.rs")])
        .current_dir(root())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "the module does not build");
    module
}

#[test]
fn envoy_answers_no_status_that_makes_the_sdk_panic() {
    let scene = Scene::plan(|plan| plan.workers(1).faulty_wasm(module()).listener("main", json!({})));
    scene.send("main", &Request::get("/now"));
    let mut waiting = scene.connections("main");
    waiting.truncate(2);
    for connection in &mut waiting {
        connection.write(&Request::get("/wait")).unwrap();
    }
    eventually("one of the two has continued", || scene.gateway.log().contains("statuses: resumed"));
    for connection in waiting {
        connection.close();
    }
    eventually("the other has ended", || scene.gateway.log().contains("statuses: ended"));
    eventually("the callout is answered", || scene.gateway.log().contains("statuses: answer get_buffer"));
    assert!(!scene.gateway.has_trapped());
    let taken = BTreeMap::from(TAKEN);
    let (mut stages, mut calls) = (BTreeSet::new(), BTreeSet::new());
    let log = scene.gateway.log();
    for line in log.lines().filter_map(|line| line.split_once("statuses: ")).map(|(_, told)| told) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &[stage, call, status] = words.as_slice() else { continue };
        assert!(taken[call].contains(&status.parse().unwrap()), "{stage}: {call} answers {status}");
        stages.insert(stage);
        calls.insert(call);
    }
    let all = ["answer", "configure", "ended", "paused", "request", "resumed", "tick"];
    assert_eq!(stages, BTreeSet::from(all), "not every stage was seen");
    assert_eq!(calls, taken.into_keys().collect(), "not every call was made");
}
