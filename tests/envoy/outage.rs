//! The authority is gone, stale, or replaced (contract §6, acceptance D2 to D7).

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::authority::{Authority, TOKEN};
use crate::client::{Protocol, Request};
use crate::expect;
use crate::harness::{Gateway, Plan, eventually, now, throughout};
use crate::keys::Key;
use crate::scene::{Scene, configuration, with_authority};
use crate::upstream::Upstream;

fn status(scene: &Scene, key: &Key) -> u16 {
    scene.send("main", &Request::get("/documents").bearer(&key.secret)).status
}

#[test]
fn while_the_authority_is_down_the_last_table_serves_on_every_worker() {
    let scene = Scene::start(4, configuration(json!({})));
    let (good, late) = (Key::live("good").may(&["*"]), Key::live("late"));
    scene.authority.publish([&good]);
    scene.authority.go_down();
    for mut connection in scene.connections("main") {
        for (key, status) in [(&good, 200), (&late, 401)] {
            assert_eq!(connection.send(&Request::get("/documents").bearer(&key.secret)).status, status);
        }
    }
    eventually("failures are counted", || {
        scene.gateway.statistics().holding("flint_poll_failures_").any(|(_, value)| value > 0)
    });
    scene.authority.up();
    scene.authority.publish([late.clone().may(&["*"])]);
    assert_eq!((status(&scene, &good), status(&scene, &late)), (200, 200));
}

#[test]
fn a_cluster_that_envoy_does_not_have_makes_requests_unavailable() {
    let upstream = Upstream::start("production");
    let missing = json!({"authority": {"cluster": "no_such_cluster", "token": TOKEN}});
    let plan = Plan::new().workers(4).cluster("upstream", upstream.address);
    let gateway =
        Gateway::start(plan.http2_cluster("upstream_http2", upstream.address).listener("main", missing));
    for protocol in Protocol::ALL {
        let answer = Request::get("/").bearer("flint_live_any").send(protocol, gateway.address());
        expect::denied(&answer, "unavailable");
    }
    let call =
        Request::new("POST", "/a.B/C").header("content-type", "application/grpc").bearer("flint_live_any");
    let answer = call.send(Protocol::Http2, gateway.address());
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")), "{answer:?}");
    eventually("it is counted", || {
        gateway.statistics().holding("flint_poll_failures_").any(|(_, value)| value > 0)
    });
    assert!(gateway.is_running() && gateway.log().contains("no_such_cluster"), "the log names the cluster");
    assert_eq!(upstream.received().len(), 0);
}

#[test]
fn a_cluster_without_endpoints_makes_requests_unavailable() {
    let empty = json!({"authority": {"cluster": "empty", "token": TOKEN}});
    let scene = Scene::plan(|plan| plan.workers(2).empty_cluster("empty").listener("main", empty));
    for mut connection in scene.connections("main") {
        let answer = connection.send(&Request::get("/").bearer("flint_live_any"));
        expect::denied(&answer, "unavailable");
    }
    eventually("it is counted", || {
        scene.gateway.statistics().holding("flint_poll_failures_").any(|(_, value)| value > 0)
    });
}

#[test]
fn a_table_that_is_too_old_is_as_good_as_none() {
    let old = |unavailable| {
        let mut all = with_authority(json!({"wait_seconds": 1, "timeout_seconds": 1}));
        all["max_staleness_seconds"] = json!(2);
        all["unavailable"] = json!(unavailable);
        all
    };
    let scene =
        Scene::plan(|plan| plan.workers(4).listener("main", old("deny")).listener("open", old("allow")));
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    // By then it were too old for good if it were not for the polls.
    thread::sleep(Duration::from_secs(3));
    eventually("polls keep the table young", || status(&scene, &key) == 200);
    scene.authority.go_down();
    let mut connections = scene.connections("main");
    eventually("the table grows too old", || status(&scene, &key) == 503);
    for connection in &mut connections {
        eventually("every worker sees it", || {
            connection.send(&Request::get("/documents").bearer(&key.secret)).status == 503
        });
        let begun = Instant::now();
        for _ in 0..30 {
            expect::denied(&connection.send(&Request::get("/documents").bearer(&key.secret)), "unavailable");
        }
        // For a first table each would wait a second.
        assert!(begun.elapsed() < Duration::from_secs(30), "the answer is immediate: {:?}", begun.elapsed());
        expect::denied(&connection.send(&Request::get("/documents").bearer("flint_live_a.b")), "malformed");
        assert_eq!(connection.send(&Request::get("/healthz")).status, 200);
    }
    let (answer, line) =
        scene.send_logged(Protocol::Http1, "open", Request::get("/documents").bearer(&key.secret));
    assert_eq!(
        (answer.status, &line["outcome"], &line["key_id"]),
        (200, &json!("unavailable"), &json!(null))
    );
    assert_eq!(answer.received("x-flint-key-id"), json!(null));
    scene.authority.up();
    eventually("it recovers by itself", || status(&scene, &key) == 200);
}

