//! Configuration updates while requests arrive (acceptance E4): no request slips through, and the
//! table stays warm.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::client::{Protocol, Request, http1::Connection};
use crate::harness::{eventually, throughout};
use crate::keys::Key;
use crate::scene::{Scene, configuration, with_authority};

/// Sends good and bad requests on connection after connection until told to stop. Returns all
/// statuses that were wrong.
fn hammer(address: SocketAddr, key: &Key, stop: &AtomicBool) -> Vec<(u16, u16)> {
    let mut wrong = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let mut connection = Connection::open(address);
        for _ in 0..20 {
            // A listener that drains closes its connections between two requests, as HTTP/1.1
            // allows.
            let Ok(good) = connection.try_send(&Request::get("/documents").bearer(&key.secret)) else {
                break;
            };
            let Ok(none) = connection.try_send(&Request::get("/documents")) else { break };
            if (good.status, none.status) != (200, 401) {
                wrong.push((good.status, none.status));
            }
        }
    }
    wrong
}

#[test]
fn an_update_under_load_is_seen_by_nobody_though_the_authority_is_down() {
    let mut scene = Scene::start(4, configuration(json!({})));
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    scene.authority.go_down();
    let (address, stop) = (scene.gateway.address(), AtomicBool::new(false));
    thread::scope(|scope| {
        let hammers: Vec<_> = (0..6).map(|_| scope.spawn(|| hammer(address, &key, &stop))).collect();
        for (realm, wait) in [("one", 25), ("two", 20), ("three", 10), ("four", 25)] {
            // How the authority is asked may change too: it is the same authority, and the same
            // table.
            let mut changed = with_authority(json!({"wait_seconds": wait, "timeout_seconds": 3}));
            changed["realm"] = json!(realm);
            let updated = scene.gateway.reconfigure("main", changed);
            updated.expect("the configuration is good");
            let challenge = format!("Bearer realm=\"{realm}\"");
            eventually("the update is in force", || {
                let answer = Request::get("/documents").send(Protocol::Http1, address);
                answer.header("www-authenticate") == Some(&challenge)
            });
        }
        stop.store(true, Ordering::SeqCst);
        for hammer in hammers {
            assert_eq!(hammer.join().expect("a result"), [], "wrong answers during the updates");
        }
    });
    scene.authority.up();
    let new = Key::live("new").may(&["*"]);
    scene.authority.publish([&new]);
    for mut connection in scene.connections("main") {
        assert_eq!(connection.send(&Request::get("/documents").bearer(&new.secret)).status, 200);
    }
}

#[test]
fn an_update_changes_what_is_decided() {
    let mut scene = Scene::start(4, configuration(json!({})));
    let key = Key::live("reader").may(&["documents:read"]);
    scene.authority.publish([&key]);
    let polls = scene.authority.most_open_polls();
    for (wanted, status) in [("documents:write", 403), ("documents:read", 200)] {
        let routes = json!([{"path": "/documents", "all_of": [wanted]}]);
        scene
            .gateway
            .reconfigure("main", configuration(json!({"routes": routes})))
            .expect("a good configuration");
        for mut connection in scene.connections("main") {
            eventually("the update is in force", || {
                let answer = connection.send(&Request::get("/documents").bearer(&key.secret));
                answer.status == status
            });
        }
    }
    assert_eq!(polls, 1);
    scene.authority.polled_again(0);
    assert_eq!(scene.authority.most_open_polls(), 1, "old and new configuration share the poller");
    // The call that the old configuration made ended with it.
    let new = Key::live("new").may(&["documents:read"]);
    scene.authority.publish([&new]);
    assert_eq!(scene.send("main", &Request::get("/documents").bearer(&new.secret)).status, 200);
}

#[test]
fn a_bad_update_is_refused_and_the_old_configuration_goes_on() {
    let mut scene = Scene::start(2, configuration(json!({})));
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    let refused = scene.gateway.reconfigure("main", configuration(json!({"default": "open"})));
    assert!(refused.expect_err("it is bad").contains("$.default: "));
    throughout("the old one serves", Duration::from_millis(500), || {
        scene.send("main", &Request::get("/documents").bearer(&key.secret)).status == 200
            && scene.send("main", &Request::get("/documents")).status == 401
    });
}
