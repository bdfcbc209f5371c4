//! Keys, digests and tokens must never appear in anything that the filter writes (acceptance E5).

use serde_json::json;

use crate::authority::{Reply, TOKEN};
use crate::client::{Protocol, Request};
use crate::harness::eventually;
use crate::keys::Key;
use crate::scene::{Scene, configuration};

#[test]
fn no_key_digest_or_token_is_in_logs_statistics_or_answers() {
    let settings = configuration(json!({
        "authority": {"cluster": "authority", "token_env": "FLINT_GATEWAY_TOKEN"},
        "environments": ["live", "test"],
    }));
    let scene = Scene::plan(|plan| {
        plan.workers(2).log_level("trace").variable("FLINT_GATEWAY_TOKEN", TOKEN).listener("main", settings)
    });
    let (good, poor) = (Key::live("good").may(&["*"]), Key::live("poor"));
    let revoked = Key::test("revoked").with("revoked_at", 1);
    let (unknown, spoilt) = (Key::live("unknown"), Key::live("spoilt").with("permissions", "all"));
    let keys = [&good, &poor, &revoked, &unknown, &spoilt];
    scene.authority.publish([&good, &poor, &revoked, &spoilt]);
    let mut told = String::new();
    for key in keys {
        for value in [format!("Bearer {}", key.secret), format!("Bearer {} x", key.secret)] {
            let (answer, line) =
                scene.send_logged(Protocol::Http1, "main", Request::get("/documents").authorization(value));
            told.push_str(&format!("{answer:?}\n{line}\n"));
        }
    }
    for reply in bad_answers(&good) {
        scene.authority.every_poll(reply.clone());
        scene.authority.every_report(reply);
        scene.authority.polled_again(2);
        scene.authority.recover();
        // A success in between keeps the back-off short.
        scene.authority.publish([&good]);
    }
    eventually("usage is reported", || !scene.authority.reports().is_empty());
    told.push_str(&scene.gateway.log());
    for page in ["/stats?format=json", "/stats/prometheus", "/clusters", "/listeners"] {
        told.push_str(&scene.gateway.admin(page));
    }
    for key in keys {
        assert!(!told.contains(&key.secret), "a key is told: {}", place(&told, &key.secret));
        assert!(!told.contains(key.digest()), "a digest is told: {}", place(&told, key.digest()));
    }
    assert!(!told.contains(TOKEN), "the token is told: {}", place(&told, TOKEN));
    assert!(told.contains("wasm log"), "the filter did log something");
}

/// Answers that would tempt a filter to quote them.
fn bad_answers(key: &Key) -> Vec<Reply> {
    let quoted = format!("{} {} {TOKEN}", key.secret, key.digest());
    vec![
        Reply::Status(500, quoted.clone()),
        Reply::Status(401, json!({"error": {"code": "X", "message": quoted}}).to_string()),
        Reply::Body(String::new(), format!("{{\"{quoted}\": ").into_bytes()),
        Reply::Page(json!({"cursor": "c", "more": quoted, "keys": [key.entry]})),
        Reply::Page(json!({"cursor": 7, "more": false, "removed": [key.digest()]})),
    ]
}

/// The line around a secret.
fn place(told: &str, secret: &str) -> String {
    told.lines().find(|line| line.contains(secret)).unwrap_or_default().to_owned()
}