#[test]
fn a_reset_replaces_the_table_when_it_is_complete_and_not_before() {
    let scene = Scene::start(4, configuration(json!({})));
    let keep = Key::live("keep").may(&["*"]);
    let revoked = Key::live("revoked").may(&["*"]).with("revoked_at", now() - 1);
    let (forgotten, added) = (Key::live("forgotten").may(&["*"]), Key::live("added").may(&["*"]));
    scene.authority.publish([&keep, &revoked, &forgotten]);
    let all = [&keep, &revoked, &forgotten, &added];
    let seen = |scene: &Scene| all.map(|key| status(scene, key));
    assert_eq!(seen(&scene), [200, 401, 200, 401]);

    scene.authority.page_limit(1);
    scene.authority.hold_after(2);
    let polls = scene.authority.polls().len();
    let position = scene.authority.restart_with([&added, &keep, &revoked]);
    scene.authority.polled(polls + 2);
    throughout("the old table serves", Duration::from_millis(300), || seen(&scene) == [200, 401, 200, 401]);
    scene.authority.recover();
    let mut valid = true;
    eventually("the new table serves", || {
        let now = seen(&scene);
        valid &= now[0] == 200 && now[1] == 401;
        now == [200, 401, 401, 200]
    });
    assert!(valid, "no key was lost in between, and no revoked one came back");
    scene.authority.acknowledged(&position);
}

#[test]
fn an_empty_database_empties_the_table() {
    let scene = Scene::start(4, configuration(json!({})));
    let key = Key::live("gone").may(&["*"]);
    scene.authority.publish([&key]);
    assert_eq!(status(&scene, &key), 200);
    let position = scene.authority.restart_with([] as [&Key; 0]);
    scene.authority.acknowledged(&position);
    for mut connection in scene.connections("main") {
        let answer = connection.send(&Request::get("/documents").bearer(&key.secret));
        expect::denied(&answer, "unknown_key");
    }
    scene.authority.publish([&key]);
    assert_eq!(status(&scene, &key), 200);
}

#[test]
fn a_token_may_come_from_the_environment() {
    let key = Key::live("any").may(&["*"]);
    let named = json!({"authority": {"cluster": "authority", "token_env": "FLINT_GATEWAY_TOKEN"}});
    let scene =
        Scene::plan(|plan| plan.variable("FLINT_GATEWAY_TOKEN", TOKEN).listener("main", named.clone()));
    scene.authority.publish([&key]);
    assert_eq!(status(&scene, &key), 200);

    let unset = Scene::plan(|plan| plan.listener("main", named));
    let answer = unset.send("main", &Request::get("/documents").bearer(&key.secret));
    expect::denied(&answer, "unavailable");
    eventually("it is counted", || {
        unset.gateway.statistics().holding("flint_poll_failures_").any(|(_, value)| value > 0)
    });
    assert!(unset.gateway.log().contains("FLINT_GATEWAY_TOKEN"), "the log names the variable");
    assert_eq!(unset.authority.calls().len(), 0, "no call is made without a token");
}

#[test]
fn a_token_that_is_refused_is_tried_again_until_it_is_good() {
    let authority = Authority::start();
    authority.every_poll(crate::authority::Reply::Status(401, "{}".into()));
    let scene = Scene::with(authority, |plan| plan.listener("main", configuration(json!({}))));
    let key = Key::live("any").may(&["*"]);
    expect::denied(&scene.send("main", &Request::get("/").bearer(&key.secret)), "unavailable");
    scene.authority.recover();
    scene.authority.publish([&key]);
    assert_eq!(status(&scene, &key), 200);
}
